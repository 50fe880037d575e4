"""The seals: what wraps the 256-bit root key, so that it is never stored in clear.

Promises: a wrapped root opens for the vault that it was wrapped for, with this seal's key, and
else not at all; a root, a passphrase and a share are written nowhere. One file for each kind:
`file`, `passphrase`, `shares`, `transit` (kind `vault`), `aws_kms`, `pkcs11`. Start reading at
`secvault.keyring.seals.seal`.
"""

from secvault.keyring.seals.file import FileSeal
from secvault.keyring.seals.seal import KINDS, Seal, Wrapped

__all__ = ["KINDS", "FileSeal", "Seal", "Wrapped"]

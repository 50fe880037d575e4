"""Bytes in, bytes out: every format that secvault seals, signs or hashes.

Promises: what was written here opens for ever (each format carries a version), opens only in the
place it was written for, and any change to it is seen. No function here does I/O, reads a clock
or a setting; randomness is a parameter. Needs `cryptography` and `secvault.errors` only.

Start at `aead.seal` for data at rest, `field` and `datakey` for records, `transit` for the
Vault-compatible ciphertext, `token` for credentials; `merkle`, `note`, `checkpoint` and
`evidence` are what an auditor verifies. Errors: `Damaged` for stored bytes that are not what was
written, `InvalidInput` for values that have no place in a format.

Only `Secret` is exported here, so that naming a secret does not load the cryptography.
"""

from secvault.crypto.secret import Secret

__all__ = ["Secret"]

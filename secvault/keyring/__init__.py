"""Which key: the root under its seal, and the named keys with their versions under the root.

Promises: no key is at rest in clear; a key version, once made, opens what it sealed for as long
as it is allowed to; nothing is handed out while sealed. Needs a store, a clock, randomness.
Start reading at `secvault.keyring.keyring`.
"""

from secvault.keyring.keyring import Keyring
from secvault.keyring.seals import FileSeal, Seal

__all__ = ["FileSeal", "Keyring", "Seal"]

"""The seal: what wraps the 256-bit root key, so that it is never stored in clear."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed

_HEADER = "secvault seal key v1"


class Seal(Protocol):
    """Wraps and unwraps the root key."""

    @property
    def kind(self) -> str:
        """Its name in the settings and the store."""
        ...

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """Return the root sealed for this vault. Raises Sealed when the seal's key is missing."""
        ...

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """Return the root. Raises Sealed without the seal's key, Damaged for another's bytes."""
        ...


@dataclass(frozen=True)
class FileSeal:
    """The embedded default: a 256-bit key in a file that only its owner can read.

    The file holds a header line and the key in base64. It belongs outside the data folder and
    outside every backup: whoever has both the file and the data can open the vault.
    """

    file: Path
    random: aead.Random = os.urandom
    kind: str = "file"

    def create(self) -> None:
        """Write a new key, mode 0600. Raises Conflict when the file exists; it is not replaced."""
        text = f"{_HEADER}\n{base64.b64encode(self.random(aead.KEY_BYTES)).decode()}\n"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise Conflict(f"the seal key {self.file} exists already; it stays") from None
        with os.fdopen(handle, "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal."""
        return aead.seal(root.expose(), self._key(), _context(vault_id), self.random)

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """See Seal."""
        try:
            return Secret(aead.open_sealed(wrapped, self._key(), _context(vault_id)))
        except Damaged:
            raise Damaged(
                f"the root key does not open with {self.file}: it is another vault's seal key, "
                "or the stored root was changed"
            ) from None

    def _key(self) -> Secret:
        try:
            handle = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise Sealed(f"the seal key {self.file} cannot be read: {error.strerror}") from None
        with os.fdopen(handle) as source:
            mode = os.fstat(source.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise ConfigurationError(
                    f"the seal key {self.file} can be read by others: chmod 600 {self.file}"
                )
            text = source.read(1024)
        header, _, rest = text.partition("\n")
        try:
            key = base64.b64decode(rest.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if header != _HEADER or len(key) != aead.KEY_BYTES:
            raise Damaged(
                f"the seal key {self.file} is not a seal key file; restore it from its copy"
            )
        return Secret(key)


def _context(vault_id: str) -> bytes:
    return aead.bind("secvault/root", vault_id)

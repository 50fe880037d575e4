"""The embedded default: a 256-bit key in a file that only its owner can read."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed

_HEADER = b"secvault seal key v1"
_LONGEST_FILE = 1024


@dataclass(frozen=True)
class FileSeal:
    """A seal whose key lies in a file.

    The file holds a header line and the key in base64. It belongs outside the data folder and
    outside every backup: whoever has both the file and the data can open the vault.
    """

    file: Path
    random: aead.Random = os.urandom

    @property
    def kind(self) -> str:
        """See Seal."""
        return "file"

    @property
    def parameters(self) -> str:
        """None: where the key lies stands in the settings."""
        return ""

    def create(self) -> None:
        """Write a new key, mode 0600: the whole file or none, also when killed.

        Raises Conflict when the file exists, which is never replaced, and ConfigurationError when
        it cannot be written.
        """
        key = aead.draw(aead.KEY_BYTES, self.random)
        folder = self.file.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix=f".{self.file.name}.", dir=folder)
            try:
                with os.fdopen(handle, "wb") as out:
                    out.write(_HEADER + b"\n" + base64.b64encode(key) + b"\n")
                    out.flush()
                    os.fsync(out.fileno())
                self._take_place(Path(part))
            finally:
                Path(part).unlink()
            _flush_folder(folder)
        except OSError as error:
            raise ConfigurationError(
                f"seal.key_file: {self.file} cannot be written: {error.strerror}"
            ) from None

    def _take_place(self, part: Path) -> None:
        try:
            # A link, unlike a renaming, never takes the place of another file.
            self.file.hardlink_to(part)
        except FileExistsError:
            raise Conflict(f"the seal key {self.file} exists already and is not replaced") from None

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
            # O_NONBLOCK: opening a pipe would wait for its other end.
            handle = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ConfigurationError(
                    f"seal.key_file: {self.file} is a symbolic link; name the file itself"
                ) from None
            raise Sealed(f"the seal key {self.file} cannot be read: {error.strerror}") from None
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ConfigurationError(f"seal.key_file: {self.file} is not a file")
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise ConfigurationError(
                    f"seal.key_file: {self.file} can be read by others: chmod 600 {self.file}"
                )
            content = os.read(handle, _LONGEST_FILE)
        finally:
            os.close(handle)
        header, _, rest = content.partition(b"\n")
        try:
            key = base64.b64decode(rest.strip(), validate=True)
        except binascii.Error:
            key = b""
        if header != _HEADER or len(key) != aead.KEY_BYTES:
            raise Damaged(
                f"the seal key {self.file} is not a seal key file; restore it from its copy"
            )
        return Secret(key)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _context(vault_id: str) -> bytes:
    return aead.bind("secvault/root", vault_id)

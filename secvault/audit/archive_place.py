"""Where archives lie: what a folder and a bucket both promise, and the folder.

What lies there came in once, whole, and does not change.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.errors import Damaged, Unavailable


class ArchivePlace(Protocol):
    """Archives by name. Everything raises Unavailable when the place cannot be reached."""

    def check(self) -> None:
        """Return when the place is as it must be. Raises Conflict for a bucket that cannot lock."""

    def put_once(self, name: str, content: bytes, retain_until: int) -> object:
        """Put a file there for good, unless exactly it is there.

        retain_until: microseconds UTC, before which nobody may remove it, where the place can
        forbid that. Raises Damaged when something else is there, which stays as it is.
        """

    def get(self, name: str) -> bytes | None:
        """The file as it was first put there; None when it is not there."""


@dataclass(frozen=True)
class ArchiveFolder:
    """Archives in a folder, each a file of mode 0400.

    The folder must be there: a share that is not mounted looks as if every archive were gone.
    """

    folder: Path

    def check(self) -> None:
        """See `ArchivePlace`."""
        if not self.folder.is_dir():
            raise Unavailable(f"the folder of the audit archives, {self.folder}, is not there")

    def put_once(self, name: str, content: bytes, retain_until: int) -> object:  # noqa: ARG002
        """See `ArchivePlace`. A folder forbids nobody to remove a file."""
        self.check()
        place = self.folder / name
        with self._named_faults():
            beside = self.folder / f".{name}.{secrets.token_hex(8)}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                with os.fdopen(os.open(beside, flags, 0o400), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                # Unlike a renaming, it never takes the place of a file that is there.
                place.hardlink_to(beside)
            except FileExistsError:
                if place.read_bytes() != content:
                    raise Damaged(f"{place} holds something else") from None
            finally:
                beside.unlink(missing_ok=True)
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return None

    def get(self, name: str) -> bytes | None:
        """See `ArchivePlace`."""
        with self._named_faults():
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the folder of the audit archives, {self.folder}, cannot be used: {error.strerror}"
            ) from None

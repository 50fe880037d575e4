"""Where archives lie: what a folder and a bucket both promise, and the folder.

What lies there came in once, whole, and does not change.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.errors import Conflict, Damaged, NotFound, Unavailable

NAME = re.compile(r"entries-[0-9]{12,19}-[0-9]{12,19}-[0-9a-f]{16}(-[2-9])?\.sva")
"""What an archive is called: its first entry, the one after its last, and what they hash to."""


class ArchivePlace(Protocol):
    """Archives by name. Everything raises Unavailable when the place cannot be reached."""

    def put_once(self, name: str, content: bytes, retain_until: int) -> None:
        """Make it durable under a name that is new. retain_until: microseconds UTC, before which
        nobody may remove it, where the place can forbid that. Raises Conflict when the name is
        taken; what is there stays as it is.
        """

    def get(self, name: str) -> bytes:
        """The whole content. Raises NotFound."""


@dataclass(frozen=True)
class ArchiveFolder:
    """Archives in a folder, each a file of mode 0400.

    The folder must be there: a share that is not mounted looks as if every archive were gone.
    """

    folder: Path

    def put_once(self, name: str, content: bytes, retain_until: int) -> None:  # noqa: ARG002
        """See `ArchivePlace`. A folder forbids nobody to remove a file."""
        place = self._place(name)
        with self._named_faults():
            self._require_folder()
            beside = place.with_name(f"{name}.{secrets.token_hex(8)}.part")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                with os.fdopen(os.open(beside, flags, 0o400), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                # Unlike a renaming, it never takes the place of a file that is there.
                place.hardlink_to(beside)
            except FileExistsError:
                raise Conflict(f"{place} is there already") from None
            finally:
                beside.unlink(missing_ok=True)
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def get(self, name: str) -> bytes:
        """See `ArchivePlace`."""
        place = self._place(name)
        with self._named_faults():
            try:
                return place.read_bytes()
            except FileNotFoundError:
                self._require_folder()
                raise NotFound(f"there is no {place}") from None

    def _place(self, name: str) -> Path:
        # Whoever writes into the database shall not have the service read other files.
        if not NAME.fullmatch(name):
            raise Damaged("the database names an archive of the audit log that cannot be one")
        return self.folder / name

    def _require_folder(self) -> None:
        if not self.folder.is_dir():
            raise Unavailable(f"the folder of the audit archives, {self.folder}, is not there")

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the folder of the audit archives, {self.folder}, cannot be used: {error.strerror}"
            ) from None

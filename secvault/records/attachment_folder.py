"""Attachments in a folder: `<first two of the name>/<name>`, mode 0600.

A content is written beside its place as `<name>.part` and renamed when it is whole and on disk, so
a file without that ending is a whole one, and is never written to again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from secvault.errors import Damaged, Unavailable
from secvault.records.attachment_storage import NAME, Pieces, gone, place_within

_PIECE_BYTES = 2**20
_PART = ".part"


@dataclass(frozen=True)
class FolderStorage:
    """Contents in a folder of this machine, or one that all machines of the service share.

    make: whether the folder may be made when it is not there. Else it must be: a share that is not
    mounted looks as if everything in it were gone.
    """

    folder: Path
    make: bool = False

    def begin(self, name: str) -> FolderUpload:
        """See `Storage`."""
        place = self._place(name)
        with _named_faults(self.folder):
            if self.make and not self.folder.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _sync(self.folder.parent)
            self._require_folder()
            if not place.parent.is_dir():
                place.parent.mkdir(exist_ok=True, mode=0o700)
                _sync(self.folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.fdopen(os.open(_part(place), flags, 0o600), "wb")
        return FolderUpload(self.folder, place, file)

    def size(self, name: str) -> int | None:
        """See `Storage`."""
        with _named_faults(self.folder):
            try:
                return self._place(name).stat().st_size
            except FileNotFoundError:
                self._require_folder()
                return None

    def read(self, name: str, start: int, stop: int) -> Pieces:
        """See `Storage`. Once it has begun, it may be removed: what is read stays there."""
        with _named_faults(self.folder):
            try:
                file = self._place(name).open("rb")
            except FileNotFoundError:
                self._require_folder()
                raise Damaged(gone(name)) from None
            with file:
                file.seek(start)
                while start < stop and (piece := file.read(min(_PIECE_BYTES, stop - start))):
                    start += len(piece)
                    yield piece

    def remove(self, name: str) -> None:
        """See `Storage`."""
        place = self._place(name)
        with _named_faults(self.folder):
            if not self.make:
                self._require_folder()
            for file in (place, _part(place)):
                file.unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """See `Storage`."""
        with _named_faults(self.folder):
            if self.make and not self.folder.exists():
                return
            self._require_folder()
            for part in self.folder.iterdir():
                for file in part.iterdir() if part.is_dir() else ():
                    name = file.name.removesuffix(_PART)
                    # What somebody else put there is none of ours.
                    if NAME.fullmatch(name) and part.name == name[:2]:
                        yield name

    def _place(self, name: str) -> Path:
        return self.folder / place_within(name)

    def _require_folder(self) -> None:
        if not self.folder.is_dir():
            raise Unavailable(f"the folder of the attachments, {self.folder}, is not there")


class FolderUpload:
    """A content that is written into a folder."""

    def __init__(self, folder: Path, place: Path, file: BinaryIO) -> None:
        self._folder, self._place, self._file = folder, place, file

    def write(self, sealed: bytes) -> None:
        """See `Upload`."""
        with _named_faults(self._folder):
            self._file.write(sealed)

    def finish(self) -> None:
        """See `Upload`."""
        with _named_faults(self._folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            _part(self._place).rename(self._place)
            _sync(self._place.parent)

    def abandon(self) -> None:
        """See `Upload`."""
        with suppress(OSError):
            # Closing writes what is left, for which a full disk has no room.
            self._file.close()
        with suppress(OSError):
            _part(self._place).unlink(missing_ok=True)
        with suppress(OSError):
            self._place.unlink(missing_ok=True)


def _part(place: Path) -> Path:
    return place.with_name(place.name + _PART)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _named_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the folder of the attachments, {folder}, cannot be used: {error.strerror}"
        ) from None

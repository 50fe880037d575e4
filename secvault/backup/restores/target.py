"""A folder to put something into, held open, so that nobody can change where it is meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.engine import in_words
from secvault.errors import Conflict, InvalidInput

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MADE = 0o700
"""The mode of folders that were missing above what is restored: of ours alone, for nobody knows
here who could see into those that were there."""


@dataclass(frozen=True)
class Guarded:
    """What no restore writes into or over: secvault's own files, its policies and repositories.

    places: resolved. inodes: of those that are there, as (device, inode); names do not hide them.
    """

    places: tuple[Path, ...]
    inodes: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, paths: Sequence[Path], but: Path) -> Guarded:
        """These files and folders, and all in them. but: a folder in one of them that is open."""
        found = set()
        for path in paths:
            try:
                seen = path.stat()
            except OSError:
                continue
            found.add((seen.st_dev, seen.st_ino))
        places = tuple(path.resolve() for path in paths)
        return cls((*places, but.resolve()), frozenset(found))

    def require_free(self, field: str, path: Path) -> None:
        """Raises InvalidInput where the path is within what is guarded."""
        *guarded, but = self.places
        place = path.resolve()
        if place.is_relative_to(but) and place != but:
            return
        for each in guarded:
            if place.is_relative_to(each):
                raise InvalidInput.at(
                    field,
                    f"{path} is secvault's own; restore to another place, and see "
                    "docs/how-to/restore.md for secvault itself",
                )

    def require_not(self, found: os.stat_result, path: Path) -> None:
        """Raises Conflict where this very file or folder is guarded."""
        if (found.st_dev, found.st_ino) in self.inodes:
            raise Conflict(f"{path} is secvault's own; no restore writes over it")


@dataclass(frozen=True)
class Parent:
    """A folder that is held open, and the name in it that is to be made. path: for words."""

    fd: int
    name: str
    path: Path


@contextmanager
def opened_parent(trusted: Path, below: Sequence[str], guarded: Guarded) -> Iterator[Parent]:
    """The folder that takes `trusted` joined with `below`; what is missing of it is made.

    Links in `trusted` are followed, none below it. Raises Conflict where something else than a
    folder is in the way, or what is guarded; OSError.
    """
    *inner, name = below if below else (trusted.name,)
    start = trusted if below else trusted.parent
    start.mkdir(mode=MADE, parents=True, exist_ok=True)
    fd = os.open(start, _FOLDER)
    try:
        guarded.require_not(os.fstat(fd), start)
        path = start
        for part in inner:
            path = path / part
            deeper = folder_in(fd, part, path, make=True)
            os.close(fd)
            fd = deeper
            guarded.require_not(os.fstat(fd), path)
        yield Parent(fd, name, path / name)
    finally:
        os.close(fd)


def folder_in(fd: int, name: str, path: Path, *, make: bool) -> int:
    """Open a folder in an open one, and no link. Raises Conflict where it is no folder; OSError."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, MADE, dir_fd=fd)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
    except NotADirectoryError:
        raise Conflict(
            f"{path} is a file or a link where a folder belongs; move it away, and restore again"
        ) from None
    except OSError as error:
        raise Conflict(f"{path} cannot be opened: {in_words(error)}") from None


def seen_in(fd: int, name: str) -> os.stat_result | None:
    """What is in an open folder by this name, links as themselves; None for nothing."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def names_in(fd: int) -> list[str]:
    """The names in an open folder, in order."""
    with os.scandir(fd) as found:
        return sorted(entry.name for entry in found)

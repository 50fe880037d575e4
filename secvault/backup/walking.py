"""Every path of the places that a plan saves, in one fixed order, as restic would take them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.excludes import Excludes, literal
from secvault.errors import ConfigurationError

MOST_TROUBLES = 1000
_CACHE_TAG = "CACHEDIR.TAG"
# https://bford.info/cachedir/
_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"

Identity = tuple[int, int]
"""Device and inode: what a file is, whatever its names."""


@dataclass(frozen=True)
class Place:
    """A folder or file to list, and the rules of the source that it is of; see `FoldersSource`.

    with_root: whether the folder itself is listed, or only what is in it. without: names in it that
    are not listed. strange: whether it is somebody else's, so that secvault's own files must not be
    in it.
    """

    path: Path
    with_root: bool = True
    without: tuple[str, ...] = ()
    strange: bool = True
    one_file_system: bool = False
    exclude_caches: bool = False
    exclude_larger_than: int = 0


@dataclass
class Walk:
    """A walk over places, and what it met besides paths.

    excludes: what is passed over. private: secvault's own files. left_out: patterns of what the
    rules of a place left out. troubles: how many paths cannot be read; unreadable: the first of
    their errors. odd_links: the first links to names that are not UTF-8.
    """

    excludes: Excludes
    private: frozenset[Identity]
    left_out: list[str] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)
    troubles: int = 0
    odd_links: list[str] = field(default_factory=list)

    def trouble(self, error: OSError) -> None:
        """Take note of what cannot be read."""
        self.troubles += 1
        if len(self.unreadable) < MOST_TROUBLES:
            self.unreadable.append(error)

    def over(self, place: Place) -> Iterator[tuple[str, os.stat_result]]:
        """Every path of the place, folders before what is in them, by the bytes of the names.

        Links are not followed; sockets are passed over, as restic does not save them, and so is
        what is gone when its turn comes. Raises ConfigurationError for a file of `private`.
        """
        root = str(place.path)
        there = None if self.excludes.match(root) else self._seen(root, place)
        if there is None:
            return
        device = there.st_dev
        if place.with_root:
            yield root, there
        # What is still to be visited: last in, first out, so sorted backwards.
        rest = self._content(root, place)[::-1] if stat.S_ISDIR(there.st_mode) else []
        ours = {f"{root}/{name}" for name in place.without}
        while rest:
            path = rest.pop()
            if path in ours or self.excludes.match(path):
                continue
            there = self._seen(path, place)
            if there is None or stat.S_ISSOCK(there.st_mode) or self._too_large(path, there, place):
                continue
            if stat.S_ISLNK(there.st_mode):
                self._look_at_link(path)
            elif stat.S_ISDIR(there.st_mode):
                if place.one_file_system and there.st_dev != device:
                    self.left_out.append(f"{literal(path)}/*")
                else:
                    rest.extend(self._content(path, place)[::-1])
            yield path, there

    def _seen(self, path: str, place: Place) -> os.stat_result | None:
        try:
            there = os.lstat(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.trouble(error)
            return None
        if place.strange and (there.st_dev, there.st_ino) in self.private:
            raise ConfigurationError(
                f"{path} is secvault's own data folder or key under another name, with which a "
                "backup alone might open: exclude it"
            )
        return there

    def _look_at_link(self, path: str) -> None:
        with suppress(OSError):
            target = os.readlink(path)  # noqa: PTH115 - each byte of it
            if len(self.odd_links) < MOST_TROUBLES and not _is_text(target):
                self.odd_links.append(os.fsencode(path).decode(errors="backslashreplace"))

    def _too_large(self, path: str, there: os.stat_result, place: Place) -> bool:
        too_large = stat.S_ISREG(there.st_mode) and 0 < place.exclude_larger_than < there.st_size
        if too_large:
            self.left_out.append(literal(path))
        return too_large

    def _content(self, folder: str, place: Place) -> list[str]:
        try:
            with os.scandir(folder) as found:
                names = sorted((entry.name for entry in found), key=os.fsencode)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.trouble(error)
            return []
        if place.exclude_caches and _CACHE_TAG in names and _is_cache(folder):
            self.left_out.append(f"{literal(folder)}/*")
            self.left_out.append(f"!{literal(folder)}/{_CACHE_TAG}")
            names = [_CACHE_TAG]
        return [f"{folder.rstrip('/')}/{name}" for name in names]


def opened(path: str) -> int:
    """The file, opened for reading as long as it is one. Raises OSError."""
    # Something else may have come into its place: a link is not followed, a pipe does not wait.
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def order_of(path: str) -> bytes:
    """What sorts paths as they are walked: what is in a folder comes right behind it."""
    return os.fsencode(path).replace(b"/", b"\0")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_cache(folder: str) -> bool:
    try:
        tag = opened(f"{folder}/{_CACHE_TAG}")
        try:
            return os.read(tag, len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
        finally:
            os.close(tag)
    except OSError:
        return False

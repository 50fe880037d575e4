"""Putting what was fetched and verified in place: file by file, each whole or not at all.

A folder that is not there yet comes whole; one that is there takes in what it lacks. What is there
already and is the same as what is restored counts as restored, so that a restore which was killed
in the midst can be done again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.restic import Cancel
from secvault.backup.restores.carrying import dress, move_new, move_over
from secvault.backup.restores.order import Existing
from secvault.backup.restores.target import Guarded, folder_in, names_in, opened_parent, seen_in
from secvault.errors import Cancelled, Conflict

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


@dataclass
class Tally:
    """What became of files, links and the like, folders not counted.

    placed: of them, replaced: over something else. same: were there as they are. kept: others of
    their name stayed. conflicts: paths that are in the way, the first hundred.
    """

    placed: int = 0
    replaced: int = 0
    same: int = 0
    kept: int = 0
    bytes: int = 0
    conflicting: int = 0
    conflicts: list[str] = field(default_factory=list)

    def conflict(self, path: Path) -> None:
        """Note something that is in the way."""
        self.conflicting += 1
        if len(self.conflicts) < 100:
            self.conflicts.append(str(path))


@dataclass(frozen=True)
class Placing:
    """How things are put in place. mark: a word that no name in the targets has."""

    existing: Existing
    guarded: Guarded
    cancel: Cancel
    mark: str
    tally: Tally = field(default_factory=Tally)

    def look(self, staged: Path, trusted: Path, below: Sequence[str]) -> None:
        """Tally what is in the way of `staged` where it belongs; nothing is written.

        The place: see `opened_parent`. Raises Cancelled, OSError.
        """
        target = trusted.joinpath(*below)
        place = trusted if below else trusted.parent
        for part in below[:-1]:
            place = place / part
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                self.tally.conflict(place)
                return
        if place.is_dir():
            self._look(staged, target)

    def put(self, staged: Path, trusted: Path, below: Sequence[str]) -> None:
        """Move `staged` to where it belongs under its own name, and tally it.

        Raises Conflict where something is in the way that the order does not let go; Cancelled,
        OSError: what is in place by then is whole.
        """
        with opened_parent(trusted, below, self.guarded) as parent:
            source = os.open(staged.parent, _FOLDER)
            try:
                _allow_removal(source)
                self._put(source, parent.fd, parent.name, parent.path)
            finally:
                os.close(source)

    def _look(self, staged: Path, target: Path) -> None:
        self._heed()
        try:
            there = target.lstat()
        except FileNotFoundError:
            return
        found = staged.lstat()
        if stat.S_ISDIR(found.st_mode) and stat.S_ISDIR(there.st_mode):
            for each in sorted(staged.iterdir()):
                self._look(each, target / each.name)
            return
        unlike = stat.S_ISDIR(found.st_mode) or stat.S_ISDIR(there.st_mode)
        if unlike or (self.existing == "refuse" and not _alike(staged, found, target, there)):
            self.tally.conflict(target)

    def _put(self, source: int, target: int, name: str, path: Path) -> None:
        self._heed()
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        there = seen_in(target, name)
        if there is not None:
            self.guarded.require_not(there, path)
        if stat.S_ISDIR(found.st_mode):
            self._put_folder(source, target, name, path, there)
        else:
            self._put_file(source, target, name, path, there, found)

    def _put_folder(
        self, source: int, target: int, name: str, path: Path, there: os.stat_result | None
    ) -> None:
        if there is None:
            count = _counted(source, name)
            try:
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            except OSError as error:
                # EACCES: a folder without write mode cannot be renamed by whoever is not root.
                if error.errno not in (errno.EXDEV, errno.EACCES, errno.EEXIST, errno.ENOTEMPTY):
                    raise
            else:
                self.tally.placed += count[0]
                self.tally.bytes += count[1]
                return
        inner = os.open(name, _FOLDER, dir_fd=source)
        try:
            found = os.fstat(inner)
            _allow_removal(inner)
            outer = folder_in(target, name, path, make=there is None)
            try:
                self.guarded.require_not(os.fstat(outer), path)
                for each in names_in(inner):
                    self._put(inner, outer, each, path / each)
                if there is None or self.existing == "overwrite":
                    dress(inner, outer, found)
            finally:
                os.close(outer)
        finally:
            os.close(inner)

    def _put_file(
        self,
        source: int,
        target: int,
        name: str,
        path: Path,
        there: os.stat_result | None,
        found: os.stat_result,
    ) -> None:
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        if there is None:
            try:
                move_new(source, target, name, self._beside(name), self._heed)
            except FileExistsError:
                # Somebody put it there since we looked.
                there = seen_in(target, name)
            else:
                self.tally.placed += 1
                self.tally.bytes += size
                return
        if there is None:
            raise Conflict(f"{path} comes and goes; restore again when nobody works there")
        if stat.S_ISDIR(there.st_mode):
            raise Conflict(f"{path} is a folder where a file belongs; move it away")
        if self.existing == "overwrite":
            move_over(source, target, name, self._beside(name), self._heed)
            self.tally.placed += 1
            self.tally.replaced += 1
            self.tally.bytes += size
        elif _alike_in(source, target, name, found, there):
            self.tally.same += 1
        elif self.existing == "keep":
            self.tally.kept += 1
        else:
            raise Conflict(f"{path} is there already; say what is to become of it")

    def _beside(self, name: str) -> str:
        # A name may have 255 bytes; this one need not tell which it was.
        return f".secvault-{self.mark}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"

    def _heed(self) -> None:
        if self.cancel.is_set():
            raise Cancelled("stopped on request; what is in place by now is whole, the rest is not")


def _allow_removal(folder: int) -> None:
    # Staged folders have the modes that they had; nothing is moved out of 0500.
    os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) | stat.S_IRWXU)


def _counted(folder: int, name: str) -> tuple[int, int]:
    """Files and bytes in a folder that nobody else can reach."""
    files = size = 0
    start = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for _, _, names, at in os.fwalk(".", dir_fd=start):
            for each in names:
                found = os.stat(each, dir_fd=at, follow_symlinks=False)
                files += 1
                size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    finally:
        os.close(start)
    return files, size


def _alike_in(
    source: int, target: int, name: str, found: os.stat_result, there: os.stat_result
) -> bool:
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(there.st_mode):
        return False
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(name, dir_fd=source) == os.readlink(name, dir_fd=target)
    if not stat.S_ISREG(found.st_mode):
        return found.st_rdev == there.st_rdev
    if found.st_size != there.st_size:
        return False
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    one = os.open(name, flags, dir_fd=source)
    try:
        other = os.open(name, flags, dir_fd=target)
        try:
            return _same_content(one, other)
        finally:
            os.close(other)
    finally:
        os.close(one)


def _alike(staged: Path, found: os.stat_result, target: Path, there: os.stat_result) -> bool:
    source = os.open(staged.parent, _FOLDER)
    try:
        place = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _alike_in(source, place, target.name, found, there)
        finally:
            os.close(place)
    finally:
        os.close(source)


def _same_content(one: int, other: int) -> bool:
    while True:
        left, right = os.read(one, _CHUNK), os.read(other, _CHUNK)
        # A regular file gives what is asked for, but at its end.
        if left != right:
            return False
        if not left:
            return True

"""A restore seen beforehand: what would be written, what is in the way, whether there is room."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.restic import Entry
from secvault.backup.restores.selection import Root, Selection
from secvault.backup.sources.loading import Target

SHOWN = 200
"""Paths of each kind that a preview lists; all are counted."""


@dataclass(frozen=True)
class Room:
    """A file system that is written to. path: a folder in it. needed, free: bytes."""

    path: Path
    needed: int
    free: int

    @property
    def enough(self) -> bool:
        """Whether it fits."""
        return self.needed <= self.free


@dataclass(frozen=True)
class Load:
    """A source that would be loaded. target: in words. meets: each database or the like, and what
    is there by its name.
    """

    source: str
    kind: str
    target: str
    bytes: int
    meets: tuple[Target, ...]


@dataclass
class Preview:
    """What a restore would do. Files are all but folders; bytes of regular files.

    new: files that are not there yet. existing: there by now, perhaps the same. blocked: a folder
    is where a file belongs, or the other way round; such a restore is refused. The lists are the
    first of them, as they would be called at the target.
    """

    files: int = 0
    folders: int = 0
    bytes: int = 0
    new: int = 0
    existing: int = 0
    blocked: int = 0
    existing_first: list[str] = field(default_factory=list)
    blocked_first: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)

    @property
    def enough_room(self) -> bool:
        """Whether it fits everywhere."""
        return all(one.enough for one in self.rooms)


def look(
    entries: Iterable[Entry],
    selection: Selection,
    targets: Mapping[Path, Path],
    scratch: Path,
) -> Preview:
    """What restoring these would do. entries: the whole snapshot, folders before what is in them.

    targets: where each placed root belongs. missing: roots that the snapshot does not hold.
    """
    seen = Preview()
    found: set[Path] = set()
    sizes: dict[Path, int] = {}
    state: dict[Path, str] = {}
    for entry, root in _selected(entries, selection):
        path = Path(entry.path)
        found.add(root.path)
        size = entry.size if entry.type == "file" else 0
        sizes[root.path] = sizes.get(root.path, 0) + size
        seen.bytes += size
        if root.path in targets:
            target = targets[root.path] / path.relative_to(root.path)
            folder = entry.type == "dir"
            now = _state(target, state.get(path.parent, "folder"), folder=folder)
            _note(seen, target, now)
            if folder:
                state[path] = now
            elif now == "absent":
                seen.new += 1
        seen.folders += entry.type == "dir"
        seen.files += entry.type != "dir"
    seen.missing = [str(one.path) for one in selection.roots if one.path not in found]
    seen.rooms = rooms(scratch, seen.bytes, targets, sizes)
    return seen


def rooms(
    scratch: Path, size: int, targets: Mapping[Path, Path], sizes: Mapping[Path, int]
) -> list[Room]:
    """What is needed where: in the scratch space, and on other file systems once more."""
    first = _there(scratch)
    found = [Room(first, size, _free(first))]
    other: dict[int, tuple[Path, int]] = {}
    for root, target in targets.items():
        place = _there(target)
        device = place.stat().st_dev
        if device != first.stat().st_dev:
            known = other.get(device, (place, 0))
            other[device] = (known[0], known[1] + sizes.get(root, 0))
    return [*found, *(Room(place, needed, _free(place)) for place, needed in other.values())]


def _selected(entries: Iterable[Entry], selection: Selection) -> Iterator[tuple[Entry, Root]]:
    for entry in entries:
        root = selection.root_of(Path(entry.path))
        if root is not None:
            yield entry, root


def _state(target: Path, above: str, *, folder: bool) -> str:
    if above != "folder":
        # Nothing is below what is not there, and nothing is judged below what is in the way.
        return above
    try:
        target.lstat()
    except OSError:
        return "absent"
    there = target.is_dir() and not target.is_symlink()
    if folder:
        return "folder" if there else "blocked"
    return "blocked" if there else "existing"


def _note(seen: Preview, target: Path, state: str) -> None:
    if state == "existing":
        seen.existing += 1
        if len(seen.existing_first) < SHOWN:
            seen.existing_first.append(str(target))
    elif state == "blocked":
        seen.blocked += 1
        if len(seen.blocked_first) < SHOWN:
            seen.blocked_first.append(str(target))


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.is_dir():
        path = path.parent
    return path


def _free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize

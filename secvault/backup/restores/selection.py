"""Which parts of a snapshot an order means, and where each belongs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from secvault.backup.manifest import Manifest
from secvault.backup.restores.order import Folder, Order
from secvault.backup.sources.source import SourceEntry
from secvault.errors import InvalidInput, NotFound

FILES_KIND = "folders"
"""The kind of source that is restored as files to where they were; others are loaded."""
_SPECIAL = re.compile(r"([\\*?\[\]])")


@dataclass(frozen=True)
class Root:
    """A file or folder of a snapshot that is restored with all that is below it.

    path: absolute, when it was saved. base: what of the path the plan itself names: links up to
    there are somebody's own arrangement, below it they are content and never followed.
    """

    path: Path
    base: Path


@dataclass(frozen=True)
class Selection:
    """roots: what is fetched; none lies within another. placed: those of them that are put in place
    as files. loads: the sources that are loaded into a server, a file or a bucket instead.
    """

    roots: tuple[Root, ...]
    placed: tuple[Root, ...]
    loads: tuple[SourceEntry, ...]

    def patterns(self) -> tuple[str, ...]:
        """What restic is told to restore."""
        return tuple(pattern_of(one.path) for one in self.roots)

    def root_of(self, path: Path) -> Root | None:
        """The root that a path of the snapshot is or lies in; None where it is not restored."""
        # By the path and what is above it, so that a thousand roots cost no more than one.
        for above in (path, *path.parents):
            if above in self._by_path:
                return self._by_path[above]
        return None

    @cached_property
    def _by_path(self) -> Mapping[Path, Root]:
        return {one.path: one for one in self.roots}


def pattern_of(path: Path) -> str:
    """The pattern for restic's --include that means exactly this path and what is below it."""
    return _SPECIAL.sub(r"\\\1", str(path))


def select(order: Order, listed: Manifest, saved: Iterable[str]) -> Selection:
    """What the order means of this snapshot. saved: the top paths that restic was given.

    Raises NotFound for a source or a path that the snapshot cannot hold; InvalidInput for a path of
    which the original place is not one of files.
    """
    tops = tuple(map(Path, saved))
    staged = staged_of(tops, listed)
    known = {entry.name: entry for entry in listed.sources}
    chosen = [_entry(known, name) for name in order.sources]
    # In a folder all is laid down as files; elsewhere, what has a server or a file of its own is
    # loaded there.
    as_files = isinstance(order.place, Folder)
    loads = () if as_files else tuple(one for one in chosen if one.kind != FILES_KIND)
    wanted = [Path(path) for entry in chosen for path in entry.paths]
    wanted += [Path(path) for path in order.paths]
    if not (order.paths or order.sources):
        wanted = list(tops)
    roots = tuple(Root(path, _base(path, tops)) for path in _outermost(wanted))
    if order.production:
        for path in map(Path, order.paths):
            if path.is_relative_to(staged):
                raise InvalidInput.at(
                    "paths", f"{path} is a copy that a run made; name its source, or a target"
                )
    loaded = {Path(path) for entry in loads for path in entry.paths}
    placed = tuple(one for one in roots if not any(one.path.is_relative_to(p) for p in loaded))
    return Selection(roots, placed, loads)


def staged_of(tops: Iterable[Path], listed: Manifest) -> Path:
    """Where the staged copy of the run lay. Raises NotFound."""
    name = f"staging-{listed.plan}"
    for path in tops:
        if path.name == name:
            return path
    raise NotFound("the snapshot holds no staged copy; it was not made by a backup run")


def _entry(known: Mapping[str, SourceEntry], name: str) -> SourceEntry:
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise NotFound(f"the snapshot holds no source {name!r}; there are: {there}")
    return known[name]


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda one: len(one.parts)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return tuple(sorted(kept))


def _base(path: Path, tops: Iterable[Path]) -> Path:
    within = [top for top in tops if path.is_relative_to(top)]
    if not within:
        raise NotFound(f"the snapshot does not hold {path}; look into it, or name another snapshot")
    return max(within, key=lambda one: len(one.parts))

"""Folders and files as a source: saved where they lie, so that nothing is copied first."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from secvault.backup import excludes
from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import FoldersSource
from secvault.errors import ConfigurationError


def stage(source: FoldersSource, turn: Turn) -> Staged:
    """Name the folders and files, and what in them is left out, and nowhere else.

    Raises SourceUnreadable, ConfigurationError.
    """
    setting = f"backup.plans.{turn.plan}.sources.{turn.name}"
    paths = outermost(usable_paths(source.paths, f"{setting}.paths"))
    left_out: list[str] = []
    for pattern in source.excludes:
        try:
            for one in excludes.below(pattern, paths):
                left_out.extend(excludes.for_restic(one))
        except ValueError as error:
            raise ConfigurationError(f"{setting}.excludes: {pattern!r} {error}") from None
    return Staged(paths, tuple(left_out))


def usable_paths(paths: tuple[Path, ...], setting: str) -> tuple[Path, ...]:
    """The paths made absolute; each is there and is a folder or a regular file.

    Raises SourceUnreadable, ConfigurationError, naming the setting that they come from.
    """
    absolute = tuple(map(Path.absolute, paths))
    for path in absolute:
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            raise SourceUnreadable(
                f"{setting}: {path} cannot be read ({error.strerror}); nothing was saved",
                unreadable=(str(path),),
            ) from None
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            # restic would save the link and not what is behind it, and call the backup complete.
            raise ConfigurationError(
                f"{setting}: {path} is neither a folder nor a file; name what it points to"
            )
    return absolute


def outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths without those that lie in others of them, each once."""
    each = tuple(dict.fromkeys(paths))
    return tuple(one for one in each if not any(other in one.parents for other in each))

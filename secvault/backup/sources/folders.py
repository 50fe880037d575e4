"""Folders and files as a source: saved where they lie, so that nothing is copied first."""

from __future__ import annotations

import stat
from pathlib import Path

from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import FoldersSource
from secvault.errors import ConfigurationError


def stage(source: FoldersSource, turn: Turn) -> Staged:
    """Name the folders and files. Raises SourceUnreadable, ConfigurationError."""
    setting = f"backup.plans.{turn.plan}.sources.{turn.name}.paths"
    return Staged(usable_paths(source.paths, setting), source.excludes)


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

"""The kinds of sources: which module stages which."""

from __future__ import annotations

from secvault.backup.sources import folders
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import FoldersSource, SourceSettings
from secvault.errors import ConfigurationError


def stage(source: SourceSettings, turn: Turn) -> Staged:
    """Bring what the source holds, as of now, to where restic reads it.

    Raises SourceUnreadable, ConfigurationError, BackupFailed, Cancelled, OSError; what was written
    into the turn's folder is not saved then.
    """
    match source:
        case FoldersSource():
            return folders.stage(source, turn)
    raise ConfigurationError(
        f"backup.plans.{turn.plan}.sources.{turn.name}: {source.kind} cannot be saved yet"
    )

"""The kinds of sources: which module stages which, and which puts it back."""

from __future__ import annotations

from pathlib import Path

from secvault.backup.sources import (
    bucket,
    bucket_load,
    command,
    folders,
    mariadb,
    mariadb_load,
    postgresql,
    postgresql_load,
    sqlite,
)
from secvault.backup.sources.loading import Loaded, Target, Wish
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.config.backup_sources import (
    BucketSource,
    CommandSource,
    FoldersSource,
    MariadbSource,
    PostgresqlSource,
    SourceSettings,
    SqliteSource,
)
from secvault.errors import ConfigurationError, InvalidInput

_ALL = Wish()


def stage(source: SourceSettings, turn: Turn) -> Staged:
    """Bring what the source holds, as of now, to where restic reads it.

    Raises SourceUnreadable, ConfigurationError, BackupFailed, Unavailable, Damaged, Cancelled,
    OSError; what was written into the turn's folder is not saved then.
    """
    match source:
        case FoldersSource():
            return folders.stage(source, turn)
        case PostgresqlSource():
            return postgresql.stage(source, turn)
        case MariadbSource():
            return mariadb.stage(source, turn)
        case SqliteSource():
            return sqlite.stage(source, turn)
        case CommandSource():
            return command.stage(source, turn)
        case BucketSource():
            return bucket.stage(source, turn)


def look(
    entry: SourceEntry, into: SourceSettings, turn: Turn, wish: Wish = _ALL
) -> tuple[Target, ...]:
    """What `load` with the same wish would meet; changes nothing.

    into, turn: as for `load`. Raises InvalidInput, ConfigurationError, BackupFailed, Unavailable.
    """
    _same_kind(entry, into)
    match into:
        case PostgresqlSource():
            return postgresql_load.look(entry, into, turn, wish)
        case MariadbSource():
            return mariadb_load.look(entry, into, turn, wish)
        case SqliteSource():
            return sqlite.look(entry, into, wish)
        case CommandSource():
            return command.look(into, turn)
        case BucketSource():
            return bucket_load.look(entry, into, turn, wish)
    raise _no_loading(entry)


def load(
    entry: SourceEntry, folder: Path, into: SourceSettings, turn: Turn, wish: Wish = _ALL
) -> Loaded:
    """Put back what was saved, into the server or place that `into` names.

    folder: where the source's saved folder lies now, below the restored tree. into: settings of
    the entry's kind; the source's own for the original. turn: with the password for `into`, and a
    scratch folder. What is there by a name stays whole until the new is whole, and goes then only
    if `wish.replace` says so. Raises Conflict where something is there; InvalidInput, Damaged,
    ConfigurationError, BackupFailed, Unavailable, Cancelled, OSError.
    """
    _same_kind(entry, into)
    match into:
        case PostgresqlSource():
            return postgresql_load.load(entry, folder, into, turn, wish)
        case MariadbSource():
            return mariadb_load.load(entry, folder, into, turn, wish)
        case SqliteSource():
            return sqlite.load(entry, folder, into, turn, wish)
        case CommandSource():
            return command.load(entry, folder, into, turn)
        case BucketSource():
            return bucket_load.load(entry, folder, into, turn, wish)
    raise _no_loading(entry)


def _same_kind(entry: SourceEntry, into: SourceSettings) -> None:
    if entry.kind != into.kind:
        raise InvalidInput.at("into", f"{entry.name} was saved from {entry.kind}, not {into.kind}")


def _no_loading(entry: SourceEntry) -> ConfigurationError:
    return ConfigurationError(f"{entry.name}: what is saved of {entry.kind} is restored as files")

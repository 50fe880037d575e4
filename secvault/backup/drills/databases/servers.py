"""A scratch server for one source, of the kind that it was saved from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secvault.backup.drills.databases import mariadb, postgresql, sqlite
from secvault.backup.drills.databases.place import Place, ScratchServer
from secvault.backup.drills.databases.postgresql import ScratchPostgresql
from secvault.backup.drills.databases.programs import ServerMissing
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import (
    MariadbSource,
    PostgresqlSource,
    SourceSettings,
)

__all__ = ["KINDS", "Place", "ScratchServer", "ServerMissing", "running", "running_postgresql"]

KINDS = frozenset({"postgresql", "mariadb", "sqlite"})
"""Kinds of sources that are loaded into scratch servers."""


@contextmanager
def running(
    entry: SourceEntry, source: SourceSettings | None, place: Place
) -> Iterator[ScratchServer]:
    """A scratch server for what was saved, while the block runs.

    source: its settings, where the plan still has them: they name the folder of programs and how
    long work may take. Raises ServerMissing, Damaged for facts that are none, BackupFailed where it
    does not start, Cancelled, OSError.
    """
    match entry.kind:
        case "postgresql":
            settings = source if isinstance(source, PostgresqlSource) else PostgresqlSource()
            with postgresql.started(entry, settings, place) as one:
                yield one
        case "mariadb":
            with mariadb.started(
                entry, source if isinstance(source, MariadbSource) else MariadbSource(), place
            ) as other:
                yield other
        case "sqlite":
            yield sqlite.ScratchFiles(entry, place)
        case _:
            raise ServerMissing(f"{entry.name}: no server can be started for {entry.kind}")


@contextmanager
def running_postgresql(place: Place, at_least: int = 0) -> Iterator[ScratchPostgresql]:
    """A scratch PostgreSQL of that major version or later, with nothing in it yet."""
    facts = {"server": f"PostgreSQL {at_least}", "databases": {}}
    entry = SourceEntry("scratch", "postgresql", ("/",), facts=facts)
    with postgresql.started(entry, PostgresqlSource(), place) as server:
        yield server

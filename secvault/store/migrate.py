"""The schema's history: bringing a store up to this program, or saying why it cannot be opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from secvault.errors import StoreVersion
from secvault.store.engine import Store
from secvault.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"

# Any fixed number does: two programs that upgrade one PostgreSQL database take turns on it.
_UPGRADE_LOCK = 0x5EC7A017


def head() -> str:
    """The revision that this program writes."""
    revision = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if revision is None:
        raise StoreVersion("the program carries no migrations; install it again")
    return revision


def require_current(store: Store) -> None:
    """Return when the store's schema is exactly this program's.

    Raises StoreVersion for an empty, older, newer or half-migrated store, saying what to do.
    """
    with store.read() as connection:
        state = _state(connection)
    if state is not None:
        raise StoreVersion(state)


def upgrade(store: Store) -> tuple[str | None, str]:
    """Bring the schema to `head()` in one transaction; return (revision before, revision after).

    A store that is current is left alone. A SQLite store that holds data is copied beside
    itself first (`<file>.before-<revision>`). Raises StoreVersion for a newer or half-migrated
    store; it is not touched.
    """
    target = head()
    with store.read() as connection:
        before, known = _revisions(connection)
        half = _half_migrated(connection, before)
    if half:
        raise StoreVersion(half)
    if len(before) == 1 and before[0] not in known:
        raise StoreVersion(_newer(before[0]))
    present = before[0] if before else None
    if present == target:
        return present, target
    if present is not None and store.dialect == "sqlite":
        _copy_beside(store, present)
    with store.write() as connection:
        if store.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return present, target


def _state(connection: Connection) -> str | None:
    revisions, known = _revisions(connection)
    half = _half_migrated(connection, revisions)
    if half:
        return half
    if not revisions:
        return "the store is empty: run `secvault init`"
    if revisions[0] == head():
        return None
    if revisions[0] in known:
        return "the store is older than this program: run `secvault db upgrade`"
    return _newer(revisions[0])


def _newer(revision: str) -> str:
    return (
        f"the store was written by a newer program (schema {revision}, this program knows "
        f"up to {head()}): upgrade the program"
    )


def _revisions(connection: Connection) -> tuple[tuple[str, ...], frozenset[str]]:
    present = MigrationContext.configure(connection).get_current_heads()
    known = frozenset(s.revision for s in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
    return present, known


def _half_migrated(connection: Connection, revisions: tuple[str, ...]) -> str | None:
    tables = set(inspect(connection).get_table_names())
    ours = tables & set(metadata.tables)
    advice = "restore the store from its copy or from a backup"
    if len(revisions) > 1:
        return f"the store is half-way between schemas {', '.join(revisions)}: {advice}"
    if not revisions and ours:
        return f"the store has tables but no schema version: {advice}"
    missing = sorted(set(metadata.tables) - tables)
    if revisions and revisions[0] == head() and missing:
        return f"the store lacks the tables {', '.join(missing)}: {advice}"
    return None


def _copy_beside(store: Store, revision: str) -> None:
    file = Path(str(store.writer.url.database))
    copy = file.with_name(f"{file.name}.before-{revision}")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)


def schema_revision(store: Store) -> str | None:
    """The revision that the store has now; None for an empty one. Raises Unavailable."""
    try:
        with store.read() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
    except DBAPIError as error:
        raise StoreVersion("the store is not a secvault database") from error
    return heads[0] if heads else None

"""The schema's history: bringing a store up to this program, or saying why it cannot be opened."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from secvault.errors import StoreVersion, Unavailable
from secvault.store.engine import Store
from secvault.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"

# Any fixed number does: two programs that upgrade one PostgreSQL database take turns on it.
_UPGRADE_LOCK = 0x5EC7A017

_ADVICE = "restore the store from its copy or from a backup"


@dataclass(frozen=True)
class _History:
    """The revisions that a program knows, `head` the newest."""

    head: str
    known: frozenset[str]


def head(migrations: Path = MIGRATIONS) -> str:
    """The revision that this program writes."""
    return _history(migrations).head


def schema_revision(store: Store) -> str | None:
    """The revision that the store has now; None for an empty one.

    Raises StoreVersion when it lies between two, Unavailable, Damaged.
    """
    with store.read() as connection:
        return _revision(connection)


def require_current(store: Store, migrations: Path = MIGRATIONS) -> None:
    """Return when the store's schema is exactly this program's.

    Raises StoreVersion for an empty, older, newer or half-migrated store, saying what to do.
    """
    history = _history(migrations)
    with store.read() as connection:
        revision = _revision(connection)
        _require_known(connection, revision, history)
        if revision is None:
            raise StoreVersion("the store is empty: run `secvault init`")
        if revision != history.head:
            raise StoreVersion("the store is older than this program: run `secvault db upgrade`")
        _require_whole(connection)


def upgrade(store: Store, migrations: Path = MIGRATIONS) -> tuple[str | None, str]:
    """Bring the schema to `head()` in one transaction; return (revision before, revision after).

    A store that is current is left alone. A SQLite store that holds data is copied beside
    itself first (`<file>.before-<revision>`). Programs that upgrade at the same moment wait for
    each other. Raises StoreVersion for a newer or half-migrated store; it is not touched.
    """
    history = _history(migrations)
    with store.read() as connection:
        revision = _revision(connection)
        _require_known(connection, revision, history)
    if revision == history.head:
        return revision, history.head
    with store.rebuild() as connection:
        if store.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        # Once more, now that nobody else upgrades.
        revision = _revision(connection)
        _require_known(connection, revision, history)
        if revision == history.head:
            return revision, history.head
        if revision is not None and store.dialect == "sqlite":
            _copy_beside(Path(str(store.writer.url.database)), revision)
        config = Config()
        config.set_main_option("script_location", str(migrations).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return revision, history.head


def _history(migrations: Path) -> _History:
    return _own_history() if migrations == MIGRATIONS else _read_history(migrations)


@cache
def _own_history() -> _History:
    """The program's own, whose files are those that it was started with."""
    return _read_history(MIGRATIONS)


def _read_history(migrations: Path) -> _History:
    scripts = ScriptDirectory(str(migrations))
    newest = scripts.get_current_head()
    if newest is None:
        raise StoreVersion("the program carries no migrations; install it again")
    return _History(newest, frozenset(script.revision for script in scripts.walk_revisions()))


def _revision(connection: Connection) -> str | None:
    present = MigrationContext.configure(connection).get_current_heads()
    if len(present) > 1:
        between = ", ".join(sorted(present))
        raise StoreVersion(f"the store is half-way between schemas {between}: {_ADVICE}")
    return present[0] if present else None


def _require_known(connection: Connection, revision: str | None, history: _History) -> None:
    if revision is None and set(inspect(connection).get_table_names()) & set(metadata.tables):
        raise StoreVersion(f"the store has tables but no schema version: {_ADVICE}")
    if revision is not None and revision not in history.known:
        raise StoreVersion(
            f"the store was written by a newer program (schema {revision}, this program knows up "
            f"to {history.head}): upgrade the program"
        )


def _require_whole(connection: Connection) -> None:
    present = {
        table: {column["name"] for column in columns}
        for (_, table), columns in inspect(connection).get_multi_columns().items()
    }
    missing = [
        name if name not in present else f"{name}.{column.name}"
        for name, table in sorted(metadata.tables.items())
        for column in table.columns
        if column.name not in present.get(name, ())
    ]
    if missing:
        lacking = ", ".join(dict.fromkeys(missing))
        raise StoreVersion(f"the store is half-migrated, it lacks {lacking}: {_ADVICE}")


def _copy_beside(file: Path, revision: str) -> None:
    # Beside and renamed, so that the copy is whole or not there; 0600 from the start.
    handle, made = tempfile.mkstemp(prefix=f"{file.name}.before-", suffix=".part", dir=file.parent)
    part = Path(made)
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        os.fsync(handle)
        part.replace(file.with_name(f"{file.name}.before-{revision}"))
        _flush_folder(file.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise Unavailable(
            f"{file} cannot be copied before the upgrade, so nothing was changed: {error}"
        ) from error
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

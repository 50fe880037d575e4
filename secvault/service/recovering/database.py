"""secvault's own database from its copy: a new SQLite file, or an empty PostgreSQL database."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from secvault.backup.database import POSTGRESQL_COPY, SQLITE_COPY, PostgresqlPrograms
from secvault.errors import BackupFailed, ConfigurationError, Conflict, Damaged, InvalidInput
from secvault.service.recovering import place as places
from secvault.service.recovering.place import Place
from secvault.store import Store, open_store
from secvault.store.migrate import require_current, schema_revision, upgrade

# Of `secvault serve`, which makes it in the data folder and leaves it there.
_SERVED = "serve.lock"
# In the scratch folder: which database was empty, and is filled with which snapshot.
_FILLED = "database-filled"


def bring(
    staged: Path,
    dialect: str,
    url: str,
    place: Place,
    programs: PostgresqlPrograms,
    snapshot: str,
    *,
    again: bool,
) -> None:
    """Put the copy in place, whole or not at all.

    url: of an empty PostgreSQL database, where the copy is of one; else not used. snapshot: the id
    of the one that the copy is from. again: a killed process may have done it already. Raises
    Damaged, Conflict (the database is not empty), InvalidInput (no database was named),
    BackupFailed.
    """
    if again and (place.data / _SERVED).exists():
        raise Conflict(
            f"a service has run over {place.data} since this recovery was begun; it is not replaced"
        )
    try:
        place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BackupFailed(f"{place.data} cannot be made: {error.strerror}") from None
    if dialect == "sqlite":
        _bring_sqlite(staged / SQLITE_COPY, place.data / "secvault.db", again=again)
    elif dialect == "postgresql":
        _bring_postgresql(staged / POSTGRESQL_COPY, url, programs, place, snapshot, again=again)
    else:
        raise Damaged("the snapshot holds no copy of secvault's own database")


def require_target(dialect: str, url: str) -> None:
    """Return when there is somewhere to bring such a database to. Raises InvalidInput."""
    if dialect == "postgresql" and not url.startswith("postgresql"):
        raise InvalidInput(
            "the vault was kept in PostgreSQL; make an empty database, and name it with "
            "--store-url-file FILE or SECVAULT_STORE__URL"
        )


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at this address, closed at the end."""
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def bring_up_to_date(store: Store) -> tuple[str, str]:
    """Bring the schema to that of this program: (before, after).

    Raises StoreVersion for a copy that a newer program wrote, Damaged for one without a schema.
    """
    before = schema_revision(store)
    if before is None:
        raise Damaged("the copy of the database has no schema")
    _, after = upgrade(store)
    require_current(store)
    return before, after


def _bring_sqlite(copy: Path, target: Path, *, again: bool) -> None:
    if not copy.is_file():
        raise Damaged("the snapshot holds no database, though its manifest names one")
    if target.exists() and not again:
        raise Conflict(f"{target} is there already; it is left as it is")
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as opened_copy:
        try:
            found = opened_copy.execute("PRAGMA integrity_check").fetchall()
            orphans = opened_copy.execute("PRAGMA foreign_key_check").fetchall()
        except sqlite3.DatabaseError as error:
            raise Damaged(f"the copy of the database cannot be read: {error}") from None
    if found != [("ok",)] or orphans:
        raise Damaged("the copy of the database is damaged; its pages do not fit together")
    part = target.with_name(f".{target.name}.new")
    try:
        # What a process left that was killed while it had the database open is of no use.
        places.remove(target.with_name(f"{target.name}-audit"))
        # A journal of before would be rolled back into what comes now.
        for ending in ("-wal", "-shm", "-journal"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        shutil.copyfile(copy, part)
        part.chmod(0o600)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}") from None


def _bring_postgresql(
    dump: Path,
    url: str,
    programs: PostgresqlPrograms,
    place: Place,
    snapshot: str,
    *,
    again: bool,
) -> None:
    require_target("postgresql", url)
    if not dump.is_file():
        raise Damaged("the snapshot holds no dump, though its manifest names one")
    filled = place.scratch / _FILLED
    with opened(url) as store:
        if store.dialect != "postgresql":
            raise ConfigurationError("store.url: the vault was kept in PostgreSQL; name a database")
        with store.read() as connection:
            present = inspect(connection).get_table_names()
            here = _identity(connection)
        if present:
            # Only what this recovery has put there: any other database is somebody's own.
            if again and _is_ours(filled, here, snapshot) and schema_revision(store) is not None:
                return
            raise Conflict(
                f"the database named is not empty ({len(present)} tables, first {present[0]}); "
                "it is left as it is: name an empty one"
            )
        # Said before it is filled, so that a kill in between leaves nothing that nobody knows.
        places.write_private(filled, f"{here} {snapshot}\n")
        try:
            programs.run(
                "pg_restore",
                store.writer.url,
                [
                    "--exit-on-error",
                    # All of it or nothing, also when killed.
                    "--single-transaction",
                    "--no-owner",
                    "--no-privileges",
                    str(dump),
                ],
            )
        except BackupFailed as refused:
            raise Damaged(f"the copy does not restore: {refused.detail}") from None


def _identity(connection: Connection) -> str:
    """Which database this is, however it was addressed."""
    asked = text(
        "SELECT (SELECT system_identifier FROM pg_control_system()), oid "
        "FROM pg_database WHERE datname = current_database()"
    )
    server, number = connection.execute(asked).one()
    return f"{server}/{number}"


def _is_ours(filled: Path, here: str, snapshot: str) -> bool:
    """Whether this recovery found the database empty. Raises Conflict: with another snapshot."""
    try:
        which, of = filled.read_text("utf-8").split()
    except (OSError, ValueError):
        return False
    if which == here and of != snapshot:
        raise Conflict(
            f"the database named holds the snapshot {of[:8]} by now, and {snapshot[:8]} is to be "
            "restored: choose that one again, or name another database, which is empty"
        )
    return which == here

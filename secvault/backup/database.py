"""A consistent copy of secvault's own database, and opening such a copy in a scratch place."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from secvault.audit.append import LOG
from secvault.backup.sources.postgresql_server import fit_to_show
from secvault.errors import BackupFailed, ConfigurationError, Damaged
from secvault.store import Store, open_store, tables

SQLITE_COPY = "secvault.db"
POSTGRESQL_COPY = "secvault.pgdump"

# A migration that is under way holds its locks for a short time only.
_LOCK_WAIT = "--lock-wait-timeout=60s"
_SCRATCH = "secvault_drill_"
# What no copy of the database has.
_APART = ("data_key", "audit_subject_key", "keys_here")
# Parts of an address that no argument list may show.
_SECRET_OPTIONS = frozenset({"password", "sslpassword"})

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True)
class DatabaseCopy:
    """A copied database: its file, which engine reads it, and the audit log's size in it."""

    file: Path
    dialect: str
    audit_size: int


@dataclass(frozen=True)
class PostgresqlPrograms:
    """pg_dump and pg_restore: their folder (None: by PATH), and how they are started."""

    folder: Path | None = None
    launch: Launch = subprocess.run

    def run(self, program: str, url: URL, arguments: Sequence[str]) -> None:
        """Run one program against `url`; the password goes by its environment alone.

        Raises ConfigurationError where it cannot be started, and BackupFailed with the first
        lines of what it said, without what they may quote of rows.
        """
        path = str(self.folder / program) if self.folder else program
        where = {
            "--host": url.host,
            "--port": str(url.port) if url.port else None,
            "--username": url.username,
        }
        connection = [f"{flag}={value}" for flag, value in where.items() if value]
        try:
            done = self.launch(
                [path, *connection, f"--dbname={_target(url)}", "--no-password", *arguments],
                env=_environment(url),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be started ({error.strerror}): install PostgreSQL's client "
                "programs, or set backup.pg_bin to their folder"
            ) from None
        if done.returncode < 0:
            raise BackupFailed(
                f"{program} was ended by signal {-done.returncode} before it was done; run it again"
            )
        if done.returncode != 0:
            raise BackupFailed(f"{program} ended with {done.returncode}: {_said(done.stderr)}")


def copy_database(
    store: Store,
    folder: Path,
    programs: PostgresqlPrograms,
    keep_keys: Callable[[Connection], None],
) -> DatabaseCopy:
    """Copy the database without its data keys, as of one moment, into `folder` while others go on
    writing.

    SQLite by its online backup; PostgreSQL by pg_dump in the custom format. keep_keys: called with
    a connection that sees exactly what is copied, to keep the data keys elsewhere. A copy does not
    open as a vault until they are back (`rejoin`). Raises BackupFailed.
    """
    if store.dialect == "sqlite":
        file = folder / SQLITE_COPY
        source = Path(str(store.writer.url.database))
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(file)) as copy,
        ):
            live.backup(copy, pages=-1)
        file.chmod(0o600)
        copied = open_store(f"sqlite:///{file}")
        try:
            with copied.read() as connection:
                keep_keys(connection)
        finally:
            copied.close()
        with closing(sqlite3.connect(file)) as copy:
            # One file without a log beside it, so that the copy is complete in itself.
            copy.execute("PRAGMA journal_mode=DELETE")
            # No pages of before on disk, neither in a journal nor left over in the file.
            copy.execute("PRAGMA journal_mode=MEMORY")
            copy.execute("PRAGMA secure_delete=ON")
            for table in _APART:
                copy.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            copy.commit()
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as copy:
            row = copy.execute("SELECT size FROM audit_head WHERE log = ?", (LOG,)).fetchone()
        return DatabaseCopy(file, "sqlite", row[0] if row else 0)
    file = folder / POSTGRESQL_COPY
    with store.read() as connection:
        size = audit_size(connection)
        # What pg_dump sees is what this transaction sees.
        state = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        without = [f"--exclude-table-data={table}" for table in _APART]
        options = ["--format=custom", _LOCK_WAIT, f"--snapshot={state}", *without]
        programs.run("pg_dump", store.writer.url, [*options, f"--file={file}"])
        file.chmod(0o600)
        keep_keys(connection)
    return DatabaseCopy(file, "postgresql", size)


def audit_size(connection: Connection) -> int:
    """How many events the audit log of this store has."""
    head = tables.audit_head
    found = connection.execute(select(head.c.size).where(head.c.log == LOG)).scalar_one_or_none()
    return found or 0


def scratch_database(live: Store, drill_id: str) -> str:
    """The name of the database that a drill restores into, on the server of the live one.

    Lower-case letters, digits and underscores, 56 bytes: `secvault_drill_`, 8 digits of the live
    database, underscore, 32 digits of the drill.
    """
    return _scratch_prefix(live) + hashlib.sha256(drill_id.encode()).hexdigest()[:32]


@contextmanager
def opened_copy(
    folder: Path, live: Store, programs: PostgresqlPrograms, scratch_name: str
) -> Iterator[Store]:
    """Open the database copy in `folder` beside the live one, and put everything away at the end.

    A PostgreSQL copy is restored into a database `scratch_name` on the live server, which must
    allow CREATEDB. Raises Damaged when the copy is not whole, BackupFailed when the server does
    not let us try it.
    """
    sqlite_copy = folder / SQLITE_COPY
    if sqlite_copy.exists():
        store = open_store(f"sqlite:///{sqlite_copy}")
        try:
            _require_sound(store)
            yield store
        finally:
            store.close()
        return
    dump = folder / POSTGRESQL_COPY
    if not dump.exists():
        raise Damaged("the snapshot holds no database")
    if live.dialect != "postgresql":
        raise BackupFailed("the snapshot is of a PostgreSQL database; set store.url to such a one")
    with (
        _made_and_dropped(live, scratch_name) as url,
        restored_postgresql(dump, url, programs) as store,
    ):
        yield store


@contextmanager
def restored_postgresql(dump: Path, url: URL, programs: PostgresqlPrograms) -> Iterator[Store]:
    """The store that a dump is restored into: an empty database at `url`. Raises Damaged."""
    try:
        programs.run(
            "pg_restore", url, ["--exit-on-error", "--no-owner", "--no-privileges", str(dump)]
        )
    except BackupFailed as refused:
        raise Damaged(f"the copy does not restore: {refused.detail}") from None
    store = open_store(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield store
    finally:
        store.close()


def drop_leftovers(live: Store, keep: Callable[[], frozenset[str]]) -> None:
    """Drop the databases that killed drills of this vault left, except those of `keep`.

    keep: asked when it is known which there are, so that no drill that begins meanwhile loses its.
    """
    if live.dialect != "postgresql":
        return
    wanted = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")
    with live.read() as connection:
        found = connection.execute(wanted, {"prefix": _scratch_prefix(live)}).scalars().all()
    for name in set(found) - keep() if found else ():
        with _server(live) as server:
            server.execute(text(_drop(live, name)))


def _require_sound(store: Store) -> None:
    with store.read() as connection:
        found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if found != ["ok"]:
        raise Damaged(f"the restored database is damaged: {str(found[0])[:200]}")
    if orphans:
        raise Damaged(
            f"the restored database is damaged: {len(orphans)} rows refer to rows that do not "
            f"exist, first in {orphans[0][0]}"
        )


@contextmanager
def _made_and_dropped(live: Store, name: str) -> Iterator[URL]:
    quoted = live.writer.dialect.identifier_preparer.quote_identifier(name)
    with _server(live) as server:
        server.execute(text(_drop(live, name)))
        # The empty template: what an administrator has put into the other one would be in the way.
        server.execute(text(f"CREATE DATABASE {quoted} TEMPLATE template0"))
    try:
        yield live.writer.url.set(database=name)
    finally:
        with _server(live) as server:
            server.execute(text(_drop(live, name)))


@contextmanager
def _server(live: Store) -> Iterator[Connection]:
    # CREATE and DROP DATABASE run in no transaction.
    engine = live.writer.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        reason = [*str(error.orig).strip().splitlines(), "no reason given"]
        raise BackupFailed(
            f"the server does not let the drill work in a database of its own: {reason[0]}; "
            "give its role the right CREATEDB"
        ) from None


def _drop(live: Store, name: str) -> str:
    quoted = live.writer.dialect.identifier_preparer.quote_identifier(name)
    return f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"


def _scratch_prefix(live: Store) -> str:
    # Other vaults on the same server have drills of their own.
    database = str(live.writer.url.database)
    return f"{_SCRATCH}{hashlib.sha256(database.encode()).hexdigest()[:8]}_"


def _said(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").splitlines()
    told = (words for line in lines if (words := fit_to_show(line)))
    return " ".join(" ".join(told).split())[:500] or "it did not say why"


def _target(url: URL) -> str:
    """The database, with the further parameters of its address, for instance sslmode."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - not loaded for SQLite

    more = {name: value for name, value in url.query.items() if name not in _SECRET_OPTIONS}
    joined = {
        name: value if isinstance(value, str) else ",".join(value) for name, value in more.items()
    }
    return make_conninfo(dbname=url.database, **joined)


def _environment(url: URL) -> Mapping[str, str]:
    passed_on = ("PATH", "LANG", "LC_ALL", "HOME", "TZ")
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    password = url.password or url.query.get("password")
    if password:
        environment["PGPASSWORD"] = str(password)
    return environment

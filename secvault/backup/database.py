"""A consistent copy of secvault's own database, and opening such a copy in a scratch place."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy.engine import URL, make_url

from secvault.audit.append import LOG
from secvault.errors import BackupFailed, Damaged
from secvault.store import Store, open_store, tables

SQLITE_COPY = "secvault.db"
POSTGRESQL_COPY = "secvault.pgdump"

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

        Raises BackupFailed with the first lines of what it said.
        """
        path = str(self.folder / program) if self.folder else program
        where = {
            "--host": url.host,
            "--port": str(url.port) if url.port else None,
            "--username": url.username,
        }
        connection = [part for flag, value in where.items() if value for part in (flag, value)]
        try:
            done = self.launch(
                [path, *connection, "--no-password", *arguments],
                env=_environment(url),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise BackupFailed(
                f"{path} cannot be started ({error.strerror}): install PostgreSQL's client "
                "programs, or set backup.pg_bin"
            ) from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[:500]
            raise BackupFailed(f"{program} ended with {done.returncode}: {said}")


def copy_database(store: Store, folder: Path, programs: PostgresqlPrograms) -> DatabaseCopy:
    """Copy the whole database, as of one moment, into `folder` while others go on writing.

    SQLite by its online backup; PostgreSQL by pg_dump in the custom format. Raises BackupFailed.
    """
    if store.dialect == "sqlite":
        file = folder / SQLITE_COPY
        source = Path(str(store.writer.url.database))
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(file)) as copy,
        ):
            live.backup(copy, pages=-1)
            # One file without a log beside it, so that the copy is complete in itself.
            copy.execute("PRAGMA journal_mode=DELETE")
        file.chmod(0o600)
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as copy:
            row = copy.execute("SELECT size FROM audit_head WHERE log = ?", (LOG,)).fetchone()
        return DatabaseCopy(file, "sqlite", row[0] if row else 0)
    file = folder / POSTGRESQL_COPY
    with store.read() as connection:
        size = audit_size(connection)
    database = str(store.writer.url.database)
    programs.run("pg_dump", store.writer.url, ["--format=custom", f"--file={file}", database])
    file.chmod(0o600)
    return DatabaseCopy(file, "postgresql", size)


def audit_size(connection: Connection) -> int:
    """How many events the audit log of this store has."""
    head = tables.audit_head
    found = connection.execute(select(head.c.size).where(head.c.log == LOG)).scalar_one_or_none()
    return found or 0


@contextmanager
def opened_copy(
    folder: Path, live: Store, programs: PostgresqlPrograms, scratch_name: str
) -> Iterator[Store]:
    """Open the database copy in `folder` beside the live one, and put everything away at the end.

    A PostgreSQL copy is restored into a database `scratch_name` on the live server, which must
    allow CREATEDB. Raises Damaged when the copy is not whole.
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
    with _scratch_database(live, scratch_name) as url:
        programs.run(
            "pg_restore",
            url,
            ["--exit-on-error", "--no-owner", f"--dbname={scratch_name}", str(dump)],
        )
        store = open_store(url.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            yield store
        finally:
            store.close()


def _require_sound(store: Store) -> None:
    with store.read() as connection:
        found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if found != ["ok"] or orphans:
        raise Damaged(f"the restored database is damaged: {str(found[0])[:200]}")


@contextmanager
def _scratch_database(live: Store, name: str) -> Iterator[URL]:
    quoted = live.writer.dialect.identifier_preparer.quote_identifier(name)
    engine = live.writer.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {quoted}"))
        connection.execute(text(f"CREATE DATABASE {quoted}"))
    try:
        yield make_url(live.writer.url).set(database=name)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"))


def _environment(url: URL) -> Mapping[str, str]:
    passed_on = ("PATH", "LANG", "LC_ALL", "HOME", "TZ")
    environment = {name: os.environ[name] for name in passed_on if name in os.environ}
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    return environment

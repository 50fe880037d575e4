"""The engine: SQLite in one file, or PostgreSQL, behind the same two verbs, read and write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool

from secvault.errors import ConfigurationError, Conflict, Damaged, Unavailable

BUSY_SECONDS = 30


@dataclass(frozen=True)
class Store:
    """An open database.

    `writer` is the only way to change rows: on SQLite one connection that begins IMMEDIATE, so
    that a transaction never fails half-way for a lock; on PostgreSQL the same pool as `reader`.
    """

    reader: Engine
    writer: Engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.writer.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading one consistent state. Raises Unavailable."""
        with _reachable(), self.reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone when it raises. Raises Unavailable."""
        with _reachable(), self.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.reader.dispose()
        self.writer.dispose()


def open_store(url: str) -> Store:
    """Open the database at `url`, without looking at its schema (see `migrate.require_current`).

    url: `sqlite:////absolute/file.db` or `postgresql://user:password@host:port/name`.
    Raises ConfigurationError for another kind; nothing is connected before the first use.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite" and parsed.database:
        return _open_sqlite(Path(parsed.database))
    if parsed.drivername in ("postgresql", "postgres"):
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=8,
            max_overflow=8,
            pool_timeout=BUSY_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        reader = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        return Store(reader, engine)
    raise ConfigurationError(
        "store.url: give sqlite:////absolute/path.db or postgresql://user@host/database"
    )


def _open_sqlite(file: Path) -> Store:
    def engine(*, readers: bool) -> Engine:
        made = create_engine(
            f"sqlite:///{file}",
            poolclass=QueuePool,
            pool_size=8 if readers else 1,
            max_overflow=8 if readers else 0,
            pool_timeout=BUSY_SECONDS,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            hide_parameters=True,
        )
        begin = "BEGIN" if readers else "BEGIN IMMEDIATE"

        @event.listens_for(made, "connect")
        def prepare(connection: sqlite3.Connection, _record: Any) -> None:
            # The driver must not begin transactions of its own accord: it would begin deferred
            # ones and commit before some statements.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            # Erased rows are overwritten, not only unlinked.
            cursor.execute("PRAGMA secure_delete=ON")
            # Without it INSERT OR REPLACE would pass the append-only triggers of the audit log.
            cursor.execute("PRAGMA recursive_triggers=ON")
            if readers:
                cursor.execute("PRAGMA query_only=ON")
            cursor.close()

        @event.listens_for(made, "begin")
        def start(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return made

    return Store(engine(readers=True), engine(readers=False))


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict("it exists already, or changed at the same moment; read again") from error
    except OperationalError as error:
        raise Unavailable(f"the database did not answer: {_reason(error)}") from error
    except DatabaseError as error:
        # Its subclasses are mistakes of ours; the class itself is SQLite's "malformed".
        if type(error.orig) is sqlite3.DatabaseError:
            raise Damaged(f"the database file is damaged: {_reason(error)}") from error
        raise


def _reason(error: DBAPIError) -> str:
    """The driver's own first line; with `hide_parameters` it holds no values."""
    return str(error.orig).strip().splitlines()[0][:200] if error.orig else "no reason given"

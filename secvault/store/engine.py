"""The engine: SQLite in one file, or PostgreSQL, behind the same two verbs, read and write."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    Row,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    TimeoutError,  # noqa: A004 - SQLAlchemy's own: no connection came free
)
from sqlalchemy.pool import QueuePool

from secvault.clock import system_clock
from secvault.errors import ConfigurationError, Conflict, Unavailable
from secvault.store.epoch import begin_announcing, raise_announced
from secvault.store.faults import named, unfit, unreadable
from secvault.store.turn import Turns

BUSY_SECONDS = 30
_NESTED = 40
"""Connections beside the eight that are kept, as many as a web worker has threads: one that reads
while it holds a connection must not wait for others who do the same. Closed after use."""
CONNECT_SECONDS = 10

AS_BINARY = "secvault_as_binary"
"""Option of a statement whose rows PostgreSQL is to send as they are, not as text: bytes as text
are twice as long, and take most of the time of reading them.
"""

_SQLITE = "sqlite:///"
_MEND = "store.url: give sqlite:////absolute/path.db or postgresql://user@host/database"


class _Shared(threading.local):
    """The connection by which the reads of a thread see one moment, while they do."""

    connection: Connection | None = None


@dataclass(frozen=True)
class Store:
    """An open database.

    `writer` is the only way to change rows: on SQLite one connection that begins IMMEDIATE, so
    that a transaction never fails half-way for a lock; on PostgreSQL the same pool as `reader`.
    turn: held around each write. on_epoch: called, in the thread that wrote, after each commit
    that raised an epoch.
    """

    reader: Engine
    writer: Engine
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    on_epoch: list[Callable[[], None]] = field(default_factory=list)
    _shared: _Shared = field(default_factory=_Shared, repr=False, compare=False)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.writer.dialect.name

    @contextmanager
    def read(self, *, afresh: bool = False) -> Iterator[Connection]:
        """A connection for reading one consistent state, which cannot write.

        afresh: of now, inside of `one_moment` too: for whoever remembers it as how things are.
        Raises Unavailable or Damaged.
        """
        shared = None if afresh else self._shared.connection
        if shared is None:
            with _reachable(), self.reader.connect() as connection, connection.begin():
                yield connection
            return
        with _reachable():
            try:
                yield shared
            except DBAPIError:
                # PostgreSQL answers nothing more in a transaction in which a statement failed.
                self._shared.connection = None
                raise

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Have all reads of this thread inside of the block see one state, by one connection.

        For what is put together of many small ones. It does not see what is written meanwhile, its
        own thread's writes included, and no read of it may be gone on with after the block. When a
        statement fails, what is read after it has connections of its own. Raises as `read` does.
        """
        with self.read() as connection:
            before, self._shared.connection = self._shared.connection, connection
            try:
                yield
            finally:
                if self._shared.connection is connection:
                    self._shared.connection = before
                else:
                    # A statement failed. A connection that is lost ends its transaction so alone.
                    connection.rollback()

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone when it raises.

        lasting: False does not wait for the disk, where a loss does no harm: then whatever end this
        process takes does not undo it, but a power cut may, until the next write that lasts.

        Writers wait for each other, at most `BUSY_SECONDS`. One thread must not write inside of
        its own write. Raises Unavailable, Conflict (a row exists already or is still referred to)
        or Damaged.
        """
        with ExitStack() as stack:
            stack.enter_context(_reachable())
            connection = stack.enter_context(self.writer.connect())
            stack.enter_context(self.turn())
            if not lasting and self.dialect == "sqlite":
                stack.enter_context(_without_waiting(connection))
            stack.enter_context(connection.begin())
            if not lasting and self.dialect == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            begin_announcing(connection)
            yield connection
            raised = raise_announced(connection)
        if raised:
            for notice in self.on_epoch:
                notice()

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A write in which tables may be made anew; references are checked at its end.

        SQLite changes most things of a table by a new table and DROP of the old one, and with
        foreign keys on, the DROP deletes all rows that refer to it.
        """
        with _reachable(), self.writer.connect() as connection:
            if self.dialect != "sqlite":
                with connection.begin():
                    yield connection
                return
            driver = _driver(connection)
            # Without effect inside of a transaction, so before it.
            driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    yield connection
                    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                        raise Conflict("rows would refer to rows that do not exist")
            finally:
                driver.execute("PRAGMA foreign_keys=ON")

    @contextmanager
    def aside(self) -> Iterator[Connection]:
        """The writer's connection in its turn, outside of any transaction: for upkeep.

        Raises Unavailable, Damaged.
        """
        engine = self.writer
        if self.dialect == "postgresql":
            engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        with _reachable(), engine.connect() as connection, self.turn():
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.reader.dispose()
        self.writer.dispose()


def open_store(url: str) -> Store:
    """Open the database at `url`, without looking at its schema (see `migrate.require_current`).

    url: `sqlite:////absolute/file.db`, the path taken as it stands, or
    `postgresql://user:password@host:port/name`. Raises ConfigurationError for another kind;
    nothing is connected before the first use.
    """
    if url.startswith(_SQLITE):
        file = Path(url.removeprefix(_SQLITE))
        if not file.is_absolute() or "\0" in url:
            raise ConfigurationError(_MEND)
        return _open_sqlite(file)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the fault of the parser may hold the password.
        raise ConfigurationError(_MEND) from None
    if parsed.drivername in ("postgresql", "postgres"):
        return _open_postgresql(parsed)
    raise ConfigurationError(_MEND)


def insert_unless_there(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Insert a row; False when one with the same key is there, which stays as it is.

    Sees rows that other transactions make at the same moment, where a look before cannot.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(dict(values)).on_conflict_do_nothing()
    # SQLAlchemy keeps the number of rows of an INSERT only where it is asked to.
    counted = statement.execution_options(preserve_rowcount=True)
    return connection.execute(counted).rowcount == 1


def in_turn(connection: Connection, name: str) -> None:
    """Have others who ask under the same name wait here until this transaction ends.

    What is then counted holds what they did. On SQLite all writers wait for each other anyway.
    """
    if connection.dialect.name == "postgresql":
        key = func.hashtextextended(name, 0)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def row_held(connection: Connection, table: Table, values: Mapping[str, object]) -> Row[Any]:
    """The row with the same key as `values`, inserted if there is none; locked until the
    transaction ends, also when others insert or delete it at the same moment.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    key = [column.name for column in table.primary_key]
    statement = dialect.insert(table).values(dict(values))
    held = statement.on_conflict_do_update(
        index_elements=key, set_={name: statement.excluded[name] for name in key}
    ).returning(table)
    row: Row[Any] = connection.execute(held).one()
    return row


def _open_postgresql(url: URL) -> Store:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=_NESTED,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{BUSY_SECONDS}s"])
            # A commit that is answered is on disk, also where the server's default is not to wait.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.commit()

    @event.listens_for(engine, "before_cursor_execute")
    def ask_for_binary(*about: Any) -> None:
        _, cursor, _, _, context, _ = about
        if context is not None and context.execution_options.get(AS_BINARY):
            cursor.format = engine.dialect.loaded_dbapi.pq.Format.BINARY

    _name_what_is_no_database_error(engine)
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Store(reader, engine)


def _open_sqlite(file: Path) -> Store:
    def engine(*, readers: bool) -> Engine:
        made = create_engine(
            URL.create("sqlite", database=str(file)),
            poolclass=QueuePool,
            pool_size=8 if readers else 1,
            max_overflow=4 * _NESTED if readers else 0,
            pool_timeout=BUSY_SECONDS,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            hide_parameters=True,
        )
        begin = "BEGIN" if readers else "BEGIN IMMEDIATE"

        @event.listens_for(made, "connect")
        def prepare(connection: sqlite3.Connection, _record: Any) -> None:
            _only_for_the_owner(file)
            # The driver must not begin transactions of its own accord: it would begin deferred
            # ones and commit before some statements.
            connection.isolation_level = None
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA foreign_keys=ON")
                # Erased rows are overwritten, not only unlinked.
                connection.execute("PRAGMA secure_delete=ON")
                if readers:
                    connection.execute("PRAGMA query_only=ON")
            except UnicodeDecodeError:
                raise unreadable() from None

        @event.listens_for(made, "begin")
        def start(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        _name_what_is_no_database_error(made)
        return made

    # Like SQLite's own wait for its lock, this one goes by the machine's clock.
    turns = Turns(file.with_name(f"{file.name}-turn"), BUSY_SECONDS, system_clock())
    return Store(engine(readers=True), engine(readers=False), turns.taken)


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - narrows Any
    return driver


@contextmanager
def _without_waiting(connection: Connection) -> Iterator[None]:
    # Without effect inside of a transaction, so around it. What is not waited for lies in the
    # kernel's memory, before whatever is written next (https://sqlite.org/wal.html).
    driver = _driver(connection)
    driver.execute("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        driver.execute("PRAGMA synchronous=FULL")


def _only_for_the_owner(file: Path) -> None:
    # Only a database that was made a moment ago; the files beside it take its mode. By name,
    # because closing a file that SQLite has open would drop SQLite's locks on it.
    found = file.stat()
    if found.st_size == 0 and stat.S_IMODE(found.st_mode) & 0o077:
        file.chmod(0o600)


def _name_what_is_no_database_error(engine: Engine) -> None:
    # For some faults the driver raises errors of Python's own, which nothing maps.
    @event.listens_for(engine, "handle_error")
    def name(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, OverflowError | UnicodeEncodeError):
            raise unfit() from None
        if isinstance(context.original_exception, UnicodeDecodeError):
            raise unreadable() from None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict("it exists already, or changed at the same moment; read again") from error
    except DataError:
        raise unfit() from None
    except DBAPIError as error:
        raise named(error) from error
    except TimeoutError as error:
        raise Unavailable("the database is busy: no connection came free; try again") from error

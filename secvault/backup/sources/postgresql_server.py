"""A PostgreSQL server that is saved or loaded into: its programs, its sessions, its databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secvault.backup.sources import child
from secvault.backup.sources.faults import (
    OutOfTime,
    ProgramFailed,
    SourceDenied,
    SourceUnreachable,
    judged,
)
from secvault.backup.sources.source import OWN_TABLES, Turn
from secvault.config.backup_sources import PostgresqlSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, SecvaultError

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 15
_WATCH_SECONDS = 0.2
# What libpq reads of the environment beside our settings; no password among them.
_PASSED_ON = (
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLCRL",
    "PGREQUIREPEER",
)
# What a server says of a value that it cannot take stands behind this.
_VALUE = re.compile(r"(ERROR: .*?): \".*")
_NO_ROLE = re.compile(r"ERROR: .*role \".*\" does not exist")
_QUOTED = re.compile(r": \".*")
_OURS = re.compile(r"(pg_dump|pg_dumpall|pg_restore|psql|setpriv|Error)\b")

_EXISTING = "SELECT datname FROM pg_database WHERE datname = ANY(%s)"
_ALL = """
SELECT datname FROM pg_database
WHERE datallowconn AND NOT datistemplate AND has_database_privilege(datname, 'CONNECT')
ORDER BY datname"""
_PROPERTIES = """
SELECT pg_encoding_to_char(encoding), pg_get_userbyid(datdba), to_jsonb(d) FROM pg_database d
WHERE datname = current_database()"""
# Not of extensions, which make their tables themselves.
_OWN_TABLES = """
SELECT c.oid, c.relkind, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'S', 'f') AND c.relpersistence <> 't'
AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY n.nspname, c.relname"""
_NAMED = "SELECT DISTINCT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"
_OWN_ROUTINES = """
SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')"""


@dataclass(frozen=True)
class PostgresqlServer:
    """How it is reached, and for whose turn."""

    source: PostgresqlSource
    turn: Turn

    @property
    def place(self) -> str:
        """The server, for a person."""
        host = self.source.host or "the local socket"
        return f"{host}:{self.source.port}" if self.source.port else host

    def run(
        self,
        program: str,
        work: str,
        arguments: Sequence[str],
        *,
        database: str | None = None,
        stdout: Path | None = None,
    ) -> tuple[str, ...]:
        """Run one of PostgreSQL's programs; without a database, one that connects to none.

        Returns what it complained of. Raises as `child.run`, SourceUnreachable, SourceDenied.
        """
        folder = self.source.programs
        argv = [str(folder / program) if folder else program]
        if database is not None:
            argv += [*self._address(), f"--dbname={self._target(database)}", "--no-password"]
        task = child.Task(
            (*argv, *arguments),
            self._environment(),
            work,
            self.source.minutes * 60,
            stdout=stdout,
            secrets=(self.turn.password,) if self.turn.password else (),
            shown=fit_to_show,
            install="install PostgreSQL's client programs, or set `programs` to their folder",
        )
        try:
            return child.run(task, self.turn.clock, self.turn.cancel)
        except ProgramFailed as error:
            raise _with_mend(" ".join(error.said), error) from None

    @contextmanager
    def session(self, database: str, *, autocommit: bool = False) -> Iterator[Connection[Any]]:
        """A session with a database, in a read-only transaction of one moment unless `autocommit`.

        What it waits for ends when the work is cancelled, or takes longer than `minutes`. Raises
        SourceUnreachable, SourceDenied, BackupFailed, OutOfTime, Cancelled.
        """
        import psycopg  # noqa: PLC0415 - not loaded where nobody saves a PostgreSQL server

        over = threading.Event()
        try:
            with psycopg.connect(
                self._target(database),
                host=self.source.host or None,
                port=self.source.port or None,
                user=self.source.user or None,
                password=self.turn.password.text() if self.turn.password else None,
                autocommit=True,
            ) as connection:
                # What the server allows others: a dump may take longer, and we wait for it.
                connection.execute("SET statement_timeout = 0")
                connection.execute("SET idle_in_transaction_session_timeout = 0")
                if connection.info.server_version >= 170000:
                    connection.execute("SET transaction_timeout = 0")
                connection.execute("SET row_security = off")
                if not autocommit:
                    connection.autocommit = False
                    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                    connection.read_only = True
                watch = threading.Thread(
                    target=self._watch, args=(connection, over), name="session", daemon=True
                )
                watch.start()
                try:
                    yield connection
                finally:
                    over.set()
                    watch.join()
        except psycopg.Error as error:
            raise self._meant(error, database) from None

    def _watch(self, connection: Connection[Any], over: threading.Event) -> None:
        import psycopg  # noqa: PLC0415 - see `session`

        until = self.turn.clock.monotonic() + self.source.minutes * 60
        while not over.wait(_WATCH_SECONDS):
            if self.turn.cancel.is_set() or self.turn.clock.monotonic() > until:
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=CONNECT_SECONDS)

    def _meant(self, error: Any, database: str) -> Exception:
        import psycopg  # noqa: PLC0415 - see `session`

        if isinstance(error, psycopg.errors.QueryCanceled):
            if self.turn.cancel.is_set():
                return Cancelled(f"{database} at {self.place}: stopped on request")
            return OutOfTime(
                f"{database} at {self.place}: a question was ended after {self.source.minutes} "
                "minutes, which is as long as its setting allows"
            )
        words = " ".join((error.diag.message_primary or str(error)).split())
        # Of what a server says without a code, as of a refused login, nothing is a value.
        words = _QUOTED.sub("", words) if error.sqlstate else words
        detail = f"{database} at {self.place}: {words}"
        if isinstance(error, psycopg.OperationalError) and "FATAL" not in str(error):
            return judged(words, SourceUnreachable(detail))
        return judged(words, BackupFailed(detail))

    def databases(self) -> tuple[str, ...]:
        """The databases to save: those of the settings, or all that the user may connect to."""
        if self.source.databases:
            return tuple(dict.fromkeys(self.source.databases))
        with self.session("postgres") as connection:
            return tuple(str(name) for (name,) in connection.execute(_ALL).fetchall())

    def existing(self, connection: Connection[Any], names: Sequence[str]) -> frozenset[str]:
        """Which of these databases are there."""
        found = connection.execute(_EXISTING, [list(names)]).fetchall()
        return frozenset(str(name) for (name,) in found)

    def _address(self) -> list[str]:
        # Beside the other words on how to connect: Debian's programs look for them here.
        named = {
            "--host": self.source.host,
            "--port": str(self.source.port or ""),
            "--username": self.source.user,
        }
        return [f"{flag}={value}" for flag, value in named.items() if value]

    def _target(self, database: str) -> str:
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - see `session`

        more: dict[str, str] = {}
        if self.source.sslmode:
            more["sslmode"] = self.source.sslmode
        if self.source.ca_file:
            more["sslrootcert"] = str(self.source.ca_file)
            more.setdefault("sslmode", "verify-full")
        return make_conninfo(
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
            # A server whose machine is gone is noticed within a minute, not after two hours.
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            application_name="secvault",
            **more,
        )

    def _environment(self) -> Mapping[str, str]:
        environment = child.environment_of(self.turn.environment, *_PASSED_ON)
        # Else what they say comes in the language of the machine.
        environment["LC_ALL"] = "C.UTF-8"
        if self.turn.password:
            environment["PGPASSWORD"] = self.turn.password.text()
        return environment


def tables(connection: Connection[Any], only: frozenset[int] | None) -> dict[str, JsonValue]:
    """The rows of each table, by `schema.table` as SQL writes it, in the session's transaction.

    only: object identifiers of the tables to count; None: all.
    """
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - see `session`

    rows: dict[str, JsonValue] = {}
    for oid, schema, name, written in own_tables(connection):
        if only is not None and oid not in only:
            continue
        question = SQL("SELECT count(*) FROM ONLY {}").format(Identifier(schema, name))
        found = connection.execute(question).fetchone()
        rows[written] = int(found[0]) if found else 0
    return rows


def own_tables(connection: Connection[Any]) -> list[tuple[int, str, str, str]]:
    """The tables with rows of their own: identifier, schema, name, and both as SQL writes them."""
    found = connection.execute(_OWN_TABLES).fetchall()
    return [
        (int(oid), str(schema), str(name), str(written))
        for oid, kind, schema, name, written in found
        if kind == "r"
    ]


def is_of_secvault(connection: Connection[Any]) -> bool:
    """Whether the session's database is that of a secvault, this or another."""
    found = connection.execute(_NAMED, [sorted(OWN_TABLES)]).fetchall()
    return {str(name) for (name,) in found} == OWN_TABLES


def is_empty(connection: Connection[Any]) -> bool:
    """Whether the session's database holds nothing that somebody made."""
    found = connection.execute(_OWN_ROUTINES).fetchone()
    return not connection.execute(_OWN_TABLES).fetchall() and found is not None and found[0] == 0


def properties(connection: Connection[Any]) -> dict[str, JsonValue]:
    """What a database must be made with to take the same content: encoding, locale, owner."""
    row = connection.execute(_PROPERTIES).fetchone()
    if row is None:
        raise BackupFailed("the server does not show the database that it is connected to")
    encoding, owner, rest = row
    found: dict[str, JsonValue] = {"encoding": str(encoding), "owner": str(owner)}
    for name, keys in (
        ("collate", ("datcollate",)),
        ("ctype", ("datctype",)),
        ("provider", ("datlocprovider",)),
        ("locale", ("datlocale", "daticulocale")),
    ):
        value = next((rest[key] for key in keys if rest.get(key)), None)
        if value is not None:
            found[name] = str(value)
    return found


def version(connection: Connection[Any]) -> str:
    """For instance `PostgreSQL 15.18`."""
    row = connection.execute("SELECT split_part(version(), ' ', 2)").fetchone()
    return f"PostgreSQL {row[0] if row else connection.info.server_version}"


def _with_mend(words: str, error: ProgramFailed) -> SecvaultError:
    """The error that the program's words mean, with what to do where that is known."""
    if "server version mismatch" in words:
        return ConfigurationError(
            f"{error.detail}; set `programs` to the folder of client programs that are as new as "
            "the server"
        )
    if _NO_ROLE.search(words):
        return SourceDenied(
            f"{error.detail}; put the roles back too, or leave owners and grants out"
        )
    return judged(words, error)


def fit_to_show(line: str) -> str:
    """A line of a program's stderr without what it may quote of rows.

    What follows the first line of a message (DETAIL, CONTEXT, the statement) may be a row.
    """
    return _without_value(line) if _OURS.match(line) else ""


def _without_value(words: str) -> str:
    return _VALUE.sub(r"\1", words)

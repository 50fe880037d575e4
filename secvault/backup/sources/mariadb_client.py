"""A MariaDB or MySQL server that is saved or loaded into: its programs, and questions to it.

The programs read how to connect from a file of ours and from no other (`--defaults-file`), so that
neither the password nor anything else of it stands in an argument list.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from secvault.backup.sources import child
from secvault.backup.sources.faults import ProgramFailed, judged
from secvault.backup.sources.source import Turn
from secvault.config.backup_sources import MariadbSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, ConfigurationError

Row = list[int | str | None]
CLIENTS = ("mariadb", "mysql")
DUMPS = ("mariadb-dump", "mysqldump")
_INSTALL = "install the client programs of MariaDB or MySQL, or set `programs` to their folder"
# The server's own.
_OWN = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
_END = "end of the answer"
# Where several statements are asked, one that the server refuses leaves the others.
_SOME_FAILED = frozenset({0, 1})
_ERROR = re.compile(r"(ERROR \d+.*?)['`\"].*")

_ALL = "SELECT JSON_ARRAY(schema_name) FROM information_schema.schemata ORDER BY schema_name"
_CHARACTERS = """
SELECT JSON_ARRAY(default_character_set_name, default_collation_name)
FROM information_schema.schemata WHERE CAST(schema_name AS BINARY) = {name}"""
_TABLES = """
SELECT JSON_ARRAY(table_name, engine) FROM information_schema.tables
WHERE CAST(table_schema AS BINARY) = {name} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
ORDER BY table_name"""
_SIZE = """
SELECT JSON_ARRAY(CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED))
FROM information_schema.tables WHERE CAST(table_schema AS BINARY) = {name}"""
_OBJECTS = """
SELECT JSON_ARRAY('views', COUNT(*)) FROM information_schema.views
WHERE CAST(table_schema AS BINARY) = {name}
UNION ALL SELECT JSON_ARRAY('routines', COUNT(*)) FROM information_schema.routines
WHERE CAST(routine_schema AS BINARY) = {name}
UNION ALL SELECT JSON_ARRAY('triggers', COUNT(*)) FROM information_schema.triggers
WHERE CAST(trigger_schema AS BINARY) = {name}
UNION ALL SELECT JSON_ARRAY('events', COUNT(*)) FROM information_schema.events
WHERE CAST(event_schema AS BINARY) = {name}"""
ONE_MOMENT = """
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"""


@dataclass(frozen=True)
class MariadbClient:
    """How the server is reached, and for whose turn. options: the file that says it.

    Use `opened`.
    """

    source: MariadbSource
    turn: Turn
    options: Path

    @property
    def place(self) -> str:
        """The server, for a person."""
        where = str(self.source.socket or self.source.host or "the local socket")
        return f"{where}:{self.source.port}" if self.source.port else where

    def run(
        self,
        programs: Sequence[str],
        work: str,
        arguments: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        accepted: frozenset[int] = frozenset({0}),
    ) -> tuple[str, ...]:
        """Run the first of the programs that is there; return what it complained of.

        Raises as `child.run`, SourceUnreachable, SourceDenied.
        """
        task = child.Task(
            (self.program(programs), f"--defaults-file={self.options}", *arguments),
            {**child.environment_of(self.turn.environment), "LC_ALL": "C.UTF-8"},
            work,
            self.source.minutes * 60,
            stdin=stdin,
            stdout=stdout,
            secrets=(self.turn.password,) if self.turn.password else (),
            accepted=accepted,
            shown=_without_values,
            install=_INSTALL,
        )
        try:
            return child.run(task, self.turn.clock, self.turn.cancel)
        except ProgramFailed as error:
            raise judged(" ".join(error.said), error) from None

    def program(self, names: Sequence[str]) -> str:
        """The full path of the first of these that is there. Raises ConfigurationError."""
        path = self.turn.environment.get("PATH", os.defpath)
        path = str(self.source.programs) if self.source.programs else path
        for name in names:
            found = shutil.which(name, path=path)
            if found is not None:
                return found
        raise ConfigurationError(
            f"backup.plans.{self.turn.plan}.sources.{self.turn.name}: there is no program "
            f"{' or '.join(names)}; {_INSTALL}"
        )

    def is_of_mariadb(self, names: Sequence[str]) -> bool:
        """Whether a program is MariaDB's, and not MySQL's."""
        answer = self.turn.scratch / "version"
        try:
            self.run(names, "asking for the version", ["--version"], stdout=answer)
            return b"MariaDB" in answer.read_bytes()
        finally:
            answer.unlink(missing_ok=True)

    def execute(self, script: Path, work: str, *, database: str | None = None) -> None:
        """Run a file of SQL, to the first statement that fails. Raises as `run`."""
        where = [] if database is None else [f"--database={database}"]
        self.run(CLIENTS, work, [*_PLAINLY, *where], stdin=script)

    def execute_all(self, script: Path, work: str, may_fail: re.Pattern[str]) -> None:
        """Run all of a file of SQL. Raises as `run`; ProgramFailed where statements fail that may
        not, by what the client says of them."""
        how = [*_PLAINLY, "--force"]
        said = self.run(CLIENTS, work, how, stdin=script, accepted=_SOME_FAILED)
        failed = tuple(line for line in said if "ERROR" in line and not may_fail.search(line))
        if failed:
            detail = f"{work}: {'; '.join(failed)[:500]}"
            raise judged(" ".join(failed), ProgramFailed(detail, exit_status=1, said=failed))

    def tell(self, *statements: str) -> None:
        """Execute statements, to the first that fails. Raises as `run`."""
        self.ask(*statements)

    def ask(self, *statements: str, some_may_fail: bool = False) -> list[Row]:
        """The rows of the answers, each statement giving one JSON array a row. Raises as `run`.

        some_may_fail: what the server refuses is left out; a connection that is lost is not.
        """
        question, answer = self.turn.scratch / "question.sql", self.turn.scratch / "answer"
        end = f"SELECT JSON_ARRAY('{_END}')"
        try:
            question.write_text(";\n".join((*statements, end)) + ";\n", "utf-8")
            how = ["--batch", "--raw", "--skip-column-names", *_PLAINLY]
            said = self.run(
                CLIENTS,
                f"asking {self.place}",
                [*how, *(["--force"] if some_may_fail else [])],
                stdin=question,
                stdout=answer,
                accepted=_SOME_FAILED if some_may_fail else frozenset({0}),
            )
            lines = answer.read_bytes().splitlines()
        finally:
            question.unlink(missing_ok=True)
            answer.unlink(missing_ok=True)
        rows = [msgspec.json.decode(line, type=Row) for line in lines]
        if not rows or rows.pop() != [_END]:
            words = "; ".join(said[-3:])
            raise judged(words, BackupFailed(f"{self.place} did not answer to the end: {words}"))
        return rows

    def databases(self) -> tuple[str, ...]:
        """All databases that the user may see, but the server's own."""
        names = [str(name) for (name,) in self.ask(_ALL)]
        return tuple(name for name in names if name.lower() not in _OWN)

    def version(self) -> str:
        """For instance `MariaDB 10.11.6` or `MySQL 8.0.36`."""
        ((found,),) = self.ask("SELECT JSON_ARRAY(VERSION())")
        number = str(found).split("-", 1)[0]
        return f"{'MariaDB' if 'mariadb' in str(found).lower() else 'MySQL'} {number}"

    def characters(self, database: str) -> tuple[str, str]:
        """The character set and collation of a database. Raises BackupFailed where it is not."""
        rows = self.ask(_CHARACTERS.format(name=literal(database)))
        if len(rows) != 1:
            raise BackupFailed(f"there is no database {database} at {self.place}")
        return str(rows[0][0]), str(rows[0][1])

    def tables(self, database: str) -> dict[str, str]:
        """The tables of a database with their engines."""
        rows = self.ask(_TABLES.format(name=literal(database)))
        return {str(name): str(engine) for name, engine in rows}

    def size(self, database: str) -> int:
        """Bytes that a database takes on the server's disk, as far as the server knows."""
        ((size,),) = self.ask(_SIZE.format(name=literal(database)))
        return int(size or 0)

    def objects(self, database: str) -> dict[str, JsonValue]:
        """How many views, routines, triggers and events there are."""
        return {
            str(kind): count for kind, count in self.ask(_OBJECTS.format(name=literal(database)))
        }

    def rows(self, database: str, tables: Sequence[str]) -> dict[str, int]:
        """The rows of tables as of one moment, of those that are still there."""
        counts = (
            f"SELECT JSON_ARRAY({number}, COUNT(*)) FROM {quoted(database)}.{quoted(table)}"  # noqa: S608 - quoted
            for number, table in enumerate(tables)
        )
        found = self.ask(ONE_MOMENT, *counts, "COMMIT", some_may_fail=True)
        return {
            tables[number]: count
            for number, count in found
            if isinstance(number, int) and isinstance(count, int)
        }


# As the statements stand there: no commands of the client itself, no other character set.
_PLAINLY = ("--binary-mode", "--default-character-set=utf8mb4")


@contextmanager
def opened(source: MariadbSource, turn: Turn) -> Iterator[MariadbClient]:
    """The client, with its file of options for as long as it is needed."""
    options = turn.scratch / "options.cnf"
    password = turn.password.text() if turn.password else ""
    given = {
        "host": source.host,
        "port": str(source.port or ""),
        "socket": str(source.socket or ""),
        "user": source.user,
        "password": password,
        # The library takes the name for the socket, else.
        "protocol": "tcp" if source.host and (source.port or source.host != "localhost") else "",
        "max-allowed-packet": "1G",
        # No server gets to read files of ours.
        "loose-local-infile": "0",
    }
    if source.socket:
        given |= {"host": "", "port": "", "protocol": ""}
    lines = [f"{name}={_option(value)}" for name, value in given.items() if value]
    if source.ca_file:
        lines.append(f"ssl-ca={_option(str(source.ca_file))}")
        # The first is MariaDB's word, the other MySQL's; each knows one of them.
        lines += ["loose-ssl-verify-server-cert", "loose-ssl-mode=VERIFY_IDENTITY"]
    try:
        with open(options, "x", encoding="utf-8", opener=_private) as file:
            file.write("\n".join(["[client]", *lines]) + "\n")
        yield MariadbClient(source, turn, options)
    finally:
        options.unlink(missing_ok=True)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as SQL takes it, compared byte by byte."""
    return f"0x{text.encode().hex()}" if text else "''"


def _option(value: str) -> str:
    for character, written in (
        ("\\", "\\\\"),
        ('"', '\\"'),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\t", "\\t"),
    ):
        value = value.replace(character, written)
    return f'"{value}"'


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _without_values(line: str) -> str:
    # What the client quotes of a statement or a row; pieces of a statement come on lines of theirs.
    if line.startswith("ERROR"):
        return _ERROR.sub(r"\1", line)
    return line if re.match(r"[\w./-]+: ", line) else ""

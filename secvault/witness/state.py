"""What a witness remembers: of each log the last checkpoint that it co-signed. A SQLite file.

The look at the last one and the writing of the next are one transaction, which waits for all others
over the same file, in this process or another, and is on disk when it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from secvault.crypto.checkpoint import Checkpoint
from secvault.errors import ConfigurationError, Conflict, Unavailable

_WAIT_SECONDS = 5.0
_TABLE = """
CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    -- The checkpoint with the log's signatures and our own.
    note BLOB NOT NULL,
    -- When we signed, seconds since the epoch.
    time INTEGER NOT NULL
) STRICT
"""
_COLUMNS = "SELECT origin, size, root, note, time FROM cosigned"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The last checkpoint of a log that was co-signed. note: with our line. time: seconds."""

    head: Checkpoint
    note: bytes
    time: int


Next = Callable[[Cosigned | None], Cosigned]
"""From the last one to the next. What it raises leaves everything as it was."""


class WitnessFile:
    """The file of a witness. Raises ConfigurationError when it is none.

    One that is not there, or empty, is never taken for that of a witness which has seen nothing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            with closing(self._connection()) as connection:
                connection.execute(f"{_COLUMNS} LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise ConfigurationError(f"{file} is no state of a witness: {error}") from None

    @classmethod
    def make(cls, file: Path) -> WitnessFile:
        """A new one, that has seen nothing. Raises Conflict when the file is there."""
        try:
            file.touch(0o600, exist_ok=False)
            with closing(sqlite3.connect(file)) as connection:
                connection.execute(_TABLE)
        except FileExistsError:
            raise Conflict(f"{file} is there already") from None
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{file} cannot be made: {error}") from None
        return cls(file)

    def advance(self, origin: str, following: Next) -> Cosigned:
        """Replace what is remembered of a log by what follows it; nobody comes in between.

        Raises what `following` raises, and Unavailable when it cannot be written; the file is as
        it was then. When this returns, it is on disk.
        """
        with self._transaction() as connection:
            made = following(_one(connection, origin))
            connection.execute(
                "INSERT OR REPLACE INTO cosigned (origin, size, root, note, time) "
                "VALUES (?, ?, ?, ?, ?)",
                (origin, made.head.size, made.head.root, made.note, made.time),
            )
        return made

    def last(self, origin: str) -> Cosigned | None:
        """What is remembered of a log. Raises Unavailable."""
        with self._readable() as connection:
            return _one(connection, origin)

    def all(self) -> tuple[Cosigned, ...]:
        """What is remembered, by origin. Raises Unavailable."""
        with self._readable() as connection:
            return tuple(map(_cosigned, connection.execute(f"{_COLUMNS} ORDER BY origin")))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._readable() as connection:
            # From here on no other writer is let in.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _readable(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connection()) as connection:
                yield connection
        except sqlite3.Error as error:
            raise Unavailable(
                f"the state of the witness cannot be used ({error}); look at its disk"
            ) from None

    def _connection(self) -> sqlite3.Connection:
        # Never makes a file: a witness whose state is gone must stop.
        connection = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?mode=rw",
            timeout=_WAIT_SECONDS,
            isolation_level=None,
            uri=True,
        )
        # Also the folder's entry of the journal is on disk before a commit ends.
        connection.execute("PRAGMA synchronous = EXTRA")
        return connection


def _one(connection: sqlite3.Connection, origin: str) -> Cosigned | None:
    row = connection.execute(f"{_COLUMNS} WHERE origin = ?", (origin,)).fetchone()
    return None if row is None else _cosigned(row)


def _cosigned(row: tuple[str, int, bytes, bytes, int]) -> Cosigned:
    origin, size, root, note, time = row
    return Cosigned(Checkpoint(origin, size, root), note, time)

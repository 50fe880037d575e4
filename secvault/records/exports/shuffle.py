"""An order that nobody can foresee, for more ids than memory should hold.

Records lie in the order of their ids, which often are numbers of people: in that order, the rows of
a file would tell who is who.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType

from secvault.crypto.aead import Random

_KEY_BYTES = 16


class Shuffle:
    """Ids, given back in the order of random keys. They lie in a file that SQLite has unlinked."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rows = sqlite3.connect("")
        self._rows.execute("CREATE TABLE given (key BLOB PRIMARY KEY, id TEXT) WITHOUT ROWID")

    def __enter__(self) -> Shuffle:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forget the ids."""
        self._rows.close()

    def add(self, ids: Iterable[str]) -> None:
        """Keep the ids."""
        self._rows.executemany(
            "INSERT INTO given VALUES (?, ?)", ((self._random(_KEY_BYTES), one) for one in ids)
        )

    def batches(self, size: int) -> Iterator[tuple[str, ...]]:
        """All ids, so many at a time."""
        found = self._rows.execute("SELECT id FROM given ORDER BY key")
        while rows := found.fetchmany(size):
            yield tuple(row[0] for row in rows)

"""SQLite databases of a snapshot: opened where they were restored, checked and asked, never
written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.drills.databases.place import Place
from secvault.backup.sources import sqlite
from secvault.backup.sources.faults import OutOfTime
from secvault.backup.sources.figures import SUMS
from secvault.backup.sources.loading import Facts, databases
from secvault.backup.sources.source import SourceEntry, leads_nowhere_else
from secvault.errors import BackupFailed, Cancelled, Damaged

_STEPS = 50_000
_READING = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)


@dataclass(frozen=True)
class ScratchFiles:
    """The restored files, by the paths that they were saved from."""

    entry: SourceEntry
    place: Place
    _loaded: dict[str, Path] = field(default_factory=dict)

    def load(self, saved: Path, name: str) -> None:
        """See `ScratchServer`; a file needs no server, and is only looked for."""
        if name not in databases(self.entry.facts):
            raise Damaged(f"{self.entry.name} has not saved {name!r}")
        file = saved / name.lstrip("/")
        if not leads_nowhere_else(name) or file.is_symlink() or not file.is_file():
            raise Damaged(f"the snapshot does not hold the copy of {name}")
        self._loaded[name] = file

    def measure(self, name: str) -> Facts:
        """See `ScratchServer`. Raises Damaged where SQLite's own check fails."""
        one = databases(self.entry.facts)[name]
        try:
            found = sqlite.facts(self._file(name), with_sums=SUMS in one)
        except sqlite3.Error as error:
            raise Damaged(f"{name} is damaged: {error}") from None
        return {"databases": {name: {**found, "as": name}}}

    def drop(self, name: str) -> None:
        """See `ScratchServer`."""
        self._loaded.pop(name)

    def ask(self, name: str, sql: str, seconds: int) -> str:
        """See `ScratchServer`."""
        clock, cancel = self.place.clock, self.place.cancel
        until = clock.monotonic() + seconds

        def heed() -> int:
            return 1 if cancel.is_set() or clock.monotonic() > until else 0

        address = f"{self._file(name).as_uri()}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                connection.set_progress_handler(heed, _STEPS)
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.set_authorizer(_only_reading)
                row = connection.execute(sql).fetchone()
        except sqlite3.Error as error:
            if cancel.is_set():
                raise Cancelled("the drill was stopped on request; nothing is proven") from None
            if clock.monotonic() > until:
                raise OutOfTime(f"the question was ended after {seconds} seconds") from None
            raise BackupFailed(f"SQLite refuses the question: {error}") from None
        if row is None:
            raise BackupFailed("the question gives no row")
        return "" if row[0] is None else str(row[0])

    def environment(self, name: str) -> Mapping[str, str]:
        """See `ScratchServer`."""
        return {"DRILL_DATABASE": str(self._file(name))}

    def _file(self, name: str) -> Path:
        if name not in self._loaded:
            raise BackupFailed(f"{name} was not restored")
        return self._loaded[name]


def _only_reading(action: int, *_: str | None) -> int:
    # Also no other files (ATTACH), and no functions of what the file itself names as such.
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

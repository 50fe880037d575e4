"""Who uses which version of a key for what: counted in memory, written every few seconds.

Not a security boundary: a process that is killed loses what it counted since the last writing.
What must be exact (the audit log, the messages that a version has sealed) is counted elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

from sqlalchemy import Cast, Column, Connection, cast, func, select, text

from secvault.clock import Clock
from secvault.errors import SecvaultError
from secvault.keyring.named_key import NamedKey
from secvault.store import Store, tables
from secvault.store.written import BigInteger

FLUSH_SECONDS = 5.0

_USAGE, _KEY, _VERSION = tables.key_usage, tables.named_key, tables.named_key_version
_COLUMNS = tuple(column.name for column in _USAGE.columns)
# A key that is gone has no usage any more.
_ADD = text(
    "INSERT INTO key_usage (mount, name, version, subject, operation, operations, items, "
    "first_at, last_at) SELECT CAST(:mount AS TEXT), CAST(:name AS TEXT), "
    "CAST(:version AS INTEGER), CAST(:subject AS TEXT), CAST(:operation AS TEXT), "
    "CAST(:operations AS BIGINT), CAST(:items AS BIGINT), CAST(:first_at AS BIGINT), "
    "CAST(:last_at AS BIGINT) "
    "WHERE EXISTS (SELECT 1 FROM named_key WHERE mount = :mount AND name = :name) "
    "ON CONFLICT (mount, name, version, subject, operation) DO UPDATE SET "
    "operations = key_usage.operations + excluded.operations, "
    "items = key_usage.items + excluded.items, "
    "first_at = CASE WHEN excluded.first_at < key_usage.first_at "
    "THEN excluded.first_at ELSE key_usage.first_at END, "
    "last_at = CASE WHEN excluded.last_at > key_usage.last_at "
    "THEN excluded.last_at ELSE key_usage.last_at END"
)


_Used = tuple[str, str, int, str, str]
"""What is counted together: mount, name, version, subject, operation."""


class KeyUsage:
    """The counts of one process. Safe to use from many threads; none waits for the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing runs before the first use is noted; `close` ends it."""
        self._store = store
        self._clock = clock
        self._lock = Lock()
        # For each: operations, items, first and last time. Plain, because requests wait for it.
        self._counts: dict[_Used, list[int]] = {}
        self._closing = Event()
        self._thread: Thread | None = None

    def note(
        self, subject: str, mount: str, name: str, operation: str, versions: Mapping[int, int]
    ) -> None:
        """Count one operation. operation: `encrypt`, `sign`, ...; subject: pseudonymous.

        versions: how many items were done with each version.
        """
        at = self._clock.micros()
        with self._lock:
            for version, items in versions.items():
                self._add((mount, name, version, subject, operation), (1, items, at, at))
            if self._thread is None and not self._closing.is_set():
                self._thread = Thread(target=self._run, name="key-usage", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what was counted since the last time. Raises Unavailable; it stays counted then."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        # In one order everywhere, so that two processes cannot wait for each other in a circle.
        rows = [
            dict(zip(_COLUMNS, (*used, *tally), strict=True))
            for used, tally in sorted(counts.items())
        ]
        try:
            with self._store.write() as connection:
                connection.execute(_ADD, rows)
        except SecvaultError:
            with self._lock:
                for used, tally in counts.items():
                    self._add(used, (tally[0], tally[1], tally[2], tally[3]))
            raise

    def close(self) -> None:
        """Write what is left, and stop. What cannot be written now is lost, as in a crash."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._try()

    def _add(self, used: _Used, more: tuple[int, int, int, int]) -> None:
        tally = self._counts.get(used)
        if tally is None:
            self._counts[used] = list(more)
            return
        operations, items, first, last = more
        tally[0] += operations
        tally[1] += items
        tally[2] = min(tally[2], first)
        tally[3] = max(tally[3], last)

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._try()

    def _try(self) -> bool:
        try:
            self.flush()
        except SecvaultError:
            return False
        return True


@dataclass(frozen=True)
class Use:
    """One subject's use of one version for one operation. Times in microseconds."""

    version: int
    subject: str
    operation: str
    operations: int
    items: int
    first_at: int
    last_at: int


@dataclass(frozen=True)
class KeyUse:
    """The use of one key, newest first. names: of those who used it, by subject."""

    key: NamedKey
    uses: tuple[Use, ...]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KeySummary:
    """A key and its use as a whole. last_at: None where it was never used.

    messages: how many its latest version has sealed, or may have. rotated_at: when that was made.
    auto_rotate_seconds: how long a version is the latest; 0 for as long as nobody rotates it.
    """

    mount: str
    name: str
    kind: str
    latest_version: int
    created_at: int
    rotated_at: int
    auto_rotate_seconds: int
    messages: int
    operations: int
    items: int
    first_at: int | None
    last_at: int | None


def uses_of(connection: Connection, mount: str, name: str) -> tuple[Use, ...]:
    """The uses of a key, newest first."""
    rows = connection.execute(
        select(
            _USAGE.c.version,
            _USAGE.c.subject,
            _USAGE.c.operation,
            _USAGE.c.operations,
            _USAGE.c["items"],
            _USAGE.c.first_at,
            _USAGE.c.last_at,
        )
        .where(_USAGE.c.mount == mount, _USAGE.c.name == name)
        .order_by(_USAGE.c.last_at.desc(), _USAGE.c.version.desc(), _USAGE.c.subject)
    )
    return tuple(Use(**row._asdict()) for row in rows)


def summaries(connection: Connection, mount: str) -> tuple[KeySummary, ...]:
    """All keys of a mount with their use, in the order of their names."""
    used = (
        select(
            _USAGE.c.name,
            _sum(_USAGE.c.operations).label("operations"),
            _sum(_USAGE.c["items"]).label("items"),
            func.min(_USAGE.c.first_at).label("first_at"),
            func.max(_USAGE.c.last_at).label("last_at"),
        )
        .where(_USAGE.c.mount == mount)
        .group_by(_USAGE.c.name)
        .subquery()
    )
    of_the_latest = (
        (_VERSION.c.mount == _KEY.c.mount)
        & (_VERSION.c.name == _KEY.c.name)
        & (_VERSION.c.version == _KEY.c.latest_version)
    )
    rows = connection.execute(
        select(
            _KEY.c.mount,
            _KEY.c.name,
            _KEY.c.kind,
            _KEY.c.latest_version,
            _KEY.c.created_at,
            _VERSION.c.created_at.label("rotated_at"),
            _KEY.c.auto_rotate_seconds,
            _VERSION.c.messages,
            used.c.operations,
            used.c["items"],
            used.c.first_at,
            used.c.last_at,
        )
        .join(_VERSION, of_the_latest)
        .outerjoin(used, used.c.name == _KEY.c.name)
        .where(_KEY.c.mount == mount)
        .order_by(_KEY.c.name)
    )
    return tuple(_summary(row._asdict()) for row in rows)


def _sum(column: Column[Any]) -> Cast[int]:
    # PostgreSQL's sum of integers is a decimal.
    return cast(func.sum(column), BigInteger)


def _summary(given: Mapping[str, Any]) -> KeySummary:
    # Where nothing was used, there is nothing to sum.
    sums = {name: given[name] or 0 for name in ("operations", "items")}
    return KeySummary(**{**given, **sums})

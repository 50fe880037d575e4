"""Which records have been kept for as long as they are to be, and not longer.

A period of years and months begins with a day: that of a plain field of the record, or of its own
times (UTC). It ends with the day before the same day of the month, so that what began on 2016-11-30
with ten years is kept through 2026-11-30 and due from 2026-12-01 on; in a shorter month its last
day counts (as python-dateutil's `relativedelta`, and section 148 of Vietnam's Civil Code, have it).
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, select

from secvault.clock import moment
from secvault.crypto.canonical import JsonValue, parse_canonical
from secvault.errors import Damaged
from secvault.keyring.keyring import Keyring
from secvault.records import facts
from secvault.records.collection import Collection
from secvault.records.hold import Held
from secvault.records.record import Record, read_records
from secvault.records.schema_retention import OWN_TIMES, Retention
from secvault.store.tables import record

_AT_ONCE = 500
_LAST_DAY = date.max


@dataclass(frozen=True)
class Due:
    """A record whose period has run out. since: the day it began with. due: the first day after
    it. period: as the schema states it, for instance `10y` or `1y6m`.
    """

    held: Held
    since: str
    due: str
    period: str


@dataclass(frozen=True)
class Scan:
    """What is due in a collection. damaged: records that do not open, which are left alone."""

    due: tuple[Due, ...]
    damaged: tuple[str, ...]


def period_of(retention: Retention) -> str:
    """The period in short: `10y`, `6m`, `1y6m`."""
    parts = ((retention.years, "y"), (retention.months, "m"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def first_day_after(since: date, retention: Retention) -> date:
    """The first day on which nothing is to be kept any more; the last day of all where the
    calendar ends before it.
    """
    months = since.month - 1 + retention.months
    year, month = since.year + retention.years + months // 12, months % 12 + 1
    if year > _LAST_DAY.year:
        return _LAST_DAY
    day = min(since.day, calendar.monthrange(year, month)[1])
    last = date(year, month, day)
    return last if last == _LAST_DAY else last + timedelta(days=1)


def due_of(collection: Collection, found: Record, today: date) -> Due | None:
    """The record as due, if it is on this day; None while it is kept, or for ever."""
    retention = collection.retention
    if retention is None:
        return None
    value: JsonValue
    if retention.from_field in OWN_TIMES and retention.from_field not in collection.fields:
        value = _day(found.created_at if retention.from_field == "created_at" else found.updated_at)
    else:
        value = found.plain.get(retention.from_field)
    since = _since(value)
    if since is None:
        return None
    due = first_day_after(since, retention)
    if due > today:
        return None
    person = facts.about(collection, found.id, found.plain).person or None
    held = Held(collection.name, found.id, found.subject, person)
    return Due(held, since.isoformat(), due.isoformat(), period_of(retention))


def scan(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    today: date,
    tell: Callable[[int], None] = lambda _count: None,
) -> Scan:
    """Look at every record of the collection. tell: called with how many were looked at.

    The day is read in the clear first; only what may be due is opened, so that a date which was
    changed in the database makes a record damaged, not due.
    """
    found: list[Due] = []
    damaged: list[str] = []
    if collection.retention is None:
        return Scan((), ())
    seen = 0
    for ids, count in _may_be_due(connection, collection, today):
        seen += count
        for one in ids:
            try:
                (opened,) = read_records(connection, keyring, collection, (one,))
            except Damaged:
                damaged.append(one)
                continue
            due = due_of(collection, opened, today)
            if due is not None:
                found.append(due)
        tell(seen)
    return Scan(tuple(found), tuple(damaged))


def _may_be_due(
    connection: Connection, collection: Collection, today: date
) -> Iterator[tuple[list[str], int]]:
    retention = collection.retention
    assert retention is not None  # noqa: S101 - the caller looked
    own = retention.from_field in OWN_TIMES and retention.from_field not in collection.fields
    column, after = record.c, ""
    while True:
        rows = connection.execute(
            select(column.id, column.plain, column.created_at, column.updated_at)
            .where(column.collection == collection.name, column.id > after)
            .order_by(column.id)
            .limit(_AT_ONCE)
        ).all()
        if not rows:
            return
        ids = []
        for row in rows:
            if own:
                at = row.created_at if retention.from_field == "created_at" else row.updated_at
                value: JsonValue = _day(at)
            else:
                value = _plain_value(row.plain, retention.from_field)
            since = _since(value)
            if since is not None and first_day_after(since, retention) <= today:
                ids.append(row.id)
        yield ids, len(rows)
        after = rows[-1].id


def _plain_value(plain: bytes, field: str) -> JsonValue:
    try:
        values = parse_canonical(plain)
    except Damaged:
        # Nothing due is overlooked: what cannot be read is reported by whoever reads the record.
        return None
    return values.get(field) if isinstance(values, dict) else None


def _since(value: JsonValue) -> date | None:
    """The day of a stored date or moment."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None


def _day(micros: int) -> str:
    return moment(micros).date().isoformat()

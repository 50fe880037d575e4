"""Following the log with the rules: by a cursor that moves with the counts and the alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, case, delete, func, select, text, update

from secvault.audit.detection import rules
from secvault.audit.detection.rules import Alert, Count, Sight
from secvault.audit.facts import Fact
from secvault.config.detection import DetectionSettings
from secvault.store import Store
from secvault.store.engine import row_held
from secvault.store.tables import audit_count, audit_event, audit_watch

AT_ONCE = 2_000
"""How many events are looked at in one transaction."""

_EVENTS, _HOUR = "events", "hour"
_ADD = text(
    "INSERT INTO audit_count (measure, subject, slot, amount) "
    "VALUES (:measure, :subject, :slot, :amount) "
    "ON CONFLICT (measure, subject, slot) "
    "DO UPDATE SET amount = audit_count.amount + excluded.amount"
)


class _Object(msgspec.Struct):
    n: int | None = None
    e: dict[str, Fact] = {}


class _Leaf(msgspec.Struct):
    """Of a leaf (`audit.leaf`), only what the rules look at; the rest is skipped."""

    x: _Object


_DECODER = msgspec.json.Decoder(_Leaf)


def _always(_at: int) -> bool:
    return True


def _nothing(_connection: Connection, _alert: Alert) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """What the rules go by.

    open_at: whether there is work at a moment. sort_of_day: days of the same sort are alike, such
    as those without work. raised: told of each alert, in the transaction that moves the cursor.
    """

    settings: DetectionSettings = field(default_factory=DetectionSettings)
    open_at: Callable[[int], bool] = _always
    sort_of_day: Callable[[int], object] = _always
    raised: Callable[[Connection, Alert], None] = _nothing


def follow(store: Store, watch: Watch, over: Callable[[], bool] = lambda: False) -> bool:
    """Look at the events since the last time; whether the end of the log was reached.

    The first look begins at the end: what happened before is history. An event that cannot be read
    raises the alert of a verification that failed. Raises Unavailable.
    """
    while not over():
        with store.read() as connection:
            seen = _value(connection, _EVENTS)
            head = connection.execute(select(func.max(audit_event.c.seq))).scalar_one()
            sights = () if seen is None else _news(connection, seen)
        if seen is not None and not sights:
            return True
        reached = sights[-1].seq if sights else (-1 if head is None else head)
        with store.write() as connection:
            fresh = {"name": _EVENTS, "value": reached if seen is None else seen}
            held = row_held(connection, audit_watch, fresh)
            if seen is None or held.value != seen:
                # Another node was faster; the next look begins where it is.
                return seen is None
            _set(connection, _EVENTS, reached)
            _look(connection, watch, sights)
        if len(sights) < AT_ONCE:
            return True
    return False


def compare_hours(store: Store, watch: Watch, now: int) -> None:
    """Look at the volume of the last whole hour, once. The end of the log must have been reached.

    An hour is compared with the same hour of earlier days of its sort that were seen whole.
    """
    hour = now - now % rules.HOUR - rules.HOUR
    with store.read() as connection:
        seen = _value(connection, _HOUR)
    if seen is not None and seen >= hour:
        return
    with store.write() as connection:
        # The first hour was not seen whole, and is no measure.
        held = row_held(connection, audit_watch, {"name": _HOUR, "value": hour})
        _forget(connection, now - rules.KEPT)
        if seen is None or held.value != seen:
            return
        _set(connection, _HOUR, hour)
        if "volume_drop" in watch.settings.off:
            return
        volumes = _slots(connection, rules.LOG, rules.EVERYBODY, hour + 1)
        begun = min(volumes, default=hour)
        sort = watch.sort_of_day(hour)
        earlier = [
            volumes.get(at, 0)
            for at in (hour - days * rules.DAY for days in range(1, rules.EARLIER_DAYS + 1))
            if at > begun and watch.sort_of_day(at) == sort
        ]
        count = volumes.get(hour, 0)
        threshold = rules.too_little(count, earlier, watch.settings)
        if threshold is not None:
            at = hour + rules.HOUR
            watch.raised(connection, Alert("volume_drop", "log", at, None, count, threshold))


def _look(connection: Connection, watch: Watch, sights: Iterable[Sight]) -> None:
    added: dict[tuple[str, str, int], int] = {}
    last: dict[tuple[str, str, int], Sight] = {}
    for sight in sights:
        alert = rules.alert_of(sight, watch.settings, watch.open_at)
        if alert is not None:
            watch.raised(connection, alert)
        for one in rules.counts_of(sight):
            key = (one.measure, one.subject, one.slot)
            added[key] = added.get(key, 0) + one.amount
            last[key] = sight
    _add(connection, added)
    for key in sorted(added, key=lambda one: one[2]):
        for alert in _too_many(connection, watch.settings, Count(*key, added[key]), last[key]):
            watch.raised(connection, alert)


def _too_many(
    connection: Connection, settings: DetectionSettings, one: Count, last: Sight
) -> Iterator[Alert]:
    if one.measure == rules.REFUSALS and "many_refusals" not in settings.off:
        slots = _slots(connection, one.measure, one.subject, one.slot + 1, one.slot - rules.SLOT)
        recent = sum(slots.values())
        most = rules.too_many_refusals(one.subject, recent, settings)
        if most is not None:
            subject = one.subject or "everybody"
            yield Alert("many_refusals", subject, last.t, last.seq, recent, most)
    elif one.measure == rules.READS and "many_reads" not in settings.off:
        slots = _slots(connection, one.measure, one.subject, one.slot + 1)
        before = one.slot - rules.SLOT
        recent = slots.get(one.slot, 0) + slots.get(before, 0)
        usual = [amount for slot, amount in slots.items() if slot < before]
        most = rules.too_many_reads(one.subject, recent, usual, settings)
        if most is not None:
            yield Alert("many_reads", one.subject, last.t, last.seq, recent, most)


def _news(connection: Connection, after: int) -> tuple[Sight, ...]:
    row = audit_event.c
    interesting = row.kind.in_(sorted(rules.INTERESTING))
    found = connection.execute(
        select(
            row.seq,
            row.t.label("at"),
            row.kind,
            row.outcome,
            row.actor,
            row.resource,
            row.department,
            case((interesting, row.body), else_=None).label("body"),
        )
        .where(row.seq > after)
        .order_by(row.seq)
        .limit(AT_ONCE)
    )
    return tuple(_sight(one) for one in found)


def _sight(row: Any) -> Sight:
    count: int | None = None
    detail: Mapping[str, Fact] = {}
    if row.body is not None:
        try:
            leaf = _DECODER.decode(row.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
            # Whoever damages an entry must not blind the rules to those that follow it.
            return _damaged(row)
        count, detail = leaf.x.n, leaf.x.e
    return Sight(
        row.seq,
        row.at,
        row.kind,
        row.outcome,
        row.actor,
        row.resource,
        row.department,
        count,
        detail,
    )


def _damaged(row: Any) -> Sight:
    """What the rules make of an event whose bytes are none: that verification would fail."""
    at = row.at if isinstance(row.at, int) else 0
    return Sight(row.seq, at, "audit.verify", "ok", "", detail={"passed": False})


def _add(connection: Connection, added: Mapping[tuple[str, str, int], int]) -> None:
    if added:
        connection.execute(
            _ADD,
            # In one order everywhere, so that no two wait for each other in a circle.
            [
                {"measure": measure, "subject": subject, "slot": slot, "amount": amount}
                for (measure, subject, slot), amount in sorted(added.items())
            ],
        )


def _slots(
    connection: Connection, measure: str, subject: str, until: int, since: int = 0
) -> dict[int, int]:
    row = audit_count.c
    found = connection.execute(
        select(row.slot, row.amount).where(
            row.measure == measure, row.subject == subject, row.slot >= since, row.slot < until
        )
    )
    return {one.slot: one.amount for one in found}


def _forget(connection: Connection, before: int) -> None:
    connection.execute(delete(audit_count).where(audit_count.c.slot < before))


def _value(connection: Connection, name: str) -> int | None:
    found: int | None = connection.scalar(
        select(audit_watch.c.value).where(audit_watch.c.name == name)
    )
    return found


def _set(connection: Connection, name: str, value: int) -> None:
    connection.execute(update(audit_watch).where(audit_watch.c.name == name).values(value=value))

"""Reading the log: pages of events, by what an auditor asks.

Pages are cut by sequence number, never by counting rows off, so that the millionth page costs as
much as the first and nothing moves under the reader.
"""

from __future__ import annotations

import unicodedata
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from secvault.audit import entries
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.windows import windows
from secvault.errors import InvalidInput
from secvault.store.engine import Store
from secvault.store.tables import audit_event

MAX_PAGE = 1_000

FEW = 2_000
"""Up to so many events of an index are all looked at for a page; more are met soon by going along
in the order of the log."""

FEW_BELOW = 20_000
"""The same for a resource with all below it, whose index is not in the order of the log."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which events; what is empty does not restrict.

    kind: exactly this one. actor: `user:01920c3e`. resource: this one and all below it (`hr` or
    `hr/employees/e-7`); this one alone when `below` is not set. since: at or after, until: before;
    microseconds UTC, by time of recording.
    """

    kind: str = ""
    outcome: Outcome | None = None
    actor: str = ""
    resource: str = ""
    department: str = ""
    since: int | None = None
    until: int | None = None
    below: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order asked for. next: the `after` of the next page; None at the end."""

    events: tuple[StoredEvent, ...]
    next: int | None


EVERYTHING = Question()


def page(
    store: Store,
    question: Question = EVERYTHING,
    *,
    after: int | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> Page:
    """One page of the events that answer the question.

    after: sequence number of the last event seen. limit: 1 to 1,000. Raises InvalidInput, and
    Damaged if a stored event cannot be read.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {MAX_PAGE}")
    with store.read() as connection:
        # One more than asked for tells whether a next page exists.
        rows = _rows(connection, question, after, limit + 1, newest_first=newest_first)
    events = tuple(decode(row.body, seq=row.seq) for row in rows[:limit])
    return Page(events, events[-1].seq if len(rows) > limit else None)


def event_at(store: Store, seq: int) -> StoredEvent | None:
    """The event with this sequence number, or None. Raises Damaged if it cannot be read."""
    with store.read() as connection:
        body = entries.body(connection, seq)
    return None if body is None else decode(body, seq=seq)


def _rows(
    connection: Connection,
    question: Question,
    after: int | None,
    limit: int,
    *,
    newest_first: bool,
) -> list[Row[tuple[int, bytes]]]:
    rows: list[Row[tuple[int, bytes]]] = []
    since, until = question.since, question.until
    parts = windows(connection, newest_first=newest_first, after=after, since=since, until=until)
    with closing(parts):
        for part in parts:
            asked = part.connection
            bounds = _bounds(asked, question, after, newest_first=newest_first)
            if part.start:
                bounds.append(audit_event.c.seq >= part.start)
            left = limit - len(rows)
            statement = _statement(asked, question, bounds, left, newest_first=newest_first)
            rows += asked.execute(statement).all()
            if len(rows) == limit:
                break
    return rows


def _bounds(
    connection: Connection, question: Question, after: int | None, *, newest_first: bool
) -> list[ColumnElement[bool]]:
    """The sequence numbers to look at. Time grows with them, so moments become numbers too."""
    seq = audit_event.c.seq
    bounds: list[ColumnElement[bool]] = []
    if after is not None:
        bounds.append(seq < after if newest_first else seq > after)
    for moment, is_start in ((question.since, True), (question.until, False)):
        if moment is None:
            continue
        first = _first_at_or_after(connection, moment)
        if first is not None:
            bounds.append(seq >= first if is_start else seq < first)
        elif is_start:
            bounds.append(seq < 0)
    return bounds


def _first_at_or_after(connection: Connection, moment: int) -> int | None:
    t = audit_event.c.t
    next_t = select(func.min(t)).where(t >= moment).scalar_subquery()
    first: int | None = connection.scalar(select(func.min(audit_event.c.seq)).where(t == next_t))
    return first


def _statement(
    connection: Connection,
    question: Question,
    bounds: list[ColumnElement[bool]],
    limit: int,
    *,
    newest_first: bool,
) -> Select[tuple[int, bytes]]:
    """The page by the index that leads there soonest; the other conditions only filter.

    Left to itself SQLite, which has no statistics, walks all reads of all people to find those
    of one, or sorts half of the log to show a page of it; and either engine walks all of the log
    for what two frequent things hardly ever have in common.
    """
    seq = audit_event.c.seq
    order = seq.desc() if newest_first else seq.asc()
    wanted = select(seq, audit_event.c.body).order_by(order).limit(limit)
    paths = _paths(connection, question)
    for path in paths:
        filters = _filters(question, connection, *path.answers)
        if path.in_order and not filters:
            return wanted.where(path.condition, *bounds)
        if _are_few(connection, path, bounds):
            few = select(seq).where(path.condition, *bounds)
            if not filters:
                few = few.order_by(order).limit(limit)
            found = few.cte("few").prefix_with("MATERIALIZED", dialect="postgresql")
            return wanted.where(seq.in_(select(found.c.seq)), *filters)
    # All are frequent, so that a page fills soon on the way along any one that is in order.
    ordered = [path for path in paths if path.in_order]
    if ordered:
        filters = _filters(question, connection, *ordered[0].answers)
        return wanted.where(ordered[0].condition, *bounds, *filters)
    if question.kind:
        return _of_each_outcome(connection, question, bounds, wanted, order, limit)
    return wanted.where(*bounds, *_filters(question, connection))


@dataclass(frozen=True, slots=True)
class _Path:
    """A condition that an index leads to. answers: the members of the question that it covers.

    in_order: the index gives the events in the order of the log. few: up to so many are looked at.
    """

    condition: ColumnElement[bool]
    answers: tuple[str, ...]
    in_order: bool = True
    few: int = FEW


def _paths(connection: Connection, question: Question) -> list[_Path]:
    """The ways to the events of a question, those that tell most apart first."""
    row = audit_event.c
    actor, kind = row.actor == question.actor, row.kind == question.kind
    outcome = row.outcome == question.outcome
    paths: list[_Path] = []
    if question.actor and question.kind:
        paths.append(_Path(and_(actor, kind), ("actor", "kind")))
    if question.resource and question.below:
        below = _at_or_below(row.resource, question.resource, connection)
        paths.append(_Path(below, ("resource",), in_order=False, few=FEW_BELOW))
    elif question.resource:
        paths.append(_Path(row.resource == _path(question.resource), ("resource",)))
    if question.kind and question.outcome:
        paths.append(_Path(and_(kind, outcome), ("kind", "outcome")))
    elif question.kind:
        paths.append(_Path(kind, ("kind",), in_order=False))
    if question.outcome and question.outcome != "ok":
        # In these words an index was made of what did not go well.
        is_not_ok = row.outcome != literal_column("'ok'")
        paths.append(_Path(and_(outcome, is_not_ok), ("outcome",)))
    if question.actor:
        paths.append(_Path(actor, ("actor",)))
    if question.department:
        paths.append(_Path(row.department == question.department, ("department",)))
    return paths


def _are_few(connection: Connection, path: _Path, bounds: list[ColumnElement[bool]]) -> bool:
    """Whether so few events are on the path that all of them can be looked at."""
    some = select(audit_event.c.seq).where(path.condition, *bounds).limit(path.few + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= path.few


def _of_each_outcome(
    connection: Connection,
    question: Question,
    bounds: list[ColumnElement[bool]],
    wanted: Select[tuple[int, bytes]],
    order: ColumnElement[int],
    limit: int,
) -> Select[tuple[int, bytes]]:
    """The first few of each outcome, merged, are the first few of all."""
    seq = audit_event.c.seq
    filters = _filters(question, connection, "kind")
    each = [
        select(seq)
        .where(
            audit_event.c.kind == question.kind,
            audit_event.c.outcome == outcome,
            *bounds,
            *filters,
        )
        .order_by(order)
        .limit(limit)
        .subquery()
        for outcome in OUTCOMES
    ]
    return wanted.where(seq.in_(union_all(*(select(one.c.seq) for one in each))))


def _filters(question: Question, connection: Connection, *done: str) -> list[ColumnElement[bool]]:
    """The conditions of the question except those done, out of the reach of any index."""
    row = audit_event.c
    filters = [
        _unindexed(row[name]) == value
        for name, value in (
            ("kind", question.kind),
            ("outcome", question.outcome),
            ("actor", question.actor),
            ("department", question.department),
        )
        if value and name not in done
    ]
    if question.resource and "resource" not in done:
        resource = _unindexed(row.resource)
        filters.append(
            _at_or_below(resource, question.resource, connection)
            if question.below
            else resource == _path(question.resource)
        )
    return filters


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    return column.concat("")


def _at_or_below(
    resource: ColumnElement[str], path: str, connection: Connection
) -> ColumnElement[bool]:
    # Compared byte by byte on either engine; "0" follows "/" in ASCII.
    path = _path(path)
    column = resource.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    return or_(column == path, and_(column > f"{path}/", column < f"{path}0"))


def _path(resource: str) -> str:
    return unicodedata.normalize("NFC", resource).rstrip("/")

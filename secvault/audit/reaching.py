"""Which index leads to the events of a question soonest, and the statement that goes there.

Left to itself SQLite, which has no statistics, walks all reads of all people to find those of one,
or sorts half of the log to show a page of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    or_,
    select,
    union_all,
)

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.question import Question, path
from secvault.audit.search import LATEST, holds
from secvault.store.tables import audit_event

FEW = 20_000
"""Up to so many events of one resource are sorted for a page; more are met soon by going along."""

Bounds = Sequence[ColumnElement[bool]]
Reached = Select[tuple[int, int, bytes]]

_MOST_PAIRS = 400
"""Parts of one statement; SQLite takes 500."""
_SLACK = 60 * 1_000_000
_REQUEST_LASTS = 24 * 3600 * 1_000_000
_ID_DIGITS, _ID_TIME = 32, 12


@dataclass(frozen=True, slots=True)
class Span:
    """Sequence numbers to look at: `first` or later, before `end`; None where there is no bound."""

    first: int | None
    end: int | None

    def bounds(self, after: int | None, *, newest_first: bool) -> list[ColumnElement[bool]]:
        """The span as conditions, going on after the number `after`."""
        seq = audit_event.c.seq
        found: list[ColumnElement[bool]] = []
        if self.first is not None:
            found.append(seq >= self.first)
        if self.end is not None:
            found.append(seq < self.end)
        if after is not None:
            found.append(seq < after if newest_first else seq > after)
        return found


def span_of(connection: Connection, question: Question) -> Span:
    """Where the question looks. Time grows with the numbers, so moments become numbers too."""
    since, until = _moments(question)
    first, end = question.first, question.end
    if since is not None:
        start = first_at_or_after(connection, since)
        if start is None:
            return Span(None, 0)
        first = start if first is None else max(first, start)
    if until is not None:
        stop = first_at_or_after(connection, until)
        if stop is not None:
            end = stop if end is None else min(end, stop)
    return Span(first, end)


def first_at_or_after(connection: Connection, moment: int) -> int | None:
    """The number of the first event recorded at or after the moment; None when there is none."""
    t = audit_event.c.t
    next_t = select(func.min(t)).where(t >= moment).scalar_subquery()
    first: int | None = connection.scalar(select(func.min(audit_event.c.seq)).where(t == next_t))
    return first


def pairs_of(question: Question) -> list[tuple[str, Outcome]] | None:
    """The kinds and outcomes to look up, where they are what leads to the events soonest."""
    if question.actor or question.resource:
        return None
    kinds, outcomes = question.wanted_kinds(), question.wanted_outcomes()
    if kinds is None and outcomes is None:
        return None
    pairs = [
        (kind, outcome)
        for kind in (sorted(KINDS) if kinds is None else kinds)
        for outcome in (OUTCOMES if outcomes is None else outcomes)
    ]
    return pairs if len(pairs) <= _MOST_PAIRS else None


def statement(
    connection: Connection, question: Question, bounds: Bounds, limit: int, *, newest_first: bool
) -> Reached:
    """The first so many events within the bounds, by the index that leads there soonest."""
    seq = audit_event.c.seq
    order = seq.desc() if newest_first else seq.asc()
    wanted = select(seq, audit_event.c.t, audit_event.c.body).order_by(order).limit(limit)
    straight = _straight(connection, question)
    if straight is not None:
        condition, done = straight
        return wanted.where(condition, *bounds, *_filters(question, connection, done))
    pairs = pairs_of(question)
    if pairs is None:
        return wanted.where(*bounds, *_filters(question, connection))
    if not pairs:
        return wanted.where(seq < 0)
    # The index on (kind, outcome, seq) is in the order of seq within one kind and outcome only:
    # the first few of each pair, merged, are the first few of all.
    filters = _filters(question, connection, "kind", "outcome")
    each = [
        select(seq)
        .where(audit_event.c.kind == kind, audit_event.c.outcome == outcome, *bounds, *filters)
        .order_by(order)
        .limit(limit)
        .subquery()
        for kind, outcome in pairs
    ]
    return wanted.where(seq.in_(union_all(*(select(one.c.seq) for one in each))))


def _straight(connection: Connection, question: Question) -> tuple[ColumnElement[bool], str] | None:
    """The one condition that an index answers in the order of the log, or nearly; and its name."""
    row = audit_event.c
    if question.actor and not question.actor.endswith(":"):
        return row.actor == question.actor, "actor"
    if question.resource and not question.below and not question.also_at:
        return row.resource == path(question.resource), "resource"
    sorted_soon = (
        (_placed(row.resource, question, connection), "resource")
        if question.resource
        else (_of_sort(row.actor, question.actor, connection), "actor")
        if question.actor
        else None
    )
    return sorted_soon if sorted_soon and _few(connection, sorted_soon[0]) else None


def of_pair(
    connection: Connection,
    question: Question,
    pair: tuple[str, str],
    bounds: Bounds,
    limit: int,
    *,
    newest_first: bool,
) -> Reached:
    """The first so many events of one kind and outcome."""
    row = audit_event.c
    return (
        select(row.seq, row.t, row.body)
        .where(
            row.kind == pair[0],
            row.outcome == pair[1],
            *bounds,
            *_filters(question, connection, "kind", "outcome"),
        )
        .order_by(row.seq.desc() if newest_first else row.seq.asc())
        .limit(limit)
    )


def _moments(question: Question) -> tuple[int | None, int | None]:
    """Since when and until when: what was asked for, narrowed by ids that begin with a time."""
    sinces = [question.since] if question.since is not None else []
    untils = [question.until] if question.until is not None else []
    made = [int(one[:_ID_TIME], 16) * 1_000 for one in question.decisions if _is_hex(one)]
    if question.decisions and len(made) == len(question.decisions):
        sinces.append(min(made) - _SLACK)
        untils.append(max(made) + LATEST)
    request = question.request.replace("-", "")
    if _is_hex(request) and request[_ID_TIME] == "7":
        asked = int(request[:_ID_TIME], 16) * 1_000
        sinces.append(asked - _SLACK)
        untils.append(asked + _REQUEST_LASTS)
    return max(sinces, default=None), min(untils, default=None)


def _is_hex(text: str) -> bool:
    return len(text) == _ID_DIGITS and frozenset("0123456789abcdef").issuperset(text)


def _filters(question: Question, connection: Connection, *done: str) -> list[ColumnElement[bool]]:
    """The conditions of the question except those done, out of the reach of any index."""
    row = audit_event.c
    filters: list[ColumnElement[bool]] = []
    kinds, outcomes = question.wanted_kinds(), question.wanted_outcomes()
    for name, wanted in (("kind", kinds), ("outcome", outcomes)):
        if wanted is not None and name not in done:
            filters.append(_unindexed(row[name]).in_(wanted))
    if question.actor and "actor" not in done:
        actor = _unindexed(row.actor)
        filters.append(
            _of_sort(actor, question.actor, connection)
            if question.actor.endswith(":")
            else actor == question.actor
        )
    if question.department:
        filters.append(_unindexed(row.department) == question.department)
    if question.resource and "resource" not in done:
        filters.append(_placed(_unindexed(row.resource), question, connection))
    sought = [question.request, *(value for _, value in question.facts)]
    filters += [holds(connection, text) for text in sought if text]
    if question.decisions:
        filters.append(or_(*(holds(connection, one) for one in question.decisions)))
    return filters


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    return column.concat("")


def _placed(
    resource: ColumnElement[str], question: Question, connection: Connection
) -> ColumnElement[bool]:
    asked = question.resource
    at = _at_or_below(resource, asked, connection) if question.below else resource == path(asked)
    also = [path(one) for one in question.also_at]
    return or_(at, resource.in_(also)) if also else at


def _at_or_below(
    resource: ColumnElement[str], asked: str, connection: Connection
) -> ColumnElement[bool]:
    # Compared byte by byte on either engine; "0" follows "/" in ASCII.
    asked = path(asked)
    column = _by_byte(resource, connection)
    return or_(column == asked, and_(column > f"{asked}/", column < f"{asked}0"))


def _of_sort(actor: ColumnElement[str], sort: str, connection: Connection) -> ColumnElement[bool]:
    # ";" follows ":" in ASCII.
    column = _by_byte(actor, connection)
    return and_(column > sort, column < f"{sort[:-1]};")


def _by_byte(column: ColumnElement[str], connection: Connection) -> ColumnElement[str]:
    return column.collate("C" if connection.dialect.name == "postgresql" else "BINARY")


def _few(connection: Connection, condition: ColumnElement[bool]) -> bool:
    """Whether so few events fulfil the condition that sorting them is quicker than the log."""
    some = select(audit_event.c.seq).where(condition).limit(FEW + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= FEW

"""Which index leads to the events of a question soonest, and the statement that goes there.

Left to itself SQLite, which has no statistics, walks all reads of all people to find those of one,
or sorts half of the log to show a page of it; and PostgreSQL, which has none of what is filtered
out of the reach of an index, reads all of the log to find the one event that it believes in.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.question import Question, path
from secvault.audit.search import LATEST, holds
from secvault.store.tables import audit_event
from secvault.store.tables.audit import ELSEWHERE

FEW = 2_000
"""Up to so many events that an index leads to are looked at one by one for a page."""

FEW_BELOW = 20_000
"""The same below a resource: to find out that there are more costs little."""

NARROW = 10_000
"""So many events in a row are looked at one after the other sooner than by any index."""

Reached = Select[int, int, bytes]

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

    def beyond(self, after: int | None, *, newest_first: bool) -> Span:
        """What of the span follows the number `after` in this order."""
        if after is None:
            return self
        return self.within(0, after) if newest_first else self.within(after + 1, None)

    def of(self, seq: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """The span as conditions."""
        found: list[ColumnElement[bool]] = []
        if self.first:
            found.append(seq >= self.first)
        if self.end is not None:
            found.append(seq < self.end)
        return found

    def within(self, first: int, end: int | None) -> Span:
        """What of the span is at or after `first`, and before `end`."""
        ends = [one for one in (self.end, end) if one is not None]
        return Span(max(first, self.first or 0), min(ends, default=None))


def span_of(connection: Connection, question: Question) -> Span:
    """Where the question looks. Time grows with the numbers, so moments become numbers too."""
    since, until = moments_of(question)
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
    connection: Connection,
    question: Question,
    span: Span,
    limit: int | None,
    *,
    newest_first: bool,
) -> Reached:
    """The first so many events of the span, by the index that leads there soonest.

    limit: None for all of them.
    """
    seq = audit_event.c.seq
    order = seq.desc() if newest_first else seq.asc()
    wanted = select(seq, audit_event.c.t, audit_event.c.body).order_by(order).limit(limit)
    bounds = span.of(seq)
    walked = wanted.where(*bounds, *_filters(question, connection))
    _steer(connection, sorting=False)
    if _is_narrow(connection, span):
        return walked
    paths = _paths(connection, question)
    for one in paths:
        filters = _filters(question, connection, *one.answers)
        if one.in_order and not filters:
            return wanted.where(one.condition, *bounds)
        if _are_few(connection, one, span):
            few = select(seq).where(one.condition, *one.within(span))
            if not filters:
                few = few.order_by(order).limit(limit)
            _steer(connection, sorting=True)
            found = few.cte("few").prefix_with("MATERIALIZED", dialect="postgresql")
            return wanted.where(seq.in_(select(found.c.seq)), *filters)
    # All are frequent, so that a page fills soon on the way along any one that is in order.
    ordered = [one for one in paths if one.in_order]
    if ordered:
        filters = _filters(question, connection, *ordered[0].answers)
        return wanted.where(ordered[0].condition, *bounds, *filters)
    pairs = pairs_of(question) if limit is not None else None
    kinds, outcomes = question.wanted_kinds(), question.wanted_outcomes()
    if pairs is None or (kinds is None and outcomes == ("ok",)):
        # Nearly everything went well.
        return walked
    merged = [
        _first_of(connection, question, pair, span, limit, newest_first=newest_first)
        for pair in pairs
    ]
    _steer(connection, sorting=True)
    return wanted.where(seq.in_(union_all(*merged)) if merged else seq < 0)


def _steer(connection: Connection, *, sorting: bool) -> None:
    """Keep PostgreSQL to the indexes, and to their order where nothing is to be sorted; of several
    to the one with the fewest events, wherever they lie. Holds until the end of the transaction.
    """
    if connection.dialect.name != "postgresql":
        return
    settings = {
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_sort": "on" if sorting else "off",
        "seq_page_cost": "0",
        "random_page_cost": "0",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }
    local = true()
    connection.execute(select(*(func.set_config(name, to, local) for name, to in settings.items())))


def _first_of(
    connection: Connection,
    question: Question,
    pair: tuple[str, Outcome],
    span: Span,
    limit: int | None,
    *,
    newest_first: bool,
) -> Select[int]:
    """The first numbers of one kind and outcome: the index is in their order within such a pair
    only, so that the first of each, merged, are the first of all.
    """
    seq = audit_event.c.seq
    one = (
        select(seq)
        .where(audit_event.c.kind == pair[0], audit_event.c.outcome == pair[1], *span.of(seq))
        .where(*_filters(question, connection, "kind", "outcome"))
        .order_by(seq.desc() if newest_first else seq.asc())
        .limit(limit)
        .subquery()
    )
    return select(one.c.seq)


@dataclass(frozen=True, slots=True)
class _Path:
    """A condition that an index leads to. answers: the members of the question that it covers.

    in_order: the index gives the events in the order of the log. few: up to so many are looked at.
    seeks: the index leads to a span of numbers at once; without it, it is gone along from its
    beginning, whatever the span is.
    """

    condition: ColumnElement[bool]
    answers: tuple[str, ...]
    in_order: bool = True
    few: int = FEW
    seeks: bool = True

    def within(self, span: Span) -> list[ColumnElement[bool]]:
        """The span, put so that SQLite does not go along all of it instead of the index."""
        seq = audit_event.c.seq
        return span.of(seq if self.seeks else seq + 0)


def _paths(connection: Connection, question: Question) -> list[_Path]:
    """The ways to the events of a question, those that tell most apart first."""
    row = audit_event.c
    kinds, outcomes = question.wanted_kinds(), question.wanted_outcomes()
    kind = kinds[0] if kinds and len(kinds) == 1 else None
    outcome = outcomes[0] if outcomes and len(outcomes) == 1 else None
    one_actor = bool(question.actor) and not question.actor.endswith(":")
    actor = row.actor == question.actor
    paths: list[_Path] = []
    if one_actor and kind:
        paths.append(_Path(and_(actor, row.kind == kind), ("actor", "kind")))
    if _is_elsewhere(question):
        # Both may be frequent, and never together.
        outside: ColumnElement[bool] = literal_column(ELSEWHERE[connection.dialect.name])
        paths.append(_Path(and_(row.department == question.department, outside), ("department",)))
    if question.resource:
        placed = _placed(row.resource, question, connection)
        exact = not question.below and not question.also_at
        few = FEW if exact else FEW_BELOW
        paths.append(_Path(placed, ("resource",), in_order=exact, few=few, seeks=exact))
    if kind and outcome:
        pair = and_(row.kind == kind, row.outcome == outcome)
        paths.append(_Path(pair, ("kind", "outcome")))
    elif kinds:
        # With every outcome named, the index on all three leads to a span of each pair.
        named = OUTCOMES if outcomes is None else outcomes
        pairs = and_(row.kind.in_(kinds), row.outcome.in_(named))
        paths.append(_Path(pairs, ("kind", "outcome"), in_order=False))
    if outcome and outcome != "ok":
        # In these words an index was made of what did not go well.
        is_not_ok = row.outcome != literal_column("'ok'")
        paths.append(_Path(and_(row.outcome == outcome, is_not_ok), ("outcome",)))
    if one_actor:
        paths.append(_Path(actor, ("actor",)))
    elif question.actor:
        of_sort = _of_sort(row.actor, question.actor, connection)
        paths.append(_Path(of_sort, ("actor",), in_order=False, seeks=False))
    if question.department:
        at = row.department == question.department
        paths.append(_Path(at, ("department",)))
    return paths


def _is_elsewhere(question: Question) -> bool:
    """Whether it is asked what a department had to do with a place of another."""
    place, _, _ = path(question.resource).partition("/")
    at_one_place = bool(question.resource) and not question.also_at
    return at_one_place and bool(question.department) and place != question.department


def _is_narrow(connection: Connection, span: Span) -> bool:
    """Whether the span is so short that it is gone along as it is."""
    end = span.end
    if end is None:
        end = (connection.scalar(select(func.max(audit_event.c.seq))) or 0) + 1
    return end - (span.first or 0) <= NARROW


def _are_few(connection: Connection, path: _Path, span: Span) -> bool:
    """Whether so few events are on the path that all of them can be looked at.

    On one that does not seek, whether so few are on it in all: who looked for those of the span
    alone would go along the whole of it.
    """
    within = path.within(span) if path.seeks else []
    each = select(audit_event.c.seq).where(path.condition, *within)
    some = each.limit(path.few + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= path.few


def of_pair(
    connection: Connection,
    question: Question,
    pair: tuple[str, str],
    span: Span,
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
            *span.of(row.seq),
            *_filters(question, connection, "kind", "outcome"),
        )
        .order_by(row.seq.desc() if newest_first else row.seq.asc())
        .limit(limit)
    )


def moments_of(question: Question) -> tuple[int | None, int | None]:
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
    if question.department and "department" not in done:
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
    # Compared byte by byte on either engine; "0" follows "/" in ASCII. One stretch of the index: of
    # what is either one or another PostgreSQL makes no such stretch.
    asked = path(asked)
    column = _by_byte(resource, connection)
    stretch = and_(column >= asked, column < f"{asked}0")
    return and_(stretch, or_(column == asked, column > f"{asked}/"))


def _of_sort(actor: ColumnElement[str], sort: str, connection: Connection) -> ColumnElement[bool]:
    # ";" follows ":" in ASCII.
    column = _by_byte(actor, connection)
    return and_(column > sort, column < f"{sort[:-1]};")


def _by_byte(column: ColumnElement[str], connection: Connection) -> ColumnElement[str]:
    return column.collate("C" if connection.dialect.name == "postgresql" else "BINARY")

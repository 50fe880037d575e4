"""Reading the log: pages of events, by what an auditor asks.

Pages are cut by sequence number, never by counting rows off, so that the millionth page costs as
much as the first and nothing moves under the reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, union_all

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.leaf import StoredEvent, decode
from secvault.errors import InvalidInput
from secvault.store.engine import Store
from secvault.store.tables import audit_event

MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """Which events; what is empty does not restrict.

    kind: exactly this one. actor: `user:01920c3e`. resource: this one and all below it (`hr` or
    `hr/employees/e-7`). since: at or after, until: before; microseconds UTC, by time of recording.
    """

    kind: str = ""
    outcome: Outcome | None = None
    actor: str = ""
    resource: str = ""
    department: str = ""
    since: int | None = None
    until: int | None = None


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
        conditions = [
            *_bounds(connection, question, after, newest_first=newest_first),
            *_conditions(question, connection.dialect.name),
        ]
        # One more than asked for tells whether a next page exists.
        statement = _statement(question, conditions, limit + 1, newest_first=newest_first)
        rows = connection.execute(statement).all()
    events = tuple(decode(row.body, seq=row.seq) for row in rows[:limit])
    return Page(events, events[-1].seq if len(rows) > limit else None)


def event_at(store: Store, seq: int) -> StoredEvent | None:
    """The event with this sequence number, or None. Raises Damaged if it cannot be read."""
    with store.read() as connection:
        body = connection.scalar(select(audit_event.c.body).where(audit_event.c.seq == seq))
    return None if body is None else decode(body, seq=seq)


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
    question: Question, conditions: list[ColumnElement[bool]], limit: int, *, newest_first: bool
) -> Select[tuple[int, bytes]]:
    order = audit_event.c.seq.desc() if newest_first else audit_event.c.seq.asc()
    wanted = select(audit_event.c.seq, audit_event.c.body).order_by(order).limit(limit)
    if not question.kind and question.outcome is None:
        return wanted.where(*conditions)
    # The index on (kind, outcome, seq) is in the order of seq within one kind and outcome only:
    # the first few of each pair, merged, are the first few of all.
    kinds = [question.kind] if question.kind else sorted(KINDS)
    outcomes = [question.outcome] if question.outcome else list(OUTCOMES)
    each = [
        select(audit_event.c.seq)
        .where(audit_event.c.kind == kind, audit_event.c.outcome == outcome, *conditions)
        .order_by(order)
        .limit(limit)
        .subquery()
        for kind in kinds
        for outcome in outcomes
    ]
    return wanted.where(audit_event.c.seq.in_(union_all(*(select(one.c.seq) for one in each))))


def _conditions(question: Question, dialect: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if question.actor:
        conditions.append(audit_event.c.actor == question.actor)
    if question.department:
        conditions.append(audit_event.c.department == question.department)
    if question.resource:
        # Compared byte by byte on either engine; "0" follows "/" in ASCII.
        path = question.resource.rstrip("/")
        resource = audit_event.c.resource.collate("C" if dialect == "postgresql" else "BINARY")
        below = and_(resource > f"{path}/", resource < f"{path}0")
        conditions.append(or_(resource == path, below))
    return conditions

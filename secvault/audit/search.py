"""Finding single events in a long log by what they say, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    ScalarSelect,
    Select,
    func,
    literal,
    select,
)

from secvault.audit.event import Outcome
from secvault.audit.leaf import StoredEvent, decode
from secvault.errors import InvalidInput
from secvault.store.tables import audit_event

LATEST = 15 * 60 * 1_000_000
"""How long after its decision an event is looked for, in microseconds: what takes longer than that
begins with an event that announces it."""

_ID_DIGITS = 32
_TIME_DIGITS = 12


def of_decision(connection: Connection, decision: str) -> StoredEvent | None:
    """The first event that rests on the decision with this id; None when there is none.

    The id begins with the moment of the decision, so only what was recorded soon after it is
    looked through. Raises InvalidInput for what is no such id, Damaged if the event cannot be read.
    """
    digits = frozenset("0123456789abcdef")
    if len(decision) != _ID_DIGITS or not digits.issuperset(decision):
        raise InvalidInput.at("decision", "write its id, 32 hexadecimal digits, as the refusal did")
    moment = int(decision[:_TIME_DIGITS], 16) * 1_000
    row = audit_event.c
    # Time never goes back along the log, so a span of time is a span of sequence numbers.
    first = select(func.min(row.seq)).where(row.t == _next_t(moment)).scalar_subquery()
    after = select(func.min(row.seq)).where(row.t == _next_t(moment + LATEST)).scalar_subquery()
    statement = (
        select(row.seq, row.body)
        .where(
            row.seq >= first,
            row.seq < func.coalesce(after, 2**62),
            holds(connection, f'"i":"{decision}"'),
        )
        .order_by(row.seq)
        .limit(1)
    )
    found = connection.execute(statement).first()
    return None if found is None else decode(found.body, seq=found.seq)


def newest(
    connection: Connection,
    kinds: Iterable[tuple[str, Outcome]],
    *,
    until: int,
    holding: str = "",
) -> StoredEvent | None:
    """The newest event of these kinds and outcomes recorded at or before the moment `until`.

    holding: a piece of its bytes, such as `"program":"web"`. None when there is none. Raises
    Damaged.
    """
    found = [
        row
        for kind, outcome in kinds
        for row in connection.execute(_newest(connection, kind, outcome, until, holding))
    ]
    if not found:
        return None
    last = max(found, key=lambda row: row.seq)
    return decode(last.body, seq=last.seq)


def every(connection: Connection, kinds: Iterable[str], *, until: int) -> Iterator[StoredEvent]:
    """All events of these kinds that went well, recorded at or before `until`, the oldest first.

    For kinds that are rare. Raises Damaged.
    """
    row = audit_event.c
    statement = (
        select(row.seq, row.body)
        .where(row.kind.in_(list(kinds)), row.outcome == "ok", row.t <= until)
        .order_by(row.seq)
    )
    for found in connection.execute(statement):
        yield decode(found.body, seq=found.seq)


def _newest(
    connection: Connection, kind: str, outcome: Outcome, until: int, holding: str
) -> Select[tuple[int, bytes]]:
    # One pair at a time is in the order of the index that leads there.
    row = audit_event.c
    wanted = [row.kind == kind, row.outcome == outcome, row.t <= until]
    if holding:
        wanted.append(holds(connection, holding))
    return select(row.seq, row.body).where(*wanted).order_by(row.seq.desc()).limit(1)


def holds(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether the bytes of an event hold this text."""
    body, sought = audit_event.c.body, text.encode()
    if connection.dialect.name == "sqlite":
        # Where SQLite was built so, LIKE matches no blobs.
        return func.instr(body, literal(sought, LargeBinary)) > 0
    for sign in (b"\\", b"%", b"_"):
        sought = sought.replace(sign, b"\\" + sign)
    return body.op("LIKE", is_comparison=True)(literal(b"%" + sought + b"%", LargeBinary))


def _next_t(moment: int) -> ScalarSelect[int]:
    t = audit_event.c.t
    return select(func.min(t)).where(t >= moment).scalar_subquery()

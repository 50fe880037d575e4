"""Imports as rows: what is asked for, how far it is, how it ended.

receiving -> checking -> checked, faulty or importing; checked -> checking; importing -> done;
checking or importing -> stopped, from where it can go on; what has not ended -> cancelled, expired.
Progress is written only in the transaction that stores the records, and only by whoever holds the
newest claim: so each row of the file is stored once, whoever is killed or thought dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from secvault.errors import Cancelled, Conflict, NotFound
from secvault.records.imports.spec import Form, OnConflict
from secvault.store.tables import record_import as _IMPORT  # noqa: N812 - a constant here
from secvault.store.tables import record_import_fault as _FAULT  # noqa: N812

State = Literal[
    "receiving",
    "checking",
    "checked",
    "importing",
    "stopped",
    "faulty",
    "done",
    "cancelled",
    "expired",
]
Goal = Literal["check", "import"]

ENDED: tuple[State, ...] = ("faulty", "done", "cancelled", "expired")
AT_WORK: tuple[State, ...] = ("checking", "importing")
MOST_FAULTS = 1_000
"""How many faults of a file are kept; the check goes no further."""
_LONGEST_REASON = 500


class Superseded(Cancelled):
    """Somebody else works on the import now, or it was ended meanwhile; nothing was written."""


@dataclass(frozen=True)
class Import:
    """An import. total: rows with a record, once it is checked. position: number of the last row
    of the file that is done with. faults: how many were found. Times in microseconds.
    """

    id: str
    collection: str
    requested_by: str
    state: State
    goal: Goal
    format: Form
    on_conflict: OnConflict
    parts: int
    bytes: int
    total: int | None
    position: int
    created: int
    updated: int
    skipped: int
    faults: int
    reason: str | None
    created_at: int
    changed_at: int
    ended_at: int | None

    @property
    def ended(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.state in ENDED

    @property
    def done_with(self) -> int:
        """How many rows are stored, or left as they were."""
        return self.created + self.updated + self.skipped


@dataclass(frozen=True)
class FaultOfRow:
    """What is wrong. line: of the file, 0 for it as a whole. Never holds a value of the file."""

    line: int
    field: str
    detail: str


_COLUMNS = [_IMPORT.c[name] for name in Import.__dataclass_fields__]


def insert_import(
    connection: Connection,
    import_id: str,
    *,
    collection: str,
    requested_by: str,
    form: Form,
    on_conflict: OnConflict,
    terms: bytes,
    at: int,
) -> Import:
    """Make the row of an import whose file is still to come."""
    connection.execute(
        insert(_IMPORT).values(
            id=import_id,
            collection=collection,
            requested_by=requested_by,
            state="receiving",
            goal="check",
            format=form,
            on_conflict=on_conflict,
            terms=terms,
            created_at=at,
            changed_at=at,
        )
    )
    return read_import(connection, import_id)


def read_import(connection: Connection, import_id: str, *, hold: bool = False) -> Import:
    """The import of this id. hold: keep others from changing it. Raises NotFound."""
    question = select(*_COLUMNS).where(_IMPORT.c.id == import_id)
    row = connection.execute(question.with_for_update() if hold else question).one_or_none()
    if row is None:
        raise NotFound(f"there is no import {import_id[:64]}")
    return _import(row)


def newest_imports(
    connection: Connection, collections: Sequence[str], limit: int
) -> tuple[Import, ...]:
    """The newest imports into these collections, newest first."""
    newest = (
        select(*_COLUMNS)
        .where(_IMPORT.c.collection.in_(collections))
        .order_by(_IMPORT.c.created_at.desc(), _IMPORT.c.id.desc())
        .limit(limit)
    )
    return tuple(_import(row) for row in connection.execute(newest))


def count_open(connection: Connection, requested_by: str) -> int:
    """How many imports of this subject have not ended."""
    question = (
        select(func.count())
        .select_from(_IMPORT)
        .where(_IMPORT.c.requested_by == requested_by, _IMPORT.c.state.not_in(ENDED))
    )
    return connection.scalar(question) or 0


def stale_imports(connection: Connection, before: int) -> tuple[Import, ...]:
    """The imports that have not ended and were not touched since this moment."""
    found = select(*_COLUMNS).where(_IMPORT.c.state.not_in(ENDED), _IMPORT.c.changed_at < before)
    return tuple(_import(row) for row in connection.execute(found))


def terms_of(connection: Connection, import_id: str) -> bytes | None:
    """The sealed terms; None when they are gone."""
    return connection.execute(
        select(_IMPORT.c.terms).where(_IMPORT.c.id == import_id)
    ).scalar_one_or_none()


def note_file(connection: Connection, import_id: str, *, parts: int, size: int, at: int) -> None:
    """Note how much of the file is there."""
    connection.execute(
        update(_IMPORT)
        .where(_IMPORT.c.id == import_id)
        .values(parts=parts, bytes=size, changed_at=at)
    )


def set_to_work(
    connection: Connection, found: Import, *, state: State, goal: Goal, terms: bytes, at: int
) -> Import:
    """Have it worked on under new terms. Whoever worked on it before can write nothing more."""
    connection.execute(
        update(_IMPORT)
        .where(_IMPORT.c.id == found.id)
        .values(state=state, goal=goal, terms=terms, claim=None, reason=None, changed_at=at)
    )
    return read_import(connection, found.id)


def claim_import(connection: Connection, import_id: str, claim: str) -> Import:
    """Take the work on; an earlier claim is void. Raises Superseded when there is none to do."""
    taken = connection.execute(
        update(_IMPORT)
        .where(_IMPORT.c.id == import_id, _IMPORT.c.state.in_(AT_WORK))
        .values(claim=claim)
    )
    if taken.rowcount != 1:
        raise Superseded("there is nothing to do for this import")
    return read_import(connection, import_id)


def advance(
    connection: Connection,
    before: Import,
    claim: str,
    *,
    position: int,
    created: int,
    updated: int,
    skipped: int,
    at: int,
) -> Import:
    """Note what the transaction stores, as its first statement. Raises Superseded."""
    _change(
        connection,
        before,
        claim,
        "importing",
        at,
        position=position,
        created=before.created + created,
        updated=before.updated + updated,
        skipped=before.skipped + skipped,
    )
    return read_import(connection, before.id)


def note_checked(
    connection: Connection, before: Import, claim: str, *, total: int, at: int
) -> Import:
    """Note how many rows have been checked so far. Raises Superseded."""
    _change(connection, before, claim, "checking", at, total=total)
    return read_import(connection, before.id)


def conclude(
    connection: Connection,
    before: Import,
    claim: str,
    state: State,
    *,
    at: int,
    reason: str | None = None,
    faults: Sequence[FaultOfRow] = (),
) -> Import:
    """Note that this part of the work is over. Raises Superseded."""
    _change(
        connection,
        before,
        claim,
        before.state,
        at,
        state=state,
        reason=reason[:_LONGEST_REASON] if reason else None,
        faults=len(faults),
        ended_at=at if state in ENDED else None,
    )
    _keep_faults(connection, before.id, faults)
    return read_import(connection, before.id)


def end_import(connection: Connection, found: Import, state: State, at: int) -> Import:
    """End it, whoever works on it. Raises Conflict when it has ended already."""
    ended = connection.execute(
        update(_IMPORT)
        .where(_IMPORT.c.id == found.id, _IMPORT.c.state.not_in(ENDED))
        .values(state=state, claim=None, changed_at=at, ended_at=at)
    )
    if ended.rowcount != 1:
        raise Conflict("the import has ended already")
    return read_import(connection, found.id)


def forget_terms(connection: Connection, import_id: str) -> None:
    """Drop the sealed terms."""
    connection.execute(update(_IMPORT).where(_IMPORT.c.id == import_id).values(terms=None))


def faults_of(connection: Connection, import_id: str) -> tuple[FaultOfRow, ...]:
    """What was found to be wrong with the file, in order of its rows."""
    rows = connection.execute(
        select(_FAULT.c.line, _FAULT.c.field, _FAULT.c.detail)
        .where(_FAULT.c.import_id == import_id)
        .order_by(_FAULT.c.number)
    )
    return tuple(FaultOfRow(row.line, row.field, row.detail) for row in rows)


def _keep_faults(connection: Connection, import_id: str, faults: Iterable[FaultOfRow]) -> None:
    rows = [
        {"import_id": import_id, "number": number, **vars(fault)}
        for number, fault in enumerate(faults, 1)
    ]
    if rows:
        connection.execute(insert(_FAULT), rows)


def _change(
    connection: Connection, before: Import, claim: str, was: State, at: int, **values: Any
) -> None:
    changed = connection.execute(
        update(_IMPORT)
        .where(
            _IMPORT.c.id == before.id,
            _IMPORT.c.state == was,
            _IMPORT.c.claim == claim,
            _IMPORT.c.position == before.position,
        )
        .values(changed_at=at, **values)
    )
    if changed.rowcount != 1:
        raise Superseded("somebody else works on the import now, or it was ended")


def _import(row: Row[Any]) -> Import:
    given = row._asdict()
    kinds = {"format": Form(given["format"]), "on_conflict": OnConflict(given["on_conflict"])}
    return Import(**{**given, **kinds})

"""Legal holds: what must not be erased, whoever asks and whatever period has run out.

A hold is placed with its reason and stays until somebody lifts it; it never ends by itself. Lifted
ones stay listed, so that what was held, and why no longer, can be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity.names import compared
from secvault.store.tables import legal_hold


class HoldKind(StrEnum):
    """What a hold is on: somebody everywhere, one thing of a collection, or the audit log."""

    PERSON = "person"
    SUBJECT = "subject"
    RECORD = "record"
    COLLECTION = "collection"
    LOG = "log"


@dataclass(frozen=True)
class Held:
    """What is looked up: a record, whose data subject it has, and whom it is about if anybody."""

    collection: str
    id: str
    subject: str
    person: str | None


@dataclass(frozen=True)
class Hold:
    """A hold. collection: empty for a person and for the log. target: empty for a collection; a
    person's number in the form that is compared; for the log the moment (RFC 3339) from which on
    its entries stay in the store. Times in micros; the last three None while it is in force.
    """

    id: str
    kind: HoldKind
    collection: str
    target: str
    reason: str
    placed_by: str
    placed_at: int
    lifted_by: str | None = None
    lifted_at: int | None = None
    lift_reason: str | None = None

    def covers(self, held: Held) -> bool:
        """Whether this record must stay because of it, while it is in force."""
        if self.kind is HoldKind.PERSON:
            return self.target in (held.person, compared(held.subject))
        if self.kind is HoldKind.LOG:
            return False
        if self.collection != held.collection:
            return False
        if self.kind is HoldKind.COLLECTION:
            return True
        return self.target == (held.subject if self.kind is HoldKind.SUBJECT else held.id)


def place(connection: Connection, hold: Hold) -> None:
    """Keep a new hold. Raises Conflict when the same is held already."""
    same = (
        legal_hold.c.kind == hold.kind.value,
        legal_hold.c.collection == hold.collection,
        legal_hold.c.target == hold.target,
        legal_hold.c.lifted_at.is_(None),
        legal_hold.c.reason == hold.reason,
    )
    there = connection.execute(select(legal_hold.c.id).where(*same)).scalar()
    if there is not None:
        raise Conflict(f"the hold {there} says the same already")
    connection.execute(insert(legal_hold).values(**{**vars(hold), "kind": hold.kind.value}))


def lift(connection: Connection, hold_id: str, by: str, at: int, reason: str) -> Hold:
    """End a hold. Raises NotFound, Conflict when it is lifted already."""
    before = read_hold(connection, hold_id)
    lifted = connection.execute(
        update(legal_hold)
        .where(legal_hold.c.id == hold_id, legal_hold.c.lifted_at.is_(None))
        .values(lifted_by=by, lifted_at=at, lift_reason=reason)
    )
    if lifted.rowcount != 1:
        raise Conflict(f"the hold {before.id} is lifted already")
    return read_hold(connection, hold_id)


def read_hold(connection: Connection, hold_id: str) -> Hold:
    """The hold of this id. Raises NotFound."""
    row = connection.execute(select(legal_hold).where(legal_hold.c.id == hold_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no hold {hold_id[:64]}")
    return _hold(row)


def list_holds(connection: Connection, *, lifted: bool = False) -> tuple[Hold, ...]:
    """The holds in force, oldest first; with the lifted ones, too, if asked for."""
    question = select(legal_hold).order_by(legal_hold.c.placed_at, legal_hold.c.id)
    if not lifted:
        question = question.where(legal_hold.c.lifted_at.is_(None))
    return tuple(_hold(row) for row in connection.execute(question))


def holds_on(connection: Connection, records: Iterable[Held]) -> Mapping[Held, tuple[Hold, ...]]:
    """Those of the records that are held, with the holds that do it."""
    holds = list_holds(connection)
    found = ((one, tuple(hold for hold in holds if hold.covers(one))) for one in records)
    return {one: by for one, by in found if by}


def holds_on_person(connection: Connection, number: str) -> tuple[Hold, ...]:
    """The holds in force on somebody, whether anything is kept on them or not."""
    return tuple(
        hold
        for hold in list_holds(connection)
        if hold.kind is HoldKind.PERSON and hold.target == number
    )


def check_target(kind: HoldKind, collection: str, target: str) -> None:
    """Return when the words fit the kind. Raises InvalidInput."""
    if (kind in (HoldKind.PERSON, HoldKind.LOG)) == bool(collection):
        mend = f"a {kind} is held in all collections" if collection else "name the collection"
        raise InvalidInput.at("collection", mend)
    if (kind is HoldKind.COLLECTION) == bool(target):
        mend = "a collection is held as a whole" if target else "name whom or what is held"
        raise InvalidInput.at("target", mend)


def _hold(row: Row[Any]) -> Hold:
    given = row._asdict()
    return Hold(**{**given, "kind": HoldKind(given["kind"])})

"""Legal holds: placed and lifted by two people each, with a reason; what is held is not erased."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from secvault.clock import micros_of, timestamp
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.identity import names
from secvault.records import hold as rows
from secvault.records.hold import Hold, HoldKind
from secvault.records.record import check_id
from secvault.service.approval import Terms
from secvault.service.erasing.target import collection_of, person_number, reason_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def place(
    service: Service, caller: Caller, kind: HoldKind, collection: str, target: str, reason: str
) -> Hold:
    """Forbid that this be erased, until somebody lifts the hold.

    collection: empty for a person and for the log. target: a person's number, a data subject, a
    record's id; empty for a whole collection; for the audit log a date or time (UTC without a
    zone), from which on its entries stay in the store and move to no archive. Nothing needs to be
    kept on it yet. Raises InvalidInput, NotFound, Conflict, ApprovalRequired.
    """
    rows.check_target(kind, collection, target)
    named = _named(service, kind, collection, target)
    said, who = reason_of(reason), caller.principal.subject
    terms: dict[str, JsonValue] = {
        "kind": str(kind),
        "collection": collection,
        "target": named,
        "reason": said,
    }

    def act(connection: Connection) -> Outcome[Hold]:
        at = service.clock.micros()
        made = Hold(names.new_id(service.clock), kind, collection, named, said, who, at)
        rows.place(connection, made)
        return Outcome(made, detail=_detail(made))

    return service.spine.change(caller, _operation("hold.place"), act, lambda _: terms)


def lift(service: Service, caller: Caller, hold_id: str, reason: str) -> Hold:
    """End a hold. Raises NotFound, Conflict when it is lifted already, ApprovalRequired."""
    said, who = reason_of(reason), caller.principal.subject

    def terms(connection: Connection) -> Terms:
        held = rows.read_hold(connection, hold_id)
        return {
            "hold": held.id,
            "kind": str(held.kind),
            "collection": held.collection,
            "target": held.target,
            "placed_for": held.reason,
            "reason": said,
        }

    def act(connection: Connection) -> Outcome[Hold]:
        lifted = rows.lift(connection, hold_id, who, service.clock.micros(), said)
        return Outcome(lifted, detail=_detail(lifted))

    return service.spine.change(caller, _operation("hold.lift"), act, terms)


def list_holds(service: Service, caller: Caller, *, lifted: bool = False) -> tuple[Hold, ...]:
    """The holds in force, oldest first; with the lifted ones, too, if asked for."""

    def act(connection: Connection) -> Outcome[tuple[Hold, ...]]:
        found = rows.list_holds(connection, lifted=lifted)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("hold.read"), act)


def _named(service: Service, kind: HoldKind, collection: str, target: str) -> str:
    if kind is HoldKind.PERSON:
        return person_number(target)
    if kind is HoldKind.LOG:
        return _moment_of(target)
    collection_of(service, collection)
    if kind is HoldKind.RECORD:
        return check_id(target)
    return names.compared(target)


def _moment_of(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.at(
            "target", "write a date or time such as 2026-11-03 or 2026-11-03T10:00:00+07:00"
        ) from None
    return timestamp(micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)))


def _detail(hold: Hold) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {"hold": hold.id, "state": str(hold.kind)}
    return {**found, "collection": hold.collection} if hold.collection else found


def _operation(action: str) -> Operation:
    return Operation(action, "it", "holds", "it/holds")

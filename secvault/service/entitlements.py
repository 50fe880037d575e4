"""Operations that look over everybody and everything: who can do something, what somebody can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault.access import DEPARTMENTS, NO_FIELD, Snapshot
from secvault.access import entitlements as over_policy
from secvault.access.entitlements import Entitled, Entitlement
from secvault.access.vocabulary import ACTIONS, ALL, COLLECTION, KEY, PLAN
from secvault.errors import InvalidInput
from secvault.service import past
from secvault.service.explanations import OWN, is_caller, subject_named
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import person, service_account

WHO_CAN = Operation("access.who_can", "it", "access", "it/access")
WHAT_CAN = Operation("access.what_can", "it", "access", "it/access")


@dataclass(frozen=True)
class Holders:
    """Everybody who may do something. at: for which moment, in microseconds.

    names: by subject. suspended: those among them who are shut out, and so cannot.
    """

    at: int
    found: tuple[tuple[str, Entitled], ...]
    names: Mapping[str, str]
    suspended: frozenset[str]


@dataclass(frozen=True)
class Holdings:
    """Everything that somebody may do. suspended: they are shut out, and so cannot.

    in_full: for an administrator or auditor; else for the subject, who reads of no rules.
    """

    at: int
    subject: str
    name: str
    suspended: bool
    in_full: bool
    found: tuple[Entitlement, ...]


def who_can(
    service: Service,
    caller: Caller,
    *,
    action: str,
    department: str = "",
    object: str = "",  # noqa: A002 - as in AccessRequest
    field: str = NO_FIELD,
    at: int | None = None,
) -> Holders:
    """Everybody who may do `action`, with how and until when.

    department, object: everywhere and anything when empty; of a collection its own department.
    at: a moment, in microseconds; now when None. Raises InvalidInput.
    """
    now = service.clock.micros()

    def act(connection: Connection) -> Outcome[Holders]:
        if action not in ACTIONS:
            raise InvalidInput.at("action", "names no action; write such as record.read")
        snapshot = _policy(service, connection, at, now)
        collections = snapshot.basis.collections
        kind = ACTIONS[action]
        wanted = object or (ALL if kind in (COLLECTION, KEY, PLAN) else kind)
        where = [department] if department else _departments(collections, kind, wanted)
        names = _names(connection)
        there = names if at is None else _names(connection, at)
        found = tuple(
            (each, one)
            for each in where
            for one in over_policy.who_can(
                snapshot,
                action=action,
                department=each,
                object=wanted,
                field=field,
                subjects=there,
            )
        )
        if not found:
            _require_known(snapshot, action, where, wanted, field)
        shown = {one.subject for _, one in found}
        holders = Holders(
            now if at is None else at,
            found,
            {subject: names.get(subject, subject) for subject in shown},
            past.suspended(connection, at) & shown,
        )
        return Outcome(holders, count=len(shown), detail={"operation": action})

    return service.spine.read(caller, WHO_CAN, act)


def what_can(
    service: Service,
    caller: Caller,
    *,
    subject: str = "",
    department: str = "",
    at: int | None = None,
) -> Holdings:
    """Everything that somebody may do, with how and until when.

    subject: as in `explanations.Asked`. department: all when empty. Of oneself everybody may ask.
    Raises InvalidInput, Refused.
    """
    in_full = service.spine.ask(caller, WHAT_CAN).allowed
    own = is_caller(caller, subject)
    if department and department not in DEPARTMENTS:
        raise InvalidInput.at("department", f"use one of {', '.join(DEPARTMENTS)}")
    now = service.clock.micros()

    def act(connection: Connection) -> Outcome[Holdings]:
        whom = caller.principal.subject if own else subject_named(connection, subject)
        snapshot = _policy(service, connection, at, now)
        found = over_policy.what_can(
            snapshot, whom, departments=[department] if department else DEPARTMENTS
        )
        holdings = Holdings(
            now if at is None else at,
            whom,
            _names(connection).get(whom, whom),
            whom in past.suspended(connection, at),
            in_full,
            found,
        )
        detail: dict[str, str | int | bool] = {"subject": whom} if in_full else {}
        return Outcome(holdings, count=len(found), detail=detail)

    return service.spine.read(caller, OWN if own and not in_full else WHAT_CAN, act)


def _policy(service: Service, connection: Connection, at: int | None, now: int) -> Snapshot:
    if at is None:
        return service.policy.snapshot(now, connection)
    # Who was shut out then is in the log.
    service.audit.drain()
    return past.policy_of(service, connection, at)


def _departments(collections: Mapping[str, str], kind: str, wanted: str) -> list[str]:
    if kind == COLLECTION and wanted in collections:
        return [collections[wanted]]
    return list(DEPARTMENTS)


def _require_known(
    snapshot: Snapshot, action: str, where: list[str], wanted: str, field: str
) -> None:
    """Return when nobody may although all names exist. Raises InvalidInput at the one at fault."""
    for department in where:
        if what := over_policy.fault_in(snapshot, action, department, wanted, field):
            raise InvalidInput.at(what, f"there is no such {what}, or not there")


def _names(connection: Connection, at: int | None = None) -> dict[str, str]:
    """The names of all people and systems, by subject; at: of those who were there by then."""
    people = select(person.c.id, person.c.name)
    systems = select(service_account.c.id, service_account.c.name)
    if at is not None:
        people = people.where(person.c.created_at <= at)
        systems = systems.where(service_account.c.created_at <= at)
    return {f"user:{row.id}": row.name for row in connection.execute(people)} | {
        f"svc:{row.id}": row.name for row in connection.execute(systems)
    }

"""Separation of duties where roles are given: what breaks a rule is refused, or put on record.

Every operation that gives a role asks here, in its own transaction, when it is asked for, approved
and carried out. `access.conflicts` knows what breaks a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from secvault.access import Grant, list_grants
from secvault.access.conflicts import Conflict, Way, conflicts
from secvault.access.reach import Reach
from secvault.access.separation import Holders, Mode, Separation
from secvault.access.separation_exceptions import list_exceptions
from secvault.access.separation_findings import Known, keep_finding
from secvault.audit.event import Actor, Event
from secvault.audit.event import Outcome as AuditOutcome
from secvault.clock import timestamp
from secvault.errors import SeparationOfDuties
from secvault.service.approvals.requests import Request
from secvault.service.prospects import asked_for, would_be
from secvault.service.service import Service
from secvault.service.spine import Caller, actor_of
from secvault.store.epoch import POLICY, raise_epoch

CONFLICT = "separation.conflict"


def require_apart(
    service: Service,
    connection: Connection,
    new: Iterable[Grant],
    *,
    standing: Iterable[Grant] | None = None,
    giving: bool = True,
) -> tuple[Conflict, ...]:
    """Return when the new grants of one subject break no rule that refuses; those that warn.

    standing: what the subject has beside them; None for all that the store has. Roles that are
    asked for or theirs to activate count, too. giving: whether they are given in this transaction,
    so that others that give wait for it. Raises SeparationOfDuties.
    """
    mine = broken_by(service, connection, new, standing=standing, giving=giving)
    if refused := [one for one in mine if one.mode is Mode.DENY]:
        raise SeparationOfDuties(
            "; ".join(dict.fromkeys(described(service, one) for one in refused[:3]))
            + "; revoke one of them first, or have two people agree on an exception "
            "(secvault access exceptions add)",
            rules=tuple(dict.fromkeys(one.rule for one in refused)),
        )
    return mine


def broken_by(
    service: Service,
    connection: Connection,
    new: Iterable[Grant],
    *,
    standing: Iterable[Grant] | None = None,
    giving: bool = True,
) -> tuple[Conflict, ...]:
    """What the new grants of one subject break, refused or not, without what is excepted.

    See `require_apart`.
    """
    wanted = tuple(new)
    if not wanted or not service.separation.rules:
        return ()
    if giving:
        # Else two at the same moment, by a sign-in and an administrator, would not see each other.
        raise_epoch(connection, POLICY)
    subject = wanted[0].subject
    held = list_grants(connection, subject=subject) if standing is None else tuple(standing)
    places = {(one.role, one.department) for one in wanted}
    # What is asked for in the very same words, or activated by this, is what is given now.
    asked = tuple(
        one
        for one in would_be(service, connection)
        if (one.subject, one.role, one.department) not in {(subject, *each) for each in places}
    )
    others = _holders(service, connection, wanted)
    found = conflicts(
        service.policy.rules,
        (*held, *wanted, *(one for one in others if one.subject != subject)),
        service.separation,
        would_be=[one for one in asked if one.subject == subject or others],
        exceptions=list_exceptions(connection),
        since=service.clock.micros(),
    )
    names = {one.id for one in wanted}
    return tuple(one for one in found if not one.exception and one.grants & names)


def require_approvable(service: Service, connection: Connection, request: Request) -> None:
    """Return when what is asked for may still be given. Raises SeparationOfDuties."""
    wanted = asked_for(service, request)
    if wanted is not None:
        require_apart(service, connection, (wanted,), giving=False)


def known(found: Iterable[Conflict]) -> tuple[Known, ...]:
    """The breaches behind conflicts, each once."""
    return tuple(dict.fromkeys((one.rule, one.subject) for one in found))


def note_given(
    service: Service,
    connection: Connection,
    caller: Caller,
    found: Iterable[Conflict],
    role: str,
    grant: str = "",
) -> None:
    """Put on record what a role breaks that is given nevertheless. grant: id, if it is one yet."""
    more = {"role": role, **({"grant": grant} if grant else {})}
    who = actor_of(caller.principal)
    put_on_record(service, connection, known(found), who, request_id=caller.request_id, more=more)


def put_on_record(
    service: Service,
    connection: Connection,
    found: Iterable[Known],
    actor: Actor,
    *,
    outcome: AuditOutcome = "ok",
    request_id: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Put breaches on record, with the caller's transaction, and keep that they are known.

    outcome: `denied` for what was left out because of them.
    """
    for rule, subject in found:
        if outcome == "ok":
            keep_finding(connection, (rule, subject), service.clock.micros())
        detail: dict[str, str | int | bool] = {"rule": rule, **more}
        if subject:
            detail["subject"] = subject
        event = Event(
            kind=CONFLICT,
            outcome=outcome,
            actor=actor,
            resource="it/separation",
            department="it",
            request=request_id,
            detail=detail,
        )
        service.audit.enqueue(connection, event)


def described(service: Service, conflict: Conflict, separation: Separation | None = None) -> str:
    """A conflict in words, without a full stop: who would have what, by which way, until when.

    separation: the rules that it is of; None for those in force.
    """
    rule = (separation or service.separation).rule(conflict.rule)
    why = f"{rule.title['en']} ({rule.id})" if rule else conflict.rule
    if isinstance(rule, Holders):
        count = len({way.path[0] for way in conflict.sides[0]})
        return f"{why}: {count} would hold {rule.role}, {rule.most} are the most"
    sides = " and ".join(_side(side[0]) for side in conflict.sides)
    if conflict.missing:
        sides += f" without {', '.join(conflict.missing)}"
    until = f" until {timestamp(conflict.ends_at)}" if conflict.ends_at is not None else ""
    from_when = (
        f" from {timestamp(conflict.begins_at)}"
        if conflict.begins_at > service.clock.micros()
        else ""
    )
    return f"{why}: {conflict.subject} would have {sides}{from_when}{until}"


def _side(way: Way) -> str:
    where = way.grant.department if way.grant else way.department
    through = " > ".join(way.path[1:])
    return f"{way.what} ({through}, in {where})"


def _holders(
    service: Service, connection: Connection, wanted: tuple[Grant, ...]
) -> tuple[Grant, ...]:
    """Everybody's grants that count towards a limit which the new ones count towards, too."""
    capped = {rule.role for rule in service.separation.rules if isinstance(rule, Holders)}
    if not capped:
        return ()
    reach = Reach(service.policy.rules, ())
    touched = {
        role for one in wanted for role in reach.paths((one.role, one.department)) if role in capped
    }
    if not touched:
        return ()
    return tuple(
        one
        for one in list_grants(connection)
        if touched & reach.paths((one.role, one.department)).keys()
    )

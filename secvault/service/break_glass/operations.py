"""Operations on emergency access: take it, end it, look at what was done by it, review it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import add_grant, revoke_grant
from secvault.access.grants import read_grant
from secvault.access.vocabulary import BROKEN_GLASS, EMERGENCY_ROLE
from secvault.audit.event import Event
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question, page
from secvault.errors import Conflict, InvalidInput, Refused
from secvault.identity import names, people
from secvault.service.approvals.subjects import name_of
from secvault.service.break_glass import incidents
from secvault.service.break_glass.incidents import Incident
from secvault.service.prospects import candidate
from secvault.service.separation import broken_by, note_given
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of

START, END, OWN = "break_glass.start", "break_glass.end", "break_glass.own"
READ, REVIEW = "break_glass.read", "break_glass.review"
HOME = "it"
MOST_UNREVIEWED = 2
"""Whoever has so many incidents that nobody has reviewed takes no further one."""
LONGEST_REASON, LONGEST_FINDINGS = 200, 2000
MOST_COMMANDS = 1000
_MINUTE, _HOUR = 60 * 1_000_000, 3600 * 1_000_000


@dataclass(frozen=True)
class Command:
    """Something that was done during an incident. under: whether the emergency role allowed it,
    rather than another role of the same person. t: microseconds, UTC. event: id in the audit log.
    """

    event: str
    t: int
    action: str
    outcome: str
    resource: str
    department: str
    under: bool


@dataclass(frozen=True)
class View:
    """An incident with the names in it. running: whether it gives something now."""

    incident: Incident
    names: Mapping[str, str]
    running: bool
    commands: tuple[Command, ...] = ()


def start(service: Service, caller: Caller, reason: str, *, drill: bool = False) -> View:
    """Take emergency access, at once and without an approval; everybody who matters is told.

    It ends by itself after `break_glass.minutes`. reason: for those who are told, 1 to 200
    characters. drill: to try it, which differs in what is told. A rule of separation that it
    breaks is put on record, and refuses nothing. Raises Refused, StepUpRequired; Conflict while
    one runs, or too many wait for their review; InvalidInput.
    """
    said = names.display_name(reason, "reason", LONGEST_REASON)
    if caller.principal.kind != "user":
        raise InvalidInput("only a person breaks the glass; sign in as one")
    who = caller.principal.subject
    kind = incidents.DRILL if drill else incidents.EMERGENCY

    def act(connection: Connection) -> Outcome[View]:
        now = service.clock.micros()
        people.hold_person(connection, caller.principal.id)
        _require_room(connection, who, now)
        chosen = service.random(10)
        incident = Incident(
            id=f"g{chosen.hex()}",
            kind=kind,
            subject=who,
            role=EMERGENCY_ROLE,
            reason=said,
            started_at=now,
            expires_at=now + service.settings.break_glass.minutes * _MINUTE,
            review_by=now + service.settings.break_glass.review_hours * _HOUR,
        )
        new = candidate(service, who, EMERGENCY_ROLE, HOME, expires_at=incident.expires_at)
        broken = broken_by(service, connection, (new,))
        note_given(service, connection, caller, broken, EMERGENCY_ROLE, incident.id)
        add_grant(
            connection,
            service.policy.rules,
            subject=who,
            role=EMERGENCY_ROLE,
            department=HOME,
            granted_by=who,
            at=now,
            expires_at=incident.expires_at,
            source=f"{BROKEN_GLASS}{incident.id}",
            random=lambda _count: chosen,
        )
        incidents.add(connection, incident)
        detail = {
            **_detail(incident),
            "grant": incident.id,
            "role": incident.role,
            "expires_at": incident.expires_at,
            "state": kind,
        }
        return Outcome(_view(service, connection, incident), detail=detail)

    return service.spine.change(caller, operation(START), act)


def end(service: Service, caller: Caller, incident_id: str) -> View:
    """End it before its time: one's own, or as an administrator anybody's.

    Raises NotFound, Conflict when it has ended.
    """
    with service.store.read() as connection:
        found = incidents.read(connection, incident_id)
    own = found.subject == caller.principal.subject
    asked = _own(found.id) if own else operation(END, found.id)

    def act(connection: Connection) -> Outcome[View]:
        now = service.clock.micros()
        present = incidents.read(connection, incident_id)
        if not present.running(now):
            raise Conflict("it has ended already")
        incidents.end(connection, present.id, caller.principal.subject, now)
        if present.kind != incidents.RECOVERY and _is_live(connection, present.id, now):
            revoke_grant(connection, present.id, at=now)
        fresh = incidents.read(connection, present.id)
        detail = _detail(fresh) if not own else {"incident": fresh.id}
        return Outcome(_view(service, connection, fresh), detail=detail)

    return service.spine.change(caller, asked, act)


def list_incidents(service: Service, caller: Caller) -> tuple[View, ...]:
    """All incidents, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[View, ...]]:
        found = incidents.listed(connection)
        return Outcome(tuple(_view(service, connection, one) for one in found), count=len(found))

    return service.spine.read(caller, operation(READ), act)


def own_incidents(service: Service, caller: Caller) -> tuple[View, ...]:
    """The caller's own, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[View, ...]]:
        found = incidents.listed(connection, subject=caller.principal.subject)
        return Outcome(tuple(_view(service, connection, one) for one in found), count=len(found))

    return service.spine.read(caller, _own(), act)


def read_incident(service: Service, caller: Caller, incident_id: str) -> View:
    """One incident, with everything that its person did while it ran. Raises NotFound."""
    with service.store.read() as connection:
        found = incidents.read(connection, incident_id)
    commands = _commands(service, found)

    def act(connection: Connection) -> Outcome[View]:
        fresh = incidents.read(connection, incident_id)
        view = _view(service, connection, fresh, commands)
        return Outcome(view, count=len(commands), detail={"incident": fresh.id})

    return service.spine.read(caller, operation(READ, found.id), act)


def review(
    service: Service, caller: Caller, incident_id: str, findings: str, *, reinstate: bool = False
) -> View:
    """Say what was found, which closes the incident; never by who broke the glass.

    findings: 1 to 2000 characters. reinstate: let those back in whom the incident has disabled
    and who are disabled still: the state of before, to which two people had agreed. Raises
    NotFound, Conflict (it runs still, or was reviewed), Refused.
    """
    said = names.notes(findings, "findings")
    if not said:
        raise InvalidInput.at("findings", "say what you found, in 1 to 2000 characters")
    with service.store.read() as connection:
        found = incidents.read(connection, incident_id)
    disabled = _disabled(service, found) if reinstate else ()

    def act(connection: Connection) -> Outcome[View]:
        now = service.clock.micros()
        present = incidents.read(connection, incident_id)
        if caller.principal.subject in (present.subject, present.ended_by):
            raise Refused("whoever broke the glass, or ended it, does not review it; ask another")
        if present.running(now):
            raise Conflict("it runs still; end it first")
        if not incidents.review(connection, present.id, caller.principal.subject, now, said):
            raise Conflict("it was reviewed already")
        for person in disabled:
            _let_back_in(service, connection, caller, person)
        fresh = incidents.read(connection, present.id)
        reason = "reinstated" if disabled else "closed"
        return Outcome(
            _view(service, connection, fresh),
            count=len(disabled) or 1,
            detail={**_detail(fresh), "reason": reason},
        )

    return service.spine.change(caller, operation(REVIEW, found.id), act)


def operation(action: str, what: str = "") -> Operation:
    """An operation on incidents. what: the id of one."""
    place = f"it/break-glass/{what}" if what else "it/break-glass"
    return Operation(action, HOME, "break-glass", place)


def _own(what: str = "") -> Operation:
    place = f"it/break-glass/{what}" if what else "it/break-glass"
    return Operation(OWN, HOME, "session", place)


def _require_room(connection: Connection, who: str, now: int) -> None:
    waiting = incidents.listed(connection, subject=who, states=incidents.UNREVIEWED)
    if any(one.running(now) for one in waiting):
        raise Conflict("yours runs already; see `secvault break-glass list --own`")
    if len(waiting) >= MOST_UNREVIEWED:
        raise Conflict(
            f"{len(waiting)} incidents of yours wait for a review; have them reviewed first, or "
            "let somebody else who is prepared break the glass"
        )


def _is_live(connection: Connection, grant_id: str, now: int) -> bool:
    grant = read_grant(connection, grant_id)
    return grant.revoked_at is None and (grant.expires_at is None or grant.expires_at > now)


def _commands(service: Service, incident: Incident) -> tuple[Command, ...]:
    """What the incident's person did while it ran, from the audit log."""
    service.audit.drain()
    until = incident.ended_at or incident.expires_at
    question = Question(actor=incident.subject, since=incident.started_at, until=until + 1)
    found = page(service.store, question, limit=MOST_COMMANDS, newest_first=False)
    return tuple(
        Command(
            stored.id,
            stored.t,
            stored.event.kind,
            stored.event.outcome,
            stored.event.resource,
            stored.event.department,
            _by_it(stored, incident),
        )
        for stored in found.events
    )


def _by_it(stored: StoredEvent, incident: Incident) -> bool:
    # What is done to the incident itself names it, too, but is done by other rights.
    about = stored.event.kind.startswith("break_glass.")
    return not about and stored.event.detail.get("incident") == incident.id


def _disabled(service: Service, incident: Incident) -> tuple[str, ...]:
    """The ids of the people whom the incident has disabled, and nobody else since."""
    service.audit.drain()
    question = Question(kind="person.disable", outcome="ok", since=incident.started_at)
    found = page(service.store, question, limit=MOST_COMMANDS, newest_first=False)
    newest = {
        str(stored.event.detail["person"]): stored.event.detail.get("incident")
        for stored in found.events
    }
    if found.next is not None:
        raise Conflict("too much was disabled since; let each back in with secvault people enable")
    return tuple(person for person, by in newest.items() if by == incident.id)


def _let_back_in(service: Service, connection: Connection, caller: Caller, person: str) -> None:
    if people.read_person(connection, person).state != people.DISABLED:
        return
    if f"user:{person}" == caller.principal.subject:
        raise AssertionError("whoever is disabled reviews nothing")
    people.enable_person(connection, person)
    service.approvers.notice(connection)
    event = Event(
        kind="person.enable",
        outcome="ok",
        actor=actor_of(caller.principal),
        resource="it/people",
        department=HOME,
        request=caller.request_id,
        detail={"person": person, "reason": "reinstated"},
    )
    service.audit.enqueue(connection, event)


def _view(
    service: Service,
    connection: Connection,
    incident: Incident,
    commands: tuple[Command, ...] = (),
) -> View:
    subjects = {incident.subject, incident.ended_by or "", incident.reviewed_by or ""}
    return View(
        incident,
        {subject: name_of(connection, subject) for subject in subjects if subject},
        incident.running(service.clock.micros()),
        commands,
    )


def _detail(incident: Incident) -> dict[str, str | int | bool]:
    return {"incident": incident.id, "subject": incident.subject}

"""Operations on eligibilities: who may activate which role, given, listed and removed.

To make somebody eligible for a privileged role takes what giving the role does: they can use it
whenever they like.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from secvault.access import Grant, list_grants
from secvault.access.conflicts import Conflict
from secvault.access.eligibility import (
    Activation,
    Eligibility,
    activations_of,
    add_eligibility,
    list_eligibilities,
    remove_eligibility,
)
from secvault.access.grants import check_giveable
from secvault.clock import timestamp
from secvault.errors import InvalidInput
from secvault.service.approval import Terms
from secvault.service.giving import (
    DAY_MICROS,
    LONGEST_DAYS,
    bounded_end,
    is_privileged,
    require_activated,
)
from secvault.service.grants import subject_of
from secvault.service.prospects import candidate
from secvault.service.separation import note_given, require_apart
from secvault.service.service import Service
from secvault.service.spans import Span
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class WantedEligibility:
    """What is to be given. subject: `user:<name or id>`. claim_by: see `Eligibility`.

    minutes: the longest use; None for the configured number.
    """

    subject: str
    role: str
    department: str
    span: Span = field(default_factory=Span)
    claim_by: int | None = None
    minutes: int | None = None
    needs_approval: bool = False
    needs_ticket: bool = False


@dataclass(frozen=True)
class EligibilityView:
    """An eligibility, what can be done with it now, and the grant of a running activation."""

    eligibility: Eligibility
    state: str
    running: Grant | None


@dataclass(frozen=True)
class Own:
    """What somebody has themselves."""

    grants: tuple[Grant, ...]
    eligibilities: tuple[EligibilityView, ...]


def add(service: Service, caller: Caller, wanted: WantedEligibility) -> Eligibility:
    """Let somebody activate a role. Nobody makes themselves eligible: raises Refused.

    Of a privileged role it has an end, and needs a second person: raises ApprovalRequired. Raises
    InvalidInput; Conflict when they may activate it already, or, for a privileged role, have not
    activated their account. One that breaks a rule of separation with what they have, as if it
    were activated all the time: raises SeparationOfDuties, or is put on record.
    """
    most = service.settings.grants
    minutes = most.activation_minutes if wanted.minutes is None else wanted.minutes
    if not 1 <= minutes <= most.activation_most_minutes:
        raise InvalidInput.at("minutes", f"use 1 to {most.activation_most_minutes}")
    _times(service, wanted)

    def apart(connection: Connection, whom: str) -> tuple[Conflict, ...]:
        # What is refused in any case, a role for oneself, is not compared with anything.
        if whom == caller.principal.subject:
            return ()
        start, end = _times(service, wanted)
        new = candidate(
            service, whom, wanted.role, wanted.department, not_before=start, expires_at=end
        )
        return require_apart(service, connection, (new,))

    def act(connection: Connection) -> Outcome[Eligibility]:
        start, end = _times(service, wanted)
        whom = subject_of(connection, wanted.subject)
        check_giveable(service.policy.rules, whom, wanted.role, wanted.department)
        warned = apart(connection, whom)
        made = add_eligibility(
            connection,
            service.policy.rules,
            Eligibility(
                id="",
                subject=whom,
                role=wanted.role,
                department=wanted.department,
                not_before=start,
                expires_at=end,
                claim_by=wanted.claim_by,
                most_seconds=minutes * 60,
                needs_approval=wanted.needs_approval,
                needs_ticket=wanted.needs_ticket,
                granted_by=caller.principal.subject,
                created_at=service.clock.micros(),
            ),
            random=service.random,
        )
        note_given(service, connection, caller, warned, made.role)
        return Outcome(made, detail=_detail(made))

    def terms(connection: Connection) -> Terms | None:
        whom = subject_of(connection, wanted.subject)
        if whom == caller.principal.subject or not is_privileged(service, wanted.role):
            return None
        check_giveable(service.policy.rules, whom, wanted.role, wanted.department)
        require_activated(service, connection, whom)
        # Before anybody is asked to approve what would be refused.
        apart(connection, whom)
        said = {
            "subject": whom,
            "eligible_for": wanted.role,
            "department": wanted.department,
            "minutes": minutes,
            "needs_approval": wanted.needs_approval,
            "needs_ticket": wanted.needs_ticket,
            **wanted.span.terms(most.privileged_days),
        }
        if wanted.claim_by is not None:
            said["claim_by"] = timestamp(wanted.claim_by)
        return said

    return service.spine.change(caller, _operation("eligibility.add"), act, terms)


def remove(
    service: Service, caller: Caller, eligibility_id: str
) -> tuple[Eligibility, tuple[Grant, ...]]:
    """End it now, and what was activated by it, at once. Raises NotFound, Conflict."""

    def act(connection: Connection) -> Outcome[tuple[Eligibility, tuple[Grant, ...]]]:
        found, ended = remove_eligibility(connection, eligibility_id, at=service.clock.micros())
        detail = {"eligibility": found.id, "role": found.role, "subject": found.subject}
        return Outcome((found, ended), count=1 + len(ended), detail=detail)

    return service.spine.change(caller, _operation("eligibility.remove"), act)


def list_all(service: Service, caller: Caller) -> tuple[EligibilityView, ...]:
    """Everybody's that are not over, oldest first."""

    def act(connection: Connection) -> Outcome[tuple[EligibilityView, ...]]:
        now = service.clock.micros()
        found = views(service, connection, list_eligibilities(connection, standing_at=now))
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("eligibility.read"), act)


def list_own(service: Service, caller: Caller) -> Own:
    """What the caller holds, now or from a later moment on, and may activate; oldest first."""

    def act(connection: Connection) -> Outcome[Own]:
        now, whose = service.clock.micros(), caller.principal.subject
        eligible = list_eligibilities(connection, subject=whose, standing_at=now)
        held = list_grants(connection, subject=whose, standing_at=now)
        found = Own(held, views(service, connection, eligible))
        return Outcome(found, count=len(found.grants) + len(found.eligibilities))

    return service.spine.read(caller, Operation("grant.own", "it", "session", "it/grants"), act)


def list_uses(service: Service, caller: Caller) -> tuple[Activation, ...]:
    """Who activated what, when and why, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[Activation, ...]]:
        ids = tuple(each.id for each in list_eligibilities(connection))
        found = activations_of(connection, ids)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("eligibility.read"), act)


def views(
    service: Service, connection: Connection, found: tuple[Eligibility, ...]
) -> tuple[EligibilityView, ...]:
    """The eligibilities as they are at this moment."""
    now = service.clock.micros()
    uses = activations_of(connection, tuple(each.id for each in found))
    running = {use.eligibility: use.grant for use in uses if use.grant.valid(now)}
    return tuple(EligibilityView(each, each.state(now), running.get(each.id)) for each in found)


def _times(service: Service, wanted: WantedEligibility) -> tuple[int, int | None]:
    start, end = wanted.span.moments(service.clock.micros())
    if wanted.role in service.policy.rules.roles:
        end = bounded_end(service, wanted.role, start, end)
    latest = start + LONGEST_DAYS * DAY_MICROS if end is None else end
    if wanted.claim_by is not None and not start < wanted.claim_by <= latest:
        raise InvalidInput.at("claim_by", "must lie after the start and not after the end")
    return start, end


def _operation(action: str) -> Operation:
    return Operation(action, "it", "grants", "it/eligibilities")


def _detail(made: Eligibility) -> dict[str, str | int | bool]:
    detail: dict[str, str | int | bool] = {
        "eligibility": made.id,
        "role": made.role,
        "subject": made.subject,
        "not_before": made.not_before,
        "seconds": made.most_seconds,
    }
    if made.expires_at is not None:
        detail["expires_at"] = made.expires_at
    return detail

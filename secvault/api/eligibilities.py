"""Roles that somebody may activate, and what is activated, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path
from pydantic import BaseModel, Field

from secvault.access.eligibility import Activation
from secvault.api.declared import operation
from secvault.api.grants import (
    MOMENT,
    Authenticated,
    Given,
    GrantAnswer,
    GrantId,
    Lasting,
    grant_answer,
)
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import eligibilities, role_activation
from secvault.service.eligibilities import EligibilityView, WantedEligibility
from secvault.service.role_activation import Use
from secvault.service.spans import moment_of

router = Routes(prefix="/api/v1", tags=["grants"], responses=problem_responses())

EligibilityId = Annotated[str, Path(pattern=r"^e[0-9a-f]{20}$")]


class NewEligibility(Lasting):
    """A role that somebody is to be able to activate."""

    subject: str = Field(max_length=200, examples=["user:lan.nguyen"])
    role: str = Field(max_length=100, examples=["role:it.admin"])
    department: str = Field(max_length=63, examples=["it"])
    not_before: str | None = Field(None, max_length=64, description=MOMENT)
    claim_by: str | None = Field(
        None, max_length=64, description=f"Lapses when not used by then. {MOMENT}"
    )
    minutes: int | None = Field(None, ge=1, le=1440, description="The longest use.")
    needs_approval: bool = False
    needs_ticket: bool = False


class EligibilityAnswer(BaseModel):
    """A role that somebody may activate. state: usable, waiting (for its start), lapsed, ended or
    removed. running: the id of the grant that it was activated by.
    """

    id: str
    subject: str
    role: str
    department: str
    not_before: str
    expires_at: str | None
    claim_by: str | None
    claimed_at: str | None
    minutes: int
    needs_approval: bool
    needs_ticket: bool
    granted_by: str
    state: str
    running: str | None


class EligibilityList(BaseModel):
    """Those that are not over, oldest first."""

    eligibilities: list[EligibilityAnswer]


class OwnAnswer(BaseModel):
    """What you hold, and may activate."""

    grants: list[GrantAnswer]
    eligibilities: list[EligibilityAnswer]


class NewActivation(Given):
    """A role to put on."""

    role: str = Field(max_length=100, examples=["role:it.admin"])
    department: str = Field(max_length=63, examples=["it"])
    reason: str = Field(max_length=1000, description="Up to 200 characters.")
    minutes: int | None = Field(None, ge=1, le=1440, description="Else as long as may be.")
    ticket: str = Field("", max_length=128)


class ActivationAnswer(BaseModel):
    """A role that was put on."""

    grant: GrantAnswer
    eligibility: str
    reason: str
    ticket: str
    request: str | None


class ActivationList(BaseModel):
    """What was activated, the newest first."""

    activations: list[ActivationAnswer]


@router.get("/grants/own")
@operation("it/grants", "grant.own")
def grant_own(at: Authenticated) -> OwnAnswer:
    """Your own grants, and what you may activate."""
    service, who = at
    found = eligibilities.list_own(service, who)
    return OwnAnswer(
        grants=[grant_answer(grant) for grant in found.grants],
        eligibilities=[_eligibility(view) for view in found.eligibilities],
    )


@router.get("/eligibilities")
@operation("it/eligibilities", "eligibility.read")
def eligibility_list(at: Authenticated) -> EligibilityList:
    """Who may activate which role."""
    service, who = at
    found = eligibilities.list_all(service, who)
    return EligibilityList(eligibilities=[_eligibility(view) for view in found])


@router.post("/eligibilities", status_code=201)
@operation("it/eligibilities", "eligibility.add")
def eligibility_add(at: Authenticated, new: Annotated[NewEligibility, Body()]) -> EligibilityAnswer:
    """Let somebody activate a role."""
    service, who = at
    made = eligibilities.add(
        service,
        who,
        WantedEligibility(
            new.subject,
            new.role,
            new.department,
            new.span(new.not_before),
            None if new.claim_by is None else moment_of(new.claim_by, "claim_by"),
            new.minutes,
            needs_approval=new.needs_approval,
            needs_ticket=new.needs_ticket,
        ),
    )
    state = made.state(service.clock.micros())
    return _eligibility(EligibilityView(made, state, None))


@router.delete("/eligibilities/{eligibility}", status_code=204)
@operation("it/eligibilities/{eligibility}", "eligibility.remove")
def eligibility_remove(at: Authenticated, eligibility: EligibilityId) -> None:
    """End it now, and what was activated by it."""
    service, who = at
    eligibilities.remove(service, who, eligibility)


@router.get("/activations")
@operation("it/eligibilities", "eligibility.read")
def role_activation_list(at: Authenticated) -> ActivationList:
    """Who activated what, when and why."""
    service, who = at
    return ActivationList(
        activations=[_activation(use) for use in eligibilities.list_uses(service, who)]
    )


@router.post("/activations", status_code=201)
@operation("it/grants", "grant.activate")
def role_activation_begin(
    at: Authenticated, new: Annotated[NewActivation, Body()]
) -> ActivationAnswer:
    """Take a role that you may activate; needs a second factor of the last five minutes.

    Where it needs an approval, this asks for it (403 with `approval.request`); afterwards claim it
    at `/role-requests/{request}/claim`.
    """
    service, who = at
    seconds = None if new.minutes is None else new.minutes * 60
    use = Use(new.role, new.department, new.reason, seconds, new.ticket)
    return _activation(role_activation.activate(service, who, use))


@router.delete("/activations/{grant}", status_code=204)
@operation("it/grants/{grant}", "grant.deactivate")
def role_activation_end(at: Authenticated, grant: GrantId) -> None:
    """Give back what you have activated."""
    service, who = at
    role_activation.deactivate(service, who, grant)


def _activation(use: Activation) -> ActivationAnswer:
    return ActivationAnswer(
        grant=grant_answer(use.grant),
        eligibility=use.eligibility,
        reason=use.reason,
        ticket=use.ticket,
        request=use.request,
    )


def _eligibility(view: EligibilityView) -> EligibilityAnswer:
    found = view.eligibility
    return EligibilityAnswer(
        id=found.id,
        subject=found.subject,
        role=found.role,
        department=found.department,
        not_before=timestamp(found.not_before),
        expires_at=_time(found.expires_at),
        claim_by=_time(found.claim_by),
        claimed_at=_time(found.claimed_at),
        minutes=found.most_seconds // 60,
        needs_approval=found.needs_approval,
        needs_ticket=found.needs_ticket,
        granted_by=found.granted_by,
        state=view.state,
        running=view.running.id if view.running else None,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

"""Grants over HTTP: who holds which role, where, from when until when."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.access import Grant
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, grants
from secvault.service.spans import Span, length, moment_of
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["grants"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
GrantId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]

MOMENT = "RFC 3339 with a time zone, such as 2026-11-03T10:00:00+07:00."


class Given(BaseModel):
    """What a body says, and nothing else."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Lasting(Given):
    """How long: days, hours, or until a moment; counted from the start."""

    days: int | None = Field(None, ge=1, le=3650)
    hours: int | None = Field(None, ge=1, le=87_600)
    expires_at: str | None = Field(None, max_length=64, description=f"Until before then. {MOMENT}")

    def span(self, not_before: str | None = None) -> Span:
        """The same as a span. Raises InvalidInput."""
        return Span(
            None if not_before is None else moment_of(not_before, "not_before"),
            None if self.expires_at is None else moment_of(self.expires_at, "expires_at"),
            length(days=self.days, hours=self.hours),
        )


class NewGrant(Lasting):
    """A role to give. Without a length it has no end; a privileged role always has one."""

    subject: str = Field(max_length=200, examples=["user:lan.nguyen", "svc:payroll-sync"])
    role: str = Field(max_length=100, examples=["role:hr.clerk"])
    department: str = Field(max_length=63, examples=["hr"])
    not_before: str | None = Field(
        None, max_length=64, description=f"From then on; a moment that has passed is now. {MOMENT}"
    )


class GrantAnswer(BaseModel):
    """A grant."""

    id: str
    subject: str
    role: str
    department: str
    not_before: str
    expires_at: str | None
    granted_by: str
    source: str = Field(
        description="Empty; or the provider whose group gives it (oidc:corp), the eligibility that "
        "was activated (activation:...), or the request that was approved (request:...)."
    )


class GrantList(BaseModel):
    """Grants, oldest first."""

    grants: list[GrantAnswer]


@router.get("/grants")
@operation("it/grants", "grant.read")
def grant_list(
    at: Authenticated,
    *,
    without_end: bool = False,
    to_come: bool = False,
    ending_days: Annotated[int | None, Query(ge=1, le=grants.MOST_DAYS)] = None,
) -> GrantList:
    """The grants in force. to_come: those that only begin later; without_end: those of privileged
    roles that have no end; ending_days: those that end within so many days, soonest first, and were
    given for longer than that.
    """
    service, who = at
    found = grants.list_grants(
        service, who, without_end=without_end, to_come=to_come, ending_days=ending_days
    )
    return GrantList(grants=[grant_answer(grant) for grant in found])


@router.post("/grants", status_code=201)
@operation("it/grants", "grant.add")
def grant_add(at: Authenticated, new: Annotated[NewGrant, Body()]) -> GrantAnswer:
    """Give a role to a person or a service account."""
    service, who = at
    return grant_answer(
        grants.add_grant(
            service,
            who,
            subject=new.subject,
            role=new.role,
            department=new.department,
            span=new.span(new.not_before),
        )
    )


@router.post("/grants/{grant}/renewal")
@operation("it/grants/{grant}", "grant.add")
def grant_renew(
    at: Authenticated, grant: GrantId, lasting: Annotated[Lasting, Body()]
) -> GrantAnswer:
    """Put the end of a grant off; lengths count from now."""
    service, who = at
    return grant_answer(grants.renew_grant(service, who, grant, span=lasting.span()))


@router.delete("/grants/{grant}", status_code=204)
@operation("it/grants/{grant}", "grant.revoke")
def grant_revoke(at: Authenticated, grant: GrantId) -> None:
    """End a grant now."""
    service, who = at
    grants.revoke_grant(service, who, grant)


def grant_answer(grant: Grant) -> GrantAnswer:
    """A grant as answers have it."""
    return GrantAnswer(
        id=grant.id,
        subject=grant.subject,
        role=grant.role,
        department=grant.department,
        not_before=timestamp(grant.not_before),
        expires_at=None if grant.expires_at is None else timestamp(grant.expires_at),
        granted_by=grant.granted_by,
        source=grant.source,
    )

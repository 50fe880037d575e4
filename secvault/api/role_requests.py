"""Asking for a role over HTTP. Others approve it at `/approvals`; withdrawing it is there, too."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from pydantic import Field

from secvault.api.approvals import RequestAnswer, RequestId, RequestList, request_answer
from secvault.api.declared import operation
from secvault.api.grants import Authenticated, Given, GrantAnswer, grant_answer
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import role_requests
from secvault.service.role_requests import WantedRole
from secvault.service.spans import required_length

router = Routes(prefix="/api/v1", tags=["grants"], responses=problem_responses())


class NewRoleRequest(Given):
    """A role that is asked for. days or hours: how long, from when it is claimed."""

    role: str = Field(max_length=100, examples=["role:hr.clerk"])
    department: str = Field(max_length=63, examples=["hr"])
    reason: str = Field(max_length=1000, description="Up to 200 characters.")
    days: int | None = Field(None, ge=1, le=3650)
    hours: int | None = Field(None, ge=1, le=87_600)
    subject: str = Field("", max_length=200, description="For whom, user:NAME; empty for you.")


@router.get("/role-requests")
@operation("it/approvals", "approval.own")
def role_request_list(at: Authenticated) -> RequestList:
    """The roles and activations that you have asked for, the newest first."""
    service, who = at
    return RequestList(requests=[request_answer(view) for view in role_requests.own(service, who)])


@router.post("/role-requests", status_code=201)
@operation("it/grants", "grant.request", "approval.own")
def role_request_add(at: Authenticated, new: Annotated[NewRoleRequest, Body()]) -> RequestAnswer:
    """Ask for a role, for yourself or somebody else; needs a factor of the last five minutes."""
    service, who = at
    seconds = required_length(days=new.days, hours=new.hours)
    wanted = WantedRole(new.role, new.department, seconds, new.reason, new.subject)
    return request_answer(role_requests.ask(service, who, wanted))


@router.post("/role-requests/{request}/claim", status_code=201)
@operation("it/grants", "grant.request", "grant.activate")
def role_request_claim(at: Authenticated, request: RequestId) -> GrantAnswer:
    """Take what you asked for and others approved; its time begins now."""
    service, who = at
    return grant_answer(role_requests.claim(service, who, request))

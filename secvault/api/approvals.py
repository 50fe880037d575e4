"""Requests and approvals over HTTP. Asking is a header on the request itself; see `caller`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service
from secvault.service.approvals import operations as approvals
from secvault.service.approvals.operations import RequestView
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["approvals"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RequestId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class Yes(BaseModel):
    """Agreement to exactly what was shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="The digest that was shown.")


class ApprovalAnswer(BaseModel):
    """One person's agreement."""

    approver: str
    name: str
    given_at: str


class RequestAnswer(BaseModel):
    """A request. state: open, used, refused, withdrawn or expired. missing: how many must still
    approve; null once it is over.
    """

    id: str
    action: str
    department: str
    resource: str
    terms: dict[str, Any]
    digest: str
    requester: str
    requester_name: str
    affected: str | None
    affected_name: str | None
    reason: str
    state: str
    created_at: str
    expires_at: str
    missing: int | None
    approvals: list[ApprovalAnswer]


class RequestList(BaseModel):
    """Requests, the newest first."""

    requests: list[RequestAnswer]


class ApprovedAnswer(RequestAnswer):
    """A request that was approved. part: of the code of a reset, shown once; give it to the person
    who is reset, and to nobody else.
    """

    part: str | None


class SlotAnswer(BaseModel):
    """So many people of a department; null: of the operation's own."""

    people: int
    department: str | None


class QuorumAnswer(BaseModel):
    """What an action needs. able: how many people could approve it in it. met: whether that is
    enough, also when one of them asks.
    """

    action: str
    slots: list[SlotAnswer]
    able: int
    met: bool


class QuorumList(BaseModel):
    """Everything that needs an approval."""

    quorums: list[QuorumAnswer]


@router.get("/approvals")
@operation("it/approvals", "approval.read", "approval.read_role")
def approval_list(at: Authenticated, *, pending: bool = False) -> RequestList:
    """Requests of the departments that you look after. pending: those that wait."""
    service, who = at
    return _listed(approvals.list_requests(service, who, pending=pending))


@router.get("/approvals/own")
@operation("it/approvals", "approval.own")
def approval_own(at: Authenticated) -> RequestList:
    """What you have asked for."""
    service, who = at
    return _listed(approvals.own_requests(service, who))


@router.get("/approvals/policy")
@operation("it/approvals", "approval.read")
def approval_policy(at: Authenticated) -> QuorumList:
    """What needs whose approval, and whether there are enough people for it."""
    service, who = at
    found = approvals.quorums(service, who)
    return QuorumList(
        quorums=[
            QuorumAnswer(
                action=one.action,
                slots=[SlotAnswer(people=s.people, department=s.department) for s in one.slots],
                able=one.able,
                met=one.met,
            )
            for one in found
        ]
    )


@router.get("/approvals/{request}")
@operation("it/approvals/{request}", "approval.read", "approval.own", "approval.read_role")
def approval_show(at: Authenticated, request: RequestId) -> RequestAnswer:
    """One request."""
    service, who = at
    return request_answer(approvals.read_request(service, who, request))


@router.post("/approvals/{request}/approval", status_code=201)
@operation("it/approvals/{request}", "approval.give", "approval.give_role")
def approval_give(
    at: Authenticated, request: RequestId, given: Annotated[Yes, Body()]
) -> ApprovedAnswer:
    """Approve a request; needs a second factor of the last five minutes."""
    service, who = at
    done = approvals.approve(service, who, request, given.digest)
    shown = None if done.part is None else done.part.text()
    return ApprovedAnswer(**request_answer(done.view).model_dump(), part=shown)


@router.post("/approvals/{request}/refusal")
@operation("it/approvals/{request}", "approval.refuse", "approval.refuse_role")
def approval_refuse(at: Authenticated, request: RequestId) -> RequestAnswer:
    """Refuse a request, which ends it."""
    service, who = at
    return request_answer(approvals.refuse(service, who, request))


@router.post("/approvals/{request}/withdrawal")
@operation("it/approvals/{request}", "approval.own")
def approval_withdraw(at: Authenticated, request: RequestId) -> RequestAnswer:
    """Take back what you asked for."""
    service, who = at
    return request_answer(approvals.withdraw(service, who, request))


def _listed(found: tuple[RequestView, ...]) -> RequestList:
    return RequestList(requests=[request_answer(view) for view in found])


def request_answer(view: RequestView) -> RequestAnswer:
    """A request as answers have it."""
    request = view.request
    proposal = request.proposal
    affected = proposal.beneficiary
    return RequestAnswer(
        id=request.id,
        action=proposal.action,
        department=proposal.department,
        resource=proposal.resource,
        terms=dict(proposal.terms),
        digest=proposal.digest,
        requester=request.requester,
        requester_name=view.names[request.requester],
        affected=affected or None,
        affected_name=view.names.get(affected),
        reason=request.reason,
        state=request.state,
        created_at=timestamp(request.created_at),
        expires_at=timestamp(request.expires_at),
        missing=view.missing,
        approvals=[
            ApprovalAnswer(
                approver=one.approver,
                name=view.names[one.approver],
                given_at=timestamp(one.given_at),
            )
            for one in request.approvals
        ],
    )

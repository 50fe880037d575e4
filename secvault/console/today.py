"""Today: whether the company is safe now, and what to do where it is not. The worst comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.console.first_steps import guide_for
from secvault.console.page import page
from secvault.console.visitor import Visiting, Visitor
from secvault.service import backup_status, readiness
from secvault.service.approvals import operations as approvals
from secvault.service.backup_status import Status
from secvault.service.spine import Operation

router = APIRouter(include_in_schema=False)

Weight = Literal["bad", "warn"]

PLANS = Operation("backup.read", "it", "*", "it/backups/*")


@dataclass(frozen=True)
class Concern:
    """Something that wants a person. kind: of which `today.html` knows the words and the way out.

    subject: a name. since: micros, None where it is not known. until: micros, likewise.
    """

    weight: Weight
    kind: str
    subject: str = ""
    since: int | None = None
    until: int | None = None
    count: int = 0


@router.get("/")
@operation("it", "session.self", "backup.read", "approval.read", "approval.read_role")
def today(request: Request, at: Visiting) -> Response:
    """What wants a person now, as far as this person may know."""
    plans = _plans(at)
    concerns = sorted(_concerns(at, plans), key=lambda one: one.weight != "bad")
    return page(
        request,
        "today.html",
        visitor=at,
        concerns=concerns,
        now=at.service.clock.micros(),
        plans=plans,
        guide=guide_for(at),
    )


def _plans(at: Visitor) -> tuple[Status, ...]:
    if not at.may(PLANS):
        return ()
    return backup_status.read_status(at.service, at.caller)


def _concerns(at: Visitor, plans: Iterable[Status]) -> Iterator[Concern]:
    yield from _service(at)
    for status in plans:
        yield from _of_plan(status)
    yield from _approvals(at)


def _of_plan(status: Status) -> Iterator[Concern]:
    state = status.state
    if state.behind:
        yield Concern("bad", "plan-behind", state.plan, since=state.behind_since)
    elif state.failed is not None:
        failed = state.failed
        yield Concern("warn", "plan-failing", state.plan, failed.finished_at, count=failed.times)
    if state.anomalies:
        yield Concern("warn", "plan-strange", state.plan, count=len(state.anomalies))


def _service(at: Visitor) -> Iterator[Concern]:
    """What is told to load balancers, too, and so is no secret."""
    found = readiness.check(at.service)
    if not found.audit:
        yield Concern("bad", "audit-unwritable")
    if not found.publications:
        yield Concern("bad", "publication-broken")
    if not found.witnesses:
        yield Concern("warn", "witnesses-silent")
    if not found.streams:
        yield Concern("warn", "streams-stalled")
    if not found.policy_files:
        yield Concern("warn", "policy-files-differ")
    if not found.notifications:
        yield Concern("warn", "notices-lost")


def _approvals(at: Visitor) -> Iterator[Concern]:
    if not approvals.may_list(at.service, at.caller):
        return
    for view in approvals.list_requests(at.service, at.caller, pending=True):
        if view.request.requester != at.caller.principal.subject:
            request = view.request
            yield Concern(
                "warn",
                "approval-waits",
                request.proposal.action,
                since=request.created_at,
                until=request.expires_at,
            )

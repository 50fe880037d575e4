"""Approvals: what waits for me, what I asked for, everybody's; one request, and my word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Query, Request
from starlette.responses import Response

from secvault.access.obligations import GIVE, SELF_SERVICE
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.deeds import Term, deed_of, terms_of
from secvault.console.language import Language, language_of
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.service import role_requests
from secvault.service.approvals import operations as approvals
from secvault.service.approvals.operations import REFUSE, RequestView
from secvault.service.approvals.requests import OPEN

router = Routes(include_in_schema=False)

PATH = "/approvals"
WAITING, MINE, ALL = "waiting", "mine", "all"
_PAGE = 50


@dataclass(frozen=True)
class Shown:
    """A request as a page has it. state: `open`, `approved` (nobody is missing any more), or how it
    ended. can: what the visitor can do about it, if need be with a fresh code.
    """

    view: RequestView
    deed: str
    terms: tuple[Term, ...]
    state: str
    can: frozenset[str]

    @property
    def id(self) -> str:
        """Its number."""
        return self.view.request.id

    def name(self, subject: str) -> str:
        """What somebody is called."""
        return self.view.names.get(subject, subject)


@router.get(PATH)
@operation("it/approvals", "approval.own", "approval.read", "approval.read_role")
def listing(
    request: Request,
    at: Visiting,
    show: Annotated[str, Query(max_length=16)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=1000)] = 1,
) -> Response:
    """Requests, the newest first. show: those that wait for the visitor, their own, or all."""
    others = approvals.may_list(at.service, at.caller)
    chosen = show if show in (WAITING, ALL) and others else MINE
    if not show and others:
        chosen = WAITING
    language = language_of(request)
    found = _found(at, chosen, language)
    return page(
        request,
        "approvals/list.html",
        visitor=at,
        show=chosen,
        others=others,
        requests=found[(number - 1) * _PAGE : number * _PAGE],
        number=number,
        more=len(found) > number * _PAGE,
        now=at.service.clock.micros(),
    )


@router.get(f"{PATH}/{{request_id}}")
@operation("it/approvals/{request_id}", "approval.read", "approval.own", "approval.read_role")
def one(request: Request, at: Visiting, request_id: str) -> Response:
    """One request: exactly what would be done."""
    return _one(request, at, approvals.read_request(at.service, at.caller, request_id))


@router.post(f"{PATH}/{{request_id}}/approve")
@operation("it/approvals/{request_id}", "approval.give", "approval.give_role")
def approve(
    request: Request,
    at: Visiting,
    request_id: str,
    digest: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Approve exactly what was shown. Of a reset, a part of the code is shown, this once."""
    done = approvals.approve(at.service, at.caller, request_id, digest)
    if done.part is None:
        return elsewhere(f"{PATH}/{done.view.request.id}")
    return _one(request, at, done.view, part=done.part.text())


@router.post(f"{PATH}/{{request_id}}/refuse")
@operation("it/approvals/{request_id}", "approval.refuse", "approval.refuse_role")
def refuse(at: Visiting, request_id: str) -> Response:
    """Refuse a request, which ends it."""
    done = approvals.refuse(at.service, at.caller, request_id)
    return elsewhere(f"{PATH}/{done.request.id}")


@router.post(f"{PATH}/{{request_id}}/withdraw")
@operation("it/approvals/{request_id}", "approval.own")
def withdraw(at: Visiting, request_id: str) -> Response:
    """Take back what one asked for."""
    done = approvals.withdraw(at.service, at.caller, request_id)
    return elsewhere(f"{PATH}/{done.request.id}")


@router.post(f"{PATH}/{{request_id}}/claim")
@operation("it/grants", "grant.request", "grant.activate")
def claim(at: Visiting, request_id: str) -> Response:
    """Take a role that one asked for, and others approved."""
    role_requests.claim(at.service, at.caller, request_id)
    return elsewhere("/account#roles")


def _one(request: Request, at: Visitor, view: RequestView, *, part: str = "") -> Response:
    return page(
        request,
        "approvals/one.html",
        visitor=at,
        one=_shown(at, view, language_of(request)),
        part=part,
        mine=view.request.requester == at.caller.principal.subject,
        now=at.service.clock.micros(),
    )


def _found(at: Visitor, show: str, language: Language) -> Sequence[Shown]:
    if show == MINE:
        views = approvals.own_requests(at.service, at.caller)
    else:
        views = approvals.list_requests(at.service, at.caller, pending=show == WAITING)
    found = [_shown(at, view, language) for view in views]
    return [one for one in found if "approve" in one.can] if show == WAITING else found


def _shown(at: Visitor, view: RequestView, language: Language) -> Shown:
    request = view.request
    state = "approved" if request.state == OPEN and view.missing == 0 else request.state
    return Shown(
        view,
        deed_of(request.proposal, language),
        terms_of(request.proposal, view.names, language),
        state,
        frozenset(_can(at, view)),
    )


def _can(at: Visitor, view: RequestView) -> set[str]:
    request, me = view.request, at.caller.principal.subject
    if request.state != OPEN:
        return set()
    if request.requester == me:
        claims = request.proposal.action in SELF_SERVICE and view.missing == 0
        return {"withdraw", "claim"} if claims else {"withdraw"}
    can = set()
    concerned = me == request.proposal.beneficiary
    given = any(one.approver == me for one in request.approvals)
    if view.missing and not concerned and not given and _could(at, GIVE, view):
        can.add("approve")
    if _could(at, REFUSE, view):
        can.add("refuse")
    return can


def _could(at: Visitor, action: str, view: RequestView) -> bool:
    return approvals.could(at.service, at.caller, action, view.request)

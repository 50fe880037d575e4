"""One's own account: sessions, devices, recovery codes, roles, and where one is told of things."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import InvalidInput
from secvault.service import contacts, eligibilities, factors, role_activation, sessions
from secvault.service.role_activation import Use

router = Routes(include_in_schema=False)

PATH = "/account"

Text = Annotated[str, Form(max_length=1000)]


@router.get(PATH)
@operation("it/people/self", "session.self", "factor.read", "contact.read", "grant.own")
def account(request: Request, at: Visiting) -> Response:
    """All that somebody may look after themselves."""
    return _overview(request, at)


@router.post(f"{PATH}/sessions/end-others")
@operation("it/sessions", "session.end_own")
def end_others(at: Visiting) -> Response:
    """End all of one's sessions but this one."""
    sessions.end_own_others(at.service, at.caller)
    return elsewhere(f"{PATH}#sessions")


@router.post(f"{PATH}/sessions/{{session}}/end")
@operation("it/sessions/{session}", "session.end_own")
def end_session(at: Visiting, session: str) -> Response:
    """End another of one's sessions."""
    sessions.end_own_session(at.service, at.caller, session)
    return elsewhere(f"{PATH}#sessions")


@router.post(f"{PATH}/contact")
@operation(
    "it/people/self", "contact.change", "session.self", "factor.read", "contact.read", "grant.own"
)
def contact(request: Request, at: Visiting, address: Text = "", language: Text = "") -> Response:
    """Say where, and in which language, one is told of what happens to one's account."""
    try:
        contacts.change_contact(at.service, at.caller, address=address.strip(), language=language)
    except InvalidInput as error:
        return _overview(request, at, problem=error.detail, address=address)
    return elsewhere(f"{PATH}#contact")


@router.post(f"{PATH}/roles/activate")
@operation("it/grants", "grant.activate")
def activate(
    at: Visiting,
    role: Text = "",
    department: Text = "",
    reason: Text = "",
    minutes: Annotated[str, Form(max_length=6)] = "",
    ticket: Text = "",
) -> Response:
    """Put on a role that one may activate; others are asked where it needs an approval."""
    if minutes and not (minutes.isascii() and minutes.isdecimal()):
        raise InvalidInput.at("minutes", "write a whole number, or nothing")
    use = Use(role, department, reason, int(minutes) * 60 if minutes else None, ticket.strip())
    role_activation.activate(at.service, at.caller, use)
    return elsewhere(f"{PATH}#roles")


@router.post(f"{PATH}/roles/{{grant}}/give-back")
@operation("it/grants/{grant}", "grant.deactivate")
def give_back(at: Visiting, grant: str) -> Response:
    """Give back a role that one has activated."""
    role_activation.deactivate(at.service, at.caller, grant)
    return elsewhere(f"{PATH}#roles")


def _overview(
    request: Request, at: Visitor, *, problem: str = "", address: str | None = None
) -> Response:
    held = eligibilities.list_own(at.service, at.caller)
    told = contacts.own_contact(at.service, at.caller)
    return page(
        request,
        "account/overview.html",
        InvalidInput.status if problem else 200,
        visitor=at,
        sessions=sessions.own_sessions(at.service, at.caller),
        present=at.caller.principal.credential,
        factors=factors.own_factors(at.service, at.caller),
        grants=held.grants,
        eligibilities=held.eligibilities,
        address=told.address if address is None else address,
        spoken=told.language,
        problem=problem,
        now=at.service.clock.micros(),
    )

"""What is done about a calling system by forms: made, handed over, shut out; tokens made and ended.

The page that shows a token is the answer of the form that made it, and never comes again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS
from secvault.access.remedies import can_be_given
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Reason, Text, Word, because, fault_of
from secvault.console.page import elsewhere, page
from secvault.console.systems import CREATE, PATH, SystemName, path_of, shown
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import InvalidInput
from secvault.identity.networks import read_networks
from secvault.identity.tokens import IssuedToken
from secvault.service import systems, token_life

router = Routes(include_in_schema=False)

NEW = "/new-system"
TO_SHOW = ("service_account.read", "token.read", "grant.read")
"""What the page of a system asks for, which shows a form again that was not taken."""
ACTS = (
    "service_account.update",
    "service_account.disable",
    "token.issue",
    "token.rotate",
    "token.revoke",
)

KeyId = Annotated[str, Path(pattern="^[A-Za-z0-9]{10}$")]


@router.get(NEW)
@operation("it/service-accounts", "service_account.create")
def create_form(request: Request, at: Visiting) -> Response:
    """The form for a new calling system."""
    at.service.spine.decide(at.caller, CREATE)
    return _form(request, at, {"name": "", "department": "", "owner": at.name, "role": ""})


@router.post(NEW)
@operation("it/service-accounts", "service_account.create", "grant.add")
def create(
    request: Request,
    at: Visiting,
    name: Text = "",
    department: Word = "",
    owner: Text = "",
    role: Word = "",
    reason: Reason = "",
) -> Response:
    """Make a service account, with a role where one is named."""
    typed = {"name": name, "department": department, "owner": owner, "role": role}
    try:
        made = systems.create_account(
            at.service,
            because(at, reason),
            name=name,
            department=department,
            owner=owner,
            roles=(role,) if role else (),
        )
    except MENDABLE as error:
        return _form(request, at, {**typed, "reason": reason}, fault_of(error), error.status)
    return elsewhere(path_of(made.name))


@router.post(f"{PATH}/{{system}}/tokens")
@operation("it/tokens", *TO_SHOW, *ACTS)
def issue(
    request: Request,
    at: Visiting,
    system: SystemName,
    display_name: Text = "",
    days: Word = "",
    networks: Annotated[str, Form(max_length=2000)] = "",
    reason: Reason = "",
) -> Response:
    """Issue a token; it is shown once."""
    typed = {"display_name": display_name, "days": days, "networks": networks, "reason": reason}
    try:
        issued = systems.issue_token(
            at.service,
            because(at, reason),
            account=system,
            display_name=display_name,
            days=_days(days),
            networks=read_networks(networks.split(), "networks"),
        )
    except MENDABLE as error:
        return shown(request, at, system, error.status, typed=typed, fault=fault_of(error))
    return _token(request, at, system, issued)


@router.post(f"{PATH}/{{system}}/tokens/{{key_id}}/rotate")
@operation("it/tokens/{key_id}", "token.rotate")
def rotate(
    request: Request, at: Visiting, system: SystemName, key_id: KeyId, reason: Reason = ""
) -> Response:
    """Issue the token that replaces this one, which works for a day more."""
    done = token_life.rotate_token(at.service, because(at, reason), key_id, hours=None, days=None)
    return _token(request, at, system, done.issued, done.former.expires_at)


@router.post(f"{PATH}/{{system}}/tokens/{{key_id}}/revoke")
@operation("it/tokens/{key_id}", "token.revoke")
def revoke(at: Visiting, system: SystemName, key_id: KeyId) -> Response:
    """End a token for ever."""
    systems.revoke_token(at.service, at.caller, key_id)
    return elsewhere(path_of(system))


@router.post(f"{PATH}/{{system}}/owner")
@operation("it/service-accounts/{account}", *TO_SHOW, *ACTS)
def hand_over(request: Request, at: Visiting, system: SystemName, owner: Text = "") -> Response:
    """Let another person answer for a calling system."""
    try:
        systems.hand_over(at.service, at.caller, system, owner)
    except MENDABLE as error:
        typed = {"owner": owner}
        return shown(request, at, system, error.status, typed=typed, fault=fault_of(error))
    return elsewhere(path_of(system))


@router.post(f"{PATH}/{{system}}/disable")
@operation("it/service-accounts/{account}", "service_account.disable")
def disable(at: Visiting, system: SystemName) -> Response:
    """Shut a calling system out and revoke its tokens."""
    systems.disable_account(at.service, at.caller, system)
    return elsewhere(path_of(system))


def _days(typed: str) -> int | None:
    if not typed.strip():
        return None
    try:
        return int(typed)
    except ValueError:
        raise InvalidInput.at("days", "write a number of days, or nothing for the usual") from None


def _token(
    request: Request,
    at: Visitor,
    system: str,
    issued: IssuedToken,
    former_end: int | None = None,
) -> Response:
    return page(
        request,
        "systems/token.html",
        visitor=at,
        system=system,
        back=path_of(system),
        token=issued.token,
        text=issued.text.text(),
        former_end=former_end,
    )


def _form(
    request: Request,
    at: Visitor,
    typed: dict[str, str],
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "systems/new.html",
        status,
        visitor=at,
        typed={"reason": "", **typed},
        fault=fault,
        departments=DEPARTMENTS,
        roles=[
            role
            for role in sorted(at.service.policy.rules.roles)
            if any(can_be_given(role, department) for department in DEPARTMENTS)
        ],
    )

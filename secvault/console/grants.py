"""Giving a role to a person, and ending it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Path, Query, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS
from secvault.access.remedies import can_be_given
from secvault.access.vocabulary import ALL, GRANTED_EVERYWHERE
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Reason, Word, because, fault_of
from secvault.console.page import elsewhere, page
from secvault.console.people import PATH, PersonName
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import InvalidInput
from secvault.service import grants
from secvault.service.giving import is_privileged
from secvault.service.spans import Span, length
from secvault.service.spine import Operation

router = Routes(include_in_schema=False, prefix=f"{PATH}/{{person}}/grants")

ADD = Operation("grant.add", "it", "grants", "it/grants")
USUAL_DAYS = "90"

GrantId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Days = Annotated[str, Form(max_length=10)]


@router.get("/new")
@operation("it/grants", "grant.add")
def grant_form(
    request: Request,
    at: Visiting,
    person: PersonName,
    role: Annotated[str, Query(max_length=100)] = "",
    department: Annotated[str, Query(max_length=63)] = "",
) -> Response:
    """The form, with the roles that somebody can be given and the departments.

    role, department: what is chosen already, by a link that explains what would help.
    """
    at.service.spine.decide(at.caller, ADD)
    typed = {"role": role, "department": department, "days": USUAL_DAYS}
    return _form(request, at, person, typed)


@router.post("")
@operation("it/grants", "grant.add")
def give(
    request: Request,
    at: Visiting,
    person: PersonName,
    role: Word = "",
    department: Word = "",
    days: Days = "",
    reason: Reason = "",
) -> Response:
    """Give the role; a privileged one needs a second person, who is told the reason."""
    typed = {"role": role, "department": department, "days": days, "reason": reason}
    try:
        grants.add_grant(
            at.service,
            because(at, reason),
            subject=f"user:{person}",
            role=role,
            department=department,
            span=Span(seconds=length(days=_days(days))),
        )
    except MENDABLE as error:
        return _form(request, at, person, typed, fault_of(error), error.status)
    return _back(person)


@router.post("/{grant}/end")
@operation("it/grants/{grant}", "grant.revoke")
def end(at: Visiting, person: PersonName, grant: GrantId, reason: Reason = "") -> Response:
    """End a grant now."""
    grants.revoke_grant(at.service, because(at, reason), grant)
    return _back(person)


def _days(typed: str) -> int | None:
    if not typed.strip():
        return None
    try:
        return int(typed)
    except ValueError:
        raise InvalidInput.at("days", "write a number of days, or nothing for no end") from None


def _form(
    request: Request,
    at: Visitor,
    person: str,
    typed: dict[str, str],
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    roles = at.service.policy.rules.roles
    return page(
        request,
        "people/grant.html",
        status,
        visitor=at,
        person=person,
        back=_path(person),
        typed={"reason": "", **typed},
        fault=fault,
        roles={
            role: is_privileged(at.service, role)
            for role in sorted(roles)
            if any(can_be_given(role, department) for department in DEPARTMENTS)
        },
        everywhere=sorted(GRANTED_EVERYWHERE & roles),
        departments=(*DEPARTMENTS, ALL),
    )


def _path(person: str) -> str:
    return f"{PATH}/{quote(person, safe='')}"


def _back(person: str) -> Response:
    return elsewhere(_path(person))

"""Inviting somebody: the form, and the code to hand over."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Text, Word, fault_of
from secvault.console.language import LANGUAGES, NAMES
from secvault.console.page import page
from secvault.console.people import of_people
from secvault.console.people_acts import invited
from secvault.console.visitor import Visiting, Visitor
from secvault.identity.people import NewPerson
from secvault.service import invitations

router = Routes(include_in_schema=False)

PATH = "/invite"
CREATE = of_people("person.create")
EMPTY = {"name": "", "display_name": "", "department": "", "contact": "", "language": ""}


@router.get(PATH)
@operation("it/people", "person.create")
def invite_form(request: Request, at: Visiting) -> Response:
    """The form, for who may send it."""
    at.service.spine.decide(at.caller, CREATE)
    return _form(request, at, EMPTY, send=False)


@router.post(PATH)
@operation("it/people", "person.create")
def invite(
    request: Request,
    at: Visiting,
    name: Text = "",
    display_name: Text = "",
    department: Word = "",
    contact: Text = "",
    language: Word = "",
    notes: Annotated[str, Form(max_length=8000)] = "",
    send: Word = "",
) -> Response:
    """Make somebody who can sign in once they have activated their account by the code."""
    typed = {
        "name": name,
        "display_name": display_name,
        "department": department,
        "contact": contact,
        "language": language,
    }
    try:
        new = NewPerson.of(name, display_name, department, contact, notes, language)
        made = invitations.invite(at.service, at.caller, new, send=bool(send))
    except MENDABLE as error:
        return _form(
            request, at, typed, send=bool(send), fault=fault_of(error), status=error.status
        )
    return invited(request, at, made)


def _form(
    request: Request,
    at: Visitor,
    typed: dict[str, str],
    *,
    send: bool,
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "people/invite.html",
        status,
        visitor=at,
        typed=typed,
        send=send,
        fault=fault,
        departments=DEPARTMENTS,
        known_languages=[(code, NAMES[code]) for code in LANGUAGES],
    )

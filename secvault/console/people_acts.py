"""What is done to a person by the forms of their page; each leads back to it.

A reset and a new invitation show a code, once, and so answer by a page of their own.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Path, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import Reason, Text, Word, because
from secvault.console.page import elsewhere, page
from secvault.console.people import PATH, PersonName
from secvault.console.visitor import Visiting, Visitor
from secvault.crypto.secret import Secret
from secvault.identity.people import Changes
from secvault.service import invitations, lost_factors, people, resets, sessions
from secvault.service.invitations import Invited
from secvault.service.resets import Reset

router = Routes(include_in_schema=False, prefix=f"{PATH}/{{person}}")

Send = Annotated[str, Form(max_length=10)]
Version = Annotated[int, Form(ge=1, le=2**31 - 1)]


@router.post("/disable")
@operation("it/people/{person}", "person.disable")
def disable(at: Visiting, person: PersonName, reason: Reason = "") -> Response:
    """Shut somebody out at once."""
    people.disable_person(at.service, because(at, reason), person)
    return _back(person)


@router.post("/enable")
@operation("it/people/{person}", "person.enable")
def enable(at: Visiting, person: PersonName, reason: Reason = "") -> Response:
    """Let a disabled person sign in again."""
    people.enable_person(at.service, because(at, reason), person)
    return _back(person)


@router.post("/unlock")
@operation("it/people/{person}", "person.unlock")
def unlock(at: Visiting, person: PersonName) -> Response:
    """Forget failed attempts, and unlock devices."""
    people.unlock_person(at.service, at.caller, person)
    return _back(person)


@router.post("/change")
@operation("it/people/{person}", "person.update")
def change(
    at: Visiting,
    person: PersonName,
    version: Version,
    display_name: Text = "",
    department: Word = "",
    notes: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """Change what is said of somebody, in the version that was seen."""
    changes = Changes.of(display_name, department, notes=notes)
    people.change_person(at.service, at.caller, person, version, changes)
    return _back(person)


@router.post("/sessions/end")
@operation("it/people/{person}", "session.end")
def end_sessions(at: Visiting, person: PersonName) -> Response:
    """End all of somebody's sessions now."""
    sessions.end_sessions_of(at.service, at.caller, person)
    return _back(person)


@router.post("/sessions/{session}/end")
@operation("it/people/{person}", "session.end")
def end_session(
    at: Visiting, person: PersonName, session: Annotated[str, Path(max_length=64)]
) -> Response:
    """End one of somebody's sessions now."""
    sessions.end_sessions_of(at.service, at.caller, person, session)
    return _back(person)


@router.post("/invitation")
@operation("it/people/{person}", "person.invite")
def invite_again(request: Request, at: Visiting, person: PersonName, send: Send = "") -> Response:
    """A new code for somebody who was never active; shown once, or sent to them."""
    made = invitations.invite_again(at.service, at.caller, person, send=bool(send))
    return invited(request, at, made)


@router.post("/invitation/end")
@operation("it/people/{person}", "person.uninvite")
def uninvite(at: Visiting, person: PersonName) -> Response:
    """Void the code of somebody who has not used it."""
    invitations.revoke_invitation(at.service, at.caller, person)
    return _back(person)


@router.post("/factors/{factor}/end")
@operation("it/people/{person}", "factor.revoke")
def revoke_factor(
    at: Visiting, person: PersonName, factor: Annotated[str, Path(max_length=64)]
) -> Response:
    """End one lost factor of somebody, and all their sessions."""
    lost_factors.revoke_factor(at.service, at.caller, person, factor)
    return _back(person)


@router.post("/factors/reset")
@operation("it/people/{person}", "factor.reset")
def reset_factors(
    request: Request, at: Visiting, person: PersonName, reason: Reason = ""
) -> Response:
    """End all second factors of somebody who lost them."""
    return _reset(request, at, resets.reset_factors(at.service, because(at, reason), person))


@router.post("/password/reset")
@operation("it/people/{person}", "password.reset")
def reset_password(
    request: Request, at: Visiting, person: PersonName, reason: Reason = ""
) -> Response:
    """End the password of somebody who forgot it."""
    return _reset(request, at, resets.reset_password(at.service, because(at, reason), person))


def invited(request: Request, at: Visitor, made: Invited) -> Response:
    """The page that shows the code of an invitation, or says that it was sent."""
    if made.code is None:
        return _back(made.person.name)
    return _shown(request, at, made.person.name, "invitation", made.code, made.expires_at)


def _reset(request: Request, at: Visitor, done: Reset) -> Response:
    return _shown(
        request, at, done.person.name, "reset", done.part, done.expires_at, parts=done.parts
    )


def _shown(
    request: Request,
    at: Visitor,
    name: str,
    what: str,
    code: Secret,
    expires_at: int,
    parts: int = 1,
) -> Response:
    return page(
        request,
        "people/code.html",
        visitor=at,
        name=name,
        back=_path(name),
        what=what,
        code=code.text(),
        expires_at=expires_at,
        parts=parts,
        now=at.service.clock.micros(),
    )


def _path(person: str) -> str:
    return f"{PATH}/{quote(person, safe='')}"


def _back(person: str) -> Response:
    return elsewhere(_path(person))

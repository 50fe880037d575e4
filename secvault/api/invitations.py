"""Inviting people over HTTP, one by one or by a CSV file."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.people import PersonAnswer, PersonName, person_answer
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.identity.people import NewPerson
from secvault.service import Service, invitations, people_file
from secvault.service.invitations import Invited
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["people"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
LARGEST_FILE = 8 * 1024 * 1024


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Invitee(_Given):
    """Somebody to invite."""

    name: str = Field(max_length=200, description="The sign-in name.")
    display_name: str = Field(max_length=400)
    department: str = Field(max_length=63)
    contact: str = Field("", max_length=400, description="An address of mail.")
    language: str = Field("", max_length=10, description="en or vi; empty for the installation's.")
    notes: str = Field("", max_length=8000, description="Up to 2000 characters.")
    send: bool = Field(default=False, description="Send the code to `contact`, not show it.")


class Again(_Given):
    """How the new code gets to the person."""

    send: bool = Field(default=False, description="Send the code to their address, not show it.")


class PeopleFile(_Given):
    """A CSV file of people. Its first line names the columns; name and department are needed."""

    file: str = Field(max_length=LARGEST_FILE)
    dry_run: bool = Field(default=False, description="Find every fault, and change nothing.")
    send: bool = Field(default=False, description="Send each code to `contact`, not show it.")


class InvitationAnswer(BaseModel):
    """An invitation. code: shown once, to be handed over; null when it was sent."""

    code: str | None
    expires_at: str


class InvitedAnswer(PersonAnswer):
    """Somebody who may activate their account."""

    invitation: InvitationAnswer


class ImportAnswer(BaseModel):
    """What came of a file: who was invited, would be (of a dry run), or was there already.

    unsent: of those invited, whose code could not be sent; invite them again.
    """

    invited: list[InvitedAnswer]
    would_invite: list[str]
    existing: list[str]
    unsent: list[str]


@router.post("/people", status_code=201)
@operation("it/people", "person.create")
def person_invite(at: Authenticated, new: Annotated[Invitee, Body()]) -> InvitedAnswer:
    """Invite somebody, who chooses a password and enrols a factor by the code in the answer."""
    service, who = at
    person = NewPerson.of(
        new.name, new.display_name, new.department, new.contact, new.notes, new.language
    )
    return _invited(invitations.invite(service, who, person, send=new.send))


@router.post("/people/{person}/invitation", status_code=201)
@operation("it/people/{person}", "person.invite")
def person_invite_again(
    at: Authenticated, person: PersonName, how: Annotated[Again, Body()]
) -> InvitedAnswer:
    """A new code for somebody who was never active; the earlier one is void."""
    service, who = at
    return _invited(invitations.invite_again(service, who, person, send=how.send))


@router.delete("/people/{person}/invitation", status_code=204)
@operation("it/people/{person}", "person.uninvite")
def person_uninvite(at: Authenticated, person: PersonName) -> None:
    """Void the code of somebody who has not used it."""
    service, who = at
    invitations.revoke_invitation(service, who, person)


@router.post("/people.csv")
@operation("it/people", "person.import")
def person_import(at: Authenticated, given: Annotated[PeopleFile, Body()]) -> ImportAnswer:
    """Invite everybody in a CSV file who is not there yet, all or none."""
    service, who = at
    done = people_file.import_people(
        service, who, given.file.encode(), dry_run=given.dry_run, send=given.send
    )
    return ImportAnswer(
        invited=[_invited(each) for each in done.invited],
        would_invite=list(done.would_invite),
        existing=list(done.existing),
        unsent=list(done.unsent),
    )


@router.get(
    "/people.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@operation("it/people", "person.export")
def person_export(at: Authenticated) -> Response:
    """Everybody as CSV in UTF-8, without any secret; cells are safe in spreadsheets."""
    service, who = at
    return Response(
        people_file.export_people(service, who).encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="people.csv"'},
    )


def _invited(made: Invited) -> InvitedAnswer:
    return InvitedAnswer(
        **person_answer(made.person).model_dump(),
        invitation=InvitationAnswer(
            code=None if made.code is None else made.code.text(),
            expires_at=timestamp(made.expires_at),
        ),
    )

"""People over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.grants import GrantAnswer, grant_answer
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.version import IfMatch, tag_of, version_of
from secvault.clock import timestamp
from secvault.identity import directory
from secvault.identity.directory import Entry, Wanted
from secvault.identity.people import Changes, Person
from secvault.identity.placement import Placement
from secvault.service import Service, people
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["people"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]
Status = Literal["", "invited", "expired", "active", "disabled"]
OfFactors = Literal["", "locked", "none"]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PersonChange(_Given):
    """What to say of a person from now on; what is left out stays as it is."""

    display_name: str | None = Field(None, max_length=400)
    department: str | None = Field(
        None, max_length=63, description="Where they belong; their grants stay as they are."
    )
    contact: str | None = Field(
        None,
        max_length=400,
        description="An address of mail, or empty; only of somebody who was never active.",
    )
    notes: str | None = Field(None, max_length=8000, description="Up to 2000 characters.")


class NewPlacement(_Given):
    """Who somebody is in the company, which makes records theirs."""

    employee: str = Field(
        "", max_length=400, description="Their number in the company; empty for none."
    )
    teams: list[Annotated[str, Field(max_length=400)]] = Field(default=[], max_length=64)


class PersonAnswer(BaseModel):
    """A person."""

    id: str
    name: str
    display_name: str
    department: str
    state: str
    version: int = Field(description="Also as ETag, for If-Match.")
    created_at: str
    employee: str = Field(description="Their number in the company; empty for none.")
    teams: list[str]


class PersonListed(PersonAnswer):
    """A person, with what an administrator looks for."""

    status: str = Field(description="invited, expired (no invitation in time), active, disabled.")
    second_factor: bool
    factors: list[str] = Field(description="Kinds in use: totp, hardware, passkey.")
    locked: bool = Field(description="Wrong codes have locked a device or the recovery codes.")
    recovery_codes_left: int
    last_sign_in_at: str | None
    invitation_expires_at: str | None
    contact: str = Field(description="Where they are told of things; empty for nowhere.")
    language: str = Field(description="In which language; empty for the installation's.")
    notes: str


class PersonList(BaseModel):
    """Some people, oldest first; `next` continues, null at the end."""

    people: list[PersonListed]
    next: str | None


class PersonChanged(PersonListed):
    """A person as they are now."""

    grants_elsewhere: list[GrantAnswer] = Field(
        description="Grants in force in other departments than theirs: still wanted?"
    )


class PersonDisabled(PersonAnswer):
    """A person who is out."""

    sessions_ended: int
    systems: list[str] = Field(description="Active systems that they still answer for.")


@router.get("/people")
@operation("it/people", "person.read")
def person_list(
    at: Authenticated,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=directory.LARGEST_PAGE)] = 100,
    status: Annotated[Status, Query(description="Only these; empty for all.")] = "",
    department: Annotated[str, Query(max_length=63, description="Only who belongs there.")] = "",
    search: Annotated[
        str,
        Query(max_length=400, description="Words of a name; case and marks do not count."),
    ] = "",
    factors: Annotated[
        OfFactors,
        Query(
            description="Of those who are active: who is locked out by wrong codes, or who has no "
            "second factor here and no provider to have one at."
        ),
    ] = "",
) -> PersonList:
    """A page of the people who may sign in or are invited."""
    service, who = at
    wanted = Wanted(status, department, search, factors)
    page = people.list_people(service, who, after=after, limit=limit, wanted=wanted)
    return PersonList(
        people=[_listed(entry) for entry in page.people], next=page.next_after or None
    )


@router.get("/people/{person}")
@operation("it/people/{person}", "person.read")
def person_read(at: Authenticated, person: PersonName, response: Response) -> PersonListed:
    """One person."""
    service, who = at
    entry = people.read_person(service, who, person)
    response.headers["ETag"] = tag_of(entry.person.version)
    return _listed(entry)


@router.patch("/people/{person}")
@operation("it/people/{person}", "person.update")
def person_change(
    at: Authenticated,
    person: PersonName,
    change: Annotated[PersonChange, Body()],
    response: Response,
    if_match: IfMatch = None,
) -> PersonChanged:
    """Change names, department, address or notes of the version that you saw (If-Match)."""
    service, who = at
    version = version_of(if_match)
    changes = Changes.of(change.display_name, change.department, change.contact, change.notes)
    changed = people.change_person(service, who, person, version, changes)
    response.headers["ETag"] = tag_of(changed.entry.person.version)
    return PersonChanged(
        **_listed(changed.entry).model_dump(),
        grants_elsewhere=[grant_answer(grant) for grant in changed.elsewhere],
    )


@router.post("/people/{person}/placement")
@operation("it/people/{person}", "person.place")
def person_place(
    at: Authenticated,
    person: PersonName,
    new: Annotated[NewPlacement, Body()],
    response: Response,
    if_match: IfMatch = None,
) -> PersonListed:
    """Say whose records are somebody's own, of the version that you saw (If-Match).

    Needs a second person.
    """
    service, who = at
    to = Placement.of(new.employee, new.teams)
    entry = people.place_person(service, who, person, version_of(if_match), to)
    response.headers["ETag"] = tag_of(entry.person.version)
    return _listed(entry)


@router.post("/people/{person}/disable")
@operation("it/people/{person}", "person.disable")
def person_disable(at: Authenticated, person: PersonName) -> PersonDisabled:
    """Shut somebody out at once; their sessions and invitation end."""
    service, who = at
    done = people.disable_person(service, who, person)
    return PersonDisabled(
        **person_answer(done.person).model_dump(),
        sessions_ended=done.sessions_ended,
        systems=list(done.systems),
    )


@router.post("/people/{person}/enable")
@operation("it/people/{person}", "person.enable")
def person_enable(at: Authenticated, person: PersonName) -> PersonAnswer:
    """Let a disabled person sign in again, anew."""
    service, who = at
    return person_answer(people.enable_person(service, who, person))


@router.post("/people/{person}/unlock")
@operation("it/people/{person}", "person.unlock")
def person_unlock(at: Authenticated, person: PersonName) -> PersonAnswer:
    """Forget failed attempts and unlock devices."""
    service, who = at
    return person_answer(people.unlock_person(service, who, person))


def person_answer(person: Person) -> PersonAnswer:
    """A person as answers have them."""
    return PersonAnswer(
        id=person.id,
        name=person.name,
        display_name=person.display_name,
        department=person.department,
        state=person.state,
        version=person.version,
        created_at=timestamp(person.created_at),
        employee=person.employee or "",
        teams=person.teams.splitlines(),
    )


def _listed(entry: Entry) -> PersonListed:
    return PersonListed(
        **person_answer(entry.person).model_dump(),
        status=entry.status,
        second_factor=bool(entry.factors),
        factors=list(entry.factors),
        locked=entry.locked,
        recovery_codes_left=entry.recovery_codes_left,
        last_sign_in_at=_time(entry.person.last_sign_in_at),
        invitation_expires_at=_time(entry.invited_until),
        contact=entry.contact.address,
        language=entry.contact.language,
        notes=entry.person.notes,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

"""People and grants over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.access import Grant
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.secret_text import SecretText, secret_of
from secvault.clock import timestamp
from secvault.identity.people import Person
from secvault.service import Service, grants, people
from secvault.service.spine import Caller

router = APIRouter(prefix="/api/v1", tags=["people"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PersonName = Annotated[str, Path(min_length=1, max_length=64, description="Sign-in name or id.")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewPerson(_Given):
    """Somebody to let in."""

    name: str = Field(max_length=200, description="The sign-in name.")
    display_name: str = Field(max_length=400)
    department: str = Field(max_length=63)
    password: SecretText = Field(max_length=1024, description="12 to 128 characters.")


class NewDevice(_Given):
    """A TOTP device to enrol."""

    name: str = Field(max_length=200)


class Codes(_Given):
    """Two codes that follow one another."""

    first: SecretText = Field(max_length=32)
    second: SecretText = Field(max_length=32)


class NewGrant(_Given):
    """A role to give."""

    subject: str = Field(max_length=200, examples=["user:lan.nguyen", "svc:payroll-sync"])
    role: str = Field(max_length=100, examples=["role:hr.clerk"])
    department: str = Field(max_length=63, examples=["hr"])
    days: int | None = Field(None, ge=1, le=3650)


class PersonAnswer(BaseModel):
    """A person."""

    id: str
    name: str
    display_name: str
    department: str
    state: str
    created_at: str


class PersonListed(PersonAnswer):
    """A person, with what an administrator looks for."""

    second_factor: bool
    last_sign_in_at: str | None


class PersonList(BaseModel):
    """Everybody, oldest first."""

    people: list[PersonListed]


class DeviceAnswer(BaseModel):
    """A begun enrolment: seed and otpauth URI are shown once."""

    device: str
    seed: str
    uri: str
    expires_at: str


class GrantAnswer(BaseModel):
    """A grant."""

    id: str
    subject: str
    role: str
    department: str
    expires_at: str | None
    granted_by: str
    source: str = Field(description="Empty, or the provider whose group gives it: oidc:corp.")


class GrantList(BaseModel):
    """The grants in force."""

    grants: list[GrantAnswer]


@router.get("/people")
@operation("it/people", "person.read")
def person_list(at: Authenticated) -> PersonList:
    """Everybody who may sign in."""
    service, who = at
    return PersonList(
        people=[
            PersonListed(
                **_person(view.person).model_dump(),
                second_factor=view.second_factor,
                last_sign_in_at=_time(view.person.last_sign_in_at),
            )
            for view in people.list_people(service, who)
        ]
    )


@router.post("/people", status_code=201)
@operation("it/people", "person.create")
def person_create(at: Authenticated, new: Annotated[NewPerson, Body()]) -> PersonAnswer:
    """Make a person; they can sign in once a TOTP device is enrolled."""
    service, who = at
    made = people.create_person(
        service,
        who,
        name=new.name,
        display_name=new.display_name,
        department=new.department,
        password=secret_of(new.password),
    )
    return _person(made)


@router.post("/people/{person}/devices", status_code=201)
@operation("it/people/{person}", "person.create")
def device_enrol(
    at: Authenticated, person: PersonName, new: Annotated[NewDevice, Body()]
) -> DeviceAnswer:
    """Begin a TOTP device."""
    service, who = at
    begun = people.enrol_totp(service, who, person, new.name)
    return DeviceAnswer(
        device=begun.device.id,
        seed=begun.seed.text(),
        uri=begun.uri.text(),
        expires_at=timestamp(begun.expires_at),
    )


@router.post("/people/{person}/devices/{device}/confirmation", status_code=204)
@operation("it/people/{person}", "person.create")
def device_confirm(
    at: Authenticated,
    person: PersonName,
    device: Annotated[str, Path(min_length=1, max_length=64)],
    codes: Annotated[Codes, Body()],
) -> None:
    """Put a device into use, shown by two codes that follow one another."""
    service, who = at
    people.confirm_totp(
        service, who, person, device, secret_of(codes.first), secret_of(codes.second)
    )


@router.post("/people/{person}/disable")
@operation("it/people/{person}", "person.disable")
def person_disable(at: Authenticated, person: PersonName) -> PersonAnswer:
    """Shut somebody out at once."""
    service, who = at
    return _person(people.disable_person(service, who, person))


@router.post("/people/{person}/enable")
@operation("it/people/{person}", "person.disable")
def person_enable(at: Authenticated, person: PersonName) -> PersonAnswer:
    """Let a disabled person sign in again."""
    service, who = at
    return _person(people.enable_person(service, who, person))


@router.post("/people/{person}/unlock")
@operation("it/people/{person}", "person.unlock")
def person_unlock(at: Authenticated, person: PersonName) -> PersonAnswer:
    """Forget failed attempts and unlock devices."""
    service, who = at
    return _person(people.unlock_person(service, who, person))


@router.get("/grants")
@operation("it/grants", "grant.read")
def grant_list(at: Authenticated) -> GrantList:
    """The grants in force."""
    service, who = at
    return GrantList(grants=[_grant(grant) for grant in grants.list_grants(service, who)])


@router.post("/grants", status_code=201)
@operation("it/grants", "grant.add")
def grant_add(at: Authenticated, new: Annotated[NewGrant, Body()]) -> GrantAnswer:
    """Give a role to a person or a service account."""
    service, who = at
    return _grant(
        grants.add_grant(
            service,
            who,
            subject=new.subject,
            role=new.role,
            department=new.department,
            days=new.days,
        )
    )


@router.delete("/grants/{grant}", status_code=204)
@operation("it/grants/{grant}", "grant.revoke")
def grant_revoke(
    at: Authenticated, grant: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
) -> None:
    """End a grant now."""
    service, who = at
    grants.revoke_grant(service, who, grant)


def _person(person: Person) -> PersonAnswer:
    return PersonAnswer(
        id=person.id,
        name=person.name,
        display_name=person.display_name,
        department=person.department,
        state=person.state,
        created_at=timestamp(person.created_at),
    )


def _grant(grant: Grant) -> GrantAnswer:
    return GrantAnswer(
        id=grant.id,
        subject=grant.subject,
        role=grant.role,
        department=grant.department,
        expires_at=_time(grant.expires_at),
        granted_by=grant.granted_by,
        source=grant.source,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

"""Operations on people: create, second factor, disable, list."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS, add_grant, list_grants
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import devices, enrolment, passkeys, people, recovery_codes
from secvault.identity.devices import Device
from secvault.identity.enrolment import Enrolment
from secvault.identity.people import NewPerson, Person
from secvault.service.approval import Terms
from secvault.service.authentication import local_operator
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

ADMINISTRATOR = "role:it.admin"
FIRST_DEVICE = "first device"


@dataclass(frozen=True)
class PersonView:
    """A person and whether they have a second factor in use."""

    person: Person
    second_factor: bool


def create_person(
    service: Service,
    caller: Caller,
    *,
    name: str,
    display_name: str,
    department: str,
    password: Secret,
) -> Person:
    """Make a person, who can sign in once a TOTP device is enrolled."""
    service.spine.decide(caller, _operation("person.create"))
    new = _new(name, display_name, department)
    hashed = service.entrance.hasher.hash_new(password, context_words(service, new))

    def act(connection: Connection) -> Outcome[Person]:
        made = people.create_person(connection, service.clock, new, hashed)
        return Outcome(made, detail={"person": made.id})

    return service.spine.change(caller, _operation("person.create"), act)


def enrol_totp(service: Service, caller: Caller, person: str, device_name: str) -> Enrolment:
    """Begin the first TOTP device of a person; its seed is shown once. person: sign-in name or id.

    Raises Conflict for an account in use.
    """

    def act(connection: Connection) -> Outcome[Enrolment]:
        found = people.by_name_or_id(connection, person)
        _require_unused(connection, found)
        begun = enrolment.begin_enrolment(
            connection,
            service.clock,
            service.entrance.keys,
            found,
            name=device_name,
            issuer=service.settings.organisation,
            random=service.random,
        )
        return Outcome(begun, detail={"person": found.id})

    return service.spine.change(caller, _operation("person.create"), act)


def confirm_totp(
    service: Service,
    caller: Caller,
    person: str,
    device: str,
    first_code: Secret,
    second_code: Secret,
) -> Device:
    """Put the first device into use, shown by two codes that follow one another.

    Raises Conflict for an account in use.
    """
    service.spine.decide(caller, _operation("person.create"))
    with service.store.read() as connection:
        found = people.by_name_or_id(connection, person)
        _require_unused(connection, found)

    def act() -> Outcome[Device]:
        confirmed = enrolment.confirm_enrolment(
            service.store,
            service.clock,
            service.entrance.keys,
            person_id=found.id,
            device_id=device,
            codes=(first_code, second_code),
        )
        return Outcome(confirmed, detail={"person": found.id})

    return service.spine.work(caller, _operation("person.create"), act)


def list_people(service: Service, caller: Caller) -> tuple[PersonView, ...]:
    """Everybody, oldest first."""

    def act(connection: Connection) -> Outcome[tuple[PersonView, ...]]:
        found: list[PersonView] = []
        page = people.list_people(connection, limit=1000)
        while page:
            found += [_view(connection, person) for person in page]
            page = people.list_people(connection, after=page[-1].id, limit=1000)
        return Outcome(tuple(found), count=len(found))

    return service.spine.read(caller, _operation("person.read"), act)


def disable_person(service: Service, caller: Caller, person: str) -> Person:
    """Shut somebody out at once. Nobody disables themselves.

    One without whom too few could approve needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        if found.subject == caller.principal.subject:
            raise Conflict("you cannot disable yourself; ask another administrator")
        people.disable_person(connection, service.clock, found.id)
        return Outcome(people.read_person(connection, found.id), detail={"person": found.id})

    def terms(connection: Connection) -> Terms | None:
        found = people.by_name_or_id(connection, person)
        if not service.approvers.too_few_without(connection, found.subject):
            return None
        return {"subject": found.subject, "state": people.DISABLED}

    return service.spine.change(caller, _operation("person.disable"), act, terms)


def enable_person(service: Service, caller: Caller, person: str) -> Person:
    """Let a disabled person sign in again.

    One who holds a privileged role needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        people.enable_person(connection, found.id)
        service.approvers.notice(connection)
        return Outcome(people.read_person(connection, found.id), detail={"person": found.id})

    def terms(connection: Connection) -> Terms | None:
        found = people.by_name_or_id(connection, person)
        held = list_grants(connection, subject=found.subject, valid_at=service.clock.micros())
        obligations, rules = service.approvers.obligations, service.policy.rules
        if not any(obligations.is_privileged(rules, grant.role) for grant in held):
            return None
        return {"subject": found.subject, "state": people.ACTIVE}

    return service.spine.change(caller, _operation("person.disable"), act, terms)


def unlock_person(service: Service, caller: Caller, person: str) -> Person:
    """Forget somebody's failed attempts, and unlock their devices and recovery codes."""

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        people.clear_failures(connection, found.id)
        recovery_codes.unlock(connection, found.id)
        for device in devices.list_devices(connection, found.id):
            if device.state == devices.LOCKED:
                devices.unlock_device(connection, device.id)
        return Outcome(found, detail={"person": found.id})

    return service.spine.change(caller, _operation("person.unlock"), act)


def in_use(connection: Connection, person: Person) -> bool:
    """Whether the person has signed in, or could: then nobody gives them a factor alone."""
    return person.last_sign_in_at is not None or _enrolled(connection, person)


def nobody_yet(service: Service) -> bool:
    """Whether the first administrator is still to be made."""
    with service.store.read() as connection:
        return people.count_people(connection) == 0


def first_administrator(
    service: Service, *, name: str, display_name: str, password: Secret, seed: Secret | None
) -> tuple[Person, Enrolment | None]:
    """Make the first administrator, once. Raises Conflict when there is anybody already.

    seed: base32, for unattended set-up: the device is in use at once. Without it an enrolment is
    begun, to be confirmed by two codes.
    """
    caller = Caller(local_operator(service))
    new = _new(name, display_name, "it")
    hashed = service.entrance.hasher.hash_new(password, context_words(service, new))

    def act(connection: Connection) -> Outcome[tuple[Person, Enrolment | None]]:
        if people.count_people(connection):
            raise Conflict("there is an administrator already; sign in, or use `secvault people`")
        made = people.create_person(connection, service.clock, new, hashed)
        add_grant(
            connection,
            service.policy.rules,
            subject=made.subject,
            role=ADMINISTRATOR,
            department="it",
            granted_by=caller.principal.subject,
            at=service.clock.micros(),
            random=service.random,
        )
        keys = service.entrance.keys
        begun = None
        if seed is None:
            begun = enrolment.begin_enrolment(
                connection,
                service.clock,
                keys,
                made,
                name=FIRST_DEVICE,
                issuer=service.settings.organisation,
                random=service.random,
            )
        else:
            enrolment.adopt_device(
                connection,
                service.clock,
                keys,
                made,
                name=FIRST_DEVICE,
                seed=seed,
                random=service.random,
            )
        return Outcome((made, begun), detail={"person": made.id})

    return service.spine.change(caller, _operation("person.create"), act)


def _new(name: str, display_name: str, department: str) -> NewPerson:
    new = NewPerson.of(name, display_name, department)
    if new.department not in DEPARTMENTS:
        raise InvalidInput.at("department", f"use one of {', '.join(DEPARTMENTS)}")
    return new


def context_words(service: Service, new: NewPerson | Person) -> tuple[str, ...]:
    """What an attacker tries first as somebody's password."""
    organisation = service.settings.organisation
    return (new.name, new.display_name, new.department, organisation)


def _view(connection: Connection, person: Person) -> PersonView:
    return PersonView(person, _enrolled(connection, person, locked=False))


def _enrolled(connection: Connection, person: Person, *, locked: bool = True) -> bool:
    usable = {devices.ACTIVE, devices.LOCKED} if locked else {devices.ACTIVE}
    states = {device.state for device in devices.list_devices(connection, person.id)}
    return bool(states & usable or passkeys.list_passkeys(connection, person.id))


def _require_unused(connection: Connection, person: Person) -> None:
    if in_use(connection, person):
        raise Conflict(
            "this account is in use: its person adds devices, and who has lost them all is helped "
            "by a reset of the factors, with a second person"
        )


def _operation(action: str) -> Operation:
    return Operation(action, "it", "people", "it/people")

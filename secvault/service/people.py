"""Operations on people: list, look at, change, disable, enable, unlock."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault import access
from secvault.access import DEPARTMENTS, Grant
from secvault.access.eligibility import end_activations
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import (
    contacts,
    devices,
    directory,
    invitations,
    passkeys,
    people,
    placement,
    recovery_codes,
    service_accounts,
)
from secvault.identity.directory import Entry, Wanted
from secvault.identity.people import Changes, NewPerson, Person
from secvault.identity.placement import Placement
from secvault.service.approval import Terms
from secvault.service.giving import holds_privileged_role
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class PeoplePage:
    """Some people, oldest first. next_after: what to ask on with; empty at the end."""

    people: tuple[Entry, ...]
    next_after: str


@dataclass(frozen=True)
class ChangedPerson:
    """A person as they are now. elsewhere: grants in force in other departments than theirs."""

    entry: Entry
    elsewhere: tuple[Grant, ...]


@dataclass(frozen=True)
class DisabledPerson:
    """A person who is out. systems: names of the active systems that they still answer for."""

    person: Person
    sessions_ended: int
    systems: tuple[str, ...]


def list_people(
    service: Service,
    caller: Caller,
    *,
    after: str = "",
    limit: int = 100,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
) -> PeoplePage:
    """A page of people, oldest first. after: `next_after` of the page before."""
    key = service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[PeoplePage]:
        found = directory.list_page(
            connection,
            service.clock,
            key,
            after=after,
            limit=limit,
            wanted=wanted,
            lock_after=service.entrance.attempts.lock_after,
        )
        following = found[-1].person.id if len(found) == limit else ""
        return Outcome(PeoplePage(found, following), count=len(found))

    return service.spine.read(caller, operation("person.read"), act)


def read_person(service: Service, caller: Caller, person: str) -> Entry:
    """One person. person: sign-in name or id."""
    key = service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[Entry]:
        found = entry_of(service, connection, key, people.by_name_or_id(connection, person).id)
        return Outcome(found, detail={"person": found.person.id})

    return service.spine.read(caller, operation("person.read"), act)


def change_person(
    service: Service, caller: Caller, person: str, version: int, changes: Changes
) -> ChangedPerson:
    """Change what is said of a person, in the version that was seen.

    The department is where somebody belongs; what they may do is said by their grants, which stay
    as they are and are given back where they lie elsewhere. The address of somebody who was ever
    active is theirs to change: notices of what administrators do go there. Raises NotFound,
    VersionMismatch; Conflict for such an address.
    """
    if changes.department is not None:
        require_department(changes.department)
    key = service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[ChangedPerson]:
        found = people.by_name_or_id(connection, person)
        changed = people.change_person(connection, found.id, version, changes)
        if changes.contact is not None:
            if changed.activated_at is not None:
                raise Conflict(
                    f"{changed.name} has been active: only they change their address, with "
                    "`secvault account contact`"
                )
            set_contact(service, connection, key, changed.id, address=changes.contact)
        held = access.list_grants(
            connection, subject=changed.subject, valid_at=service.clock.micros()
        )
        elsewhere = tuple(grant for grant in held if grant.department != changed.department)
        entry = entry_of(service, connection, key, changed.id)
        return Outcome(
            ChangedPerson(entry, elsewhere),
            fields=tuple(sorted(changes.said)),
            detail={"person": changed.id},
        )

    return service.spine.change(caller, operation("person.update"), act)


def place_person(
    service: Service, caller: Caller, person: str, version: int, to: Placement
) -> Entry:
    """Say who somebody is in the company and in which teams, in the version that was seen.

    What is sensitive in records about them opens by it, so it needs a second person: raises
    ApprovalRequired. Nobody places themselves: raises Conflict, as for a number that is taken;
    NotFound, VersionMismatch.
    """
    key = service.entrance.keys.contacts

    def whom(connection: Connection) -> Person:
        found = people.by_name_or_id(connection, person)
        if found.subject == caller.principal.subject:
            raise Conflict("nobody says whose records are their own; ask another administrator")
        return found

    def act(connection: Connection) -> Outcome[Entry]:
        found = whom(connection)
        placement.place(connection, found, version, to)
        return Outcome(
            entry_of(service, connection, key, found.id),
            fields=("employee", "teams"),
            detail={"person": found.id},
        )

    def terms(connection: Connection) -> Terms | None:
        found = whom(connection)
        placement.require_free(connection, to.employee, found.id)
        return {
            "subject": found.subject,
            "employee": to.employee or "",
            "teams": list(to.teams),
        }

    return service.spine.change(caller, operation("person.place"), act, terms)


def disable_person(service: Service, caller: Caller, person: str) -> DisabledPerson:
    """Shut somebody out at once, and void their invitation. Nobody disables themselves.

    One without whom too few could approve needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[DisabledPerson]:
        found = people.by_name_or_id(connection, person)
        if found.subject == caller.principal.subject:
            raise Conflict("you cannot disable yourself; ask another administrator")
        ended = people.disable_person(connection, service.clock, found.id)
        end_activations(connection, found.subject, at=service.clock.micros())
        invitations.end(connection, found.id)
        owned = service_accounts.list_accounts(connection, limit=1000, owner=found.id)
        active = tuple(each.name for each in owned if each.state == service_accounts.ACTIVE)
        now = people.read_person(connection, found.id)
        return Outcome(DisabledPerson(now, ended, active), detail={"person": found.id})

    def terms(connection: Connection) -> Terms | None:
        found = people.by_name_or_id(connection, person)
        if not service.approvers.too_few_without(connection, found.subject):
            return None
        return {"subject": found.subject, "state": people.DISABLED}

    return service.spine.change(caller, operation("person.disable"), act, terms)


def enable_person(service: Service, caller: Caller, person: str) -> Person:
    """Let a disabled person sign in again; who was never active needs a new invitation.

    One who holds a privileged role needs a second person: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        people.enable_person(connection, found.id)
        service.approvers.notice(connection)
        return Outcome(people.read_person(connection, found.id), detail={"person": found.id})

    def terms(connection: Connection) -> Terms | None:
        found = people.by_name_or_id(connection, person)
        if not holds_privileged_role(service, connection, found.subject):
            return None
        return {"subject": found.subject, "state": people.ACTIVE}

    return service.spine.change(caller, operation("person.enable"), act, terms)


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

    return service.spine.change(caller, operation("person.unlock"), act)


def entry_of(service: Service, connection: Connection, key: Secret, person_id: str) -> Entry:
    """The person with this id, as administrators see them."""
    return directory.read_entry(
        connection, service.clock, key, person_id, lock_after=service.entrance.attempts.lock_after
    )


def set_contact(
    service: Service,
    connection: Connection,
    key: Secret,
    person_id: str,
    *,
    address: str,
    language: str | None = None,
) -> None:
    """Keep where somebody who was never active is told. key: `IdentityKeys.contacts`."""
    contacts.set_contact(
        connection,
        service.clock,
        key,
        person_id,
        address=address,
        language=language,
        random=service.random,
    )


def in_use(connection: Connection, person: Person) -> bool:
    """Whether the person has signed in, or could: then nobody gives them a factor alone."""
    states = {device.state for device in devices.list_devices(connection, person.id)}
    enrolled = states & {devices.ACTIVE, devices.LOCKED}
    return bool(
        person.last_sign_in_at is not None
        or enrolled
        or passkeys.list_passkeys(connection, person.id)
    )


def context_words(service: Service, new: NewPerson | Person) -> tuple[str, ...]:
    """What an attacker tries first as somebody's password."""
    chosen = service.settings
    own = (new.name, new.display_name, new.department)
    return (*own, chosen.organisation, *chosen.identity.password_words)


def require_department(department: str) -> None:
    """Return when there is such a department. Raises InvalidInput."""
    if department not in DEPARTMENTS:
        raise InvalidInput.at("department", f"use one of {', '.join(DEPARTMENTS)}")


def operation(action: str) -> Operation:
    """An operation on people."""
    return Operation(action, "it", "people", "it/people")

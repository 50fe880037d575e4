"""Operations on invitations: a person is made by inviting them, and activates themselves.

Nobody who invites ever chooses or sees a password or a seed of somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.identity import invitations, people
from secvault.identity.invitations import Issued
from secvault.identity.people import NewPerson, Person
from secvault.service.people import holds_privileged_role, operation, require_department
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

HOUR = 3600


@dataclass(frozen=True)
class Invited:
    """Somebody who may activate their account until `expires_at` (microseconds, UTC).

    code: shown once, to be handed over; None when it was sent to their address.
    """

    person: Person
    code: Secret | None
    expires_at: int


def invite(service: Service, caller: Caller, new: NewPerson, *, send: bool = False) -> Invited:
    """Make a person who can sign in once they have activated their account by the code.

    send: to their address, instead of showing the code to the caller. Raises Conflict when the
    sign-in name is taken; InvalidInput.
    """
    require_department(new.department)
    if send:
        service.delivery.require(new.contact)

    def act(connection: Connection) -> Outcome[tuple[Person, Issued]]:
        made = people.create_person(connection, service.clock, new)
        issued = issue(service, connection, caller, made)
        return Outcome((made, issued), detail={"person": made.id, "expires_at": issued.expires_at})

    made, issued = service.spine.change(caller, operation("person.create"), act)
    return _handed_over(service, made, issued, send=send)


def invite_again(service: Service, caller: Caller, person: str, *, send: bool = False) -> Invited:
    """A new code for somebody who was never active; the earlier one is void from now on.

    person: sign-in name or id. Raises NotFound; Conflict for anybody else, and for who holds a
    privileged role once approvals are needed: whoever has the code could use it in their place.
    """

    def act(connection: Connection) -> Outcome[tuple[Person, Issued]]:
        found = people.by_name_or_id(connection, person)
        privileged = holds_privileged_role(service, connection, found)
        if privileged and service.approvers.needed(connection):
            raise Conflict(
                f"{found.name} holds a privileged role; revoke it, and give it again once they "
                "have activated their account"
            )
        if send:
            service.delivery.require(found.contact)
        issued = issue(service, connection, caller, found)
        return Outcome(
            (found, issued), detail={"person": found.id, "expires_at": issued.expires_at}
        )

    found, issued = service.spine.change(caller, operation("person.invite"), act)
    return _handed_over(service, found, issued, send=send)


def revoke_invitation(service: Service, caller: Caller, person: str) -> Person:
    """Void somebody's code. Raises NotFound; Conflict when there is none."""

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        people.hold_person(connection, found.id)
        if not invitations.end(connection, found.id):
            raise Conflict(f"{found.name} has no invitation")
        return Outcome(found, detail={"person": found.id})

    return service.spine.change(caller, operation("person.uninvite"), act)


def issue(service: Service, connection: Connection, caller: Caller, person: Person) -> Issued:
    """A code for this person, in the caller's transaction. Raises Conflict."""
    return invitations.issue(
        connection,
        service.clock,
        service.entrance.keys,
        person,
        seconds=service.settings.identity.invitation_hours * HOUR,
        by=caller.principal.subject,
        random=service.random,
    )


def _handed_over(service: Service, person: Person, issued: Issued, *, send: bool) -> Invited:
    # The one place where a code leaves: to the person, or to who invited them.
    if send:
        service.delivery.send(person, issued)
        return Invited(person, None, issued.expires_at)
    return Invited(person, issued.code, issued.expires_at)

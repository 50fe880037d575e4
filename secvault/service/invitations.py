"""Operations on invitations: a person is made by inviting them, and activates themselves.

Nobody who invites ever chooses or sees a password or a seed of somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.identity import contacts, invitations, people
from secvault.identity.contacts import Contact
from secvault.identity.invitations import Issued
from secvault.identity.people import NewPerson, Person
from secvault.service import invitation_mail
from secvault.service.giving import holds_privileged_role
from secvault.service.people import operation, require_department, set_contact
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
    sign-in name is taken; InvalidInput; Unavailable when the mail was not taken, but the person
    made.
    """
    require_department(new.department)
    key = service.entrance.keys.contacts
    if send:
        invitation_mail.require_way(service, new.contact)

    def act(connection: Connection) -> Outcome[tuple[Person, Issued]]:
        made, issued = make(service, connection, caller, key, new)
        return Outcome((made, issued), detail={"person": made.id, "expires_at": issued.expires_at})

    made, issued = service.spine.change(caller, operation("person.create"), act)
    return handed_over(service, made, issued, contact_in(new) if send else None)


def invite_again(service: Service, caller: Caller, person: str, *, send: bool = False) -> Invited:
    """A new code for somebody who was never active; the earlier one is void from now on.

    person: sign-in name or id. Raises NotFound; Conflict for anybody else, and for who holds a
    privileged role once approvals are needed: whoever has the code could use it in their place; as
    `invite` for `send`.
    """
    key = service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[tuple[Person, Contact, Issued]]:
        found = people.by_name_or_id(connection, person)
        privileged = holds_privileged_role(service, connection, found.subject)
        if privileged and service.approvers.needed(connection):
            raise Conflict(
                f"{found.name} holds a privileged role; revoke it, and give it again once they "
                "have activated their account"
            )
        contact = contacts.contact_of(connection, key, found.id)
        if send:
            invitation_mail.require_way(service, contact.address)
        issued = issue(service, connection, caller, found)
        return Outcome(
            (found, contact, issued), detail={"person": found.id, "expires_at": issued.expires_at}
        )

    found, contact, issued = service.spine.change(caller, operation("person.invite"), act)
    return handed_over(service, found, issued, contact if send else None)


def revoke_invitation(service: Service, caller: Caller, person: str) -> Person:
    """Void somebody's code. Raises NotFound; Conflict when there is none."""

    def act(connection: Connection) -> Outcome[Person]:
        found = people.by_name_or_id(connection, person)
        people.hold_person(connection, found.id)
        if not invitations.end(connection, found.id):
            raise Conflict(f"{found.name} has no invitation")
        return Outcome(found, detail={"person": found.id})

    return service.spine.change(caller, operation("person.uninvite"), act)


def make(
    service: Service, connection: Connection, caller: Caller, key: Secret, new: NewPerson
) -> tuple[Person, Issued]:
    """The new person with their contact and a code, in the caller's transaction.

    key: `IdentityKeys.contacts`. Raises Conflict.
    """
    made = people.create_person(connection, service.clock, new)
    if new.contact or new.language:
        set_contact(service, connection, key, made.id, address=new.contact, language=new.language)
    return made, issue(service, connection, caller, made)


def contact_in(new: NewPerson) -> Contact:
    """Where somebody who is made is to be reached."""
    return Contact(new.contact, language=new.language)


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


def handed_over(
    service: Service, person: Person, issued: Issued, sent_to: Contact | None
) -> Invited:
    """The one place where a code leaves: to the person, or to who invited them.

    sent_to: None to show it. Raises Unavailable.
    """
    if sent_to is not None:
        invitation_mail.send_code(service, person, sent_to, issued)
        return Invited(person, None, issued.expires_at)
    return Invited(person, issued.code, issued.expires_at)

"""What people do about where they are told of what happens to their accounts."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.errors import InvalidInput
from secvault.identity import contacts
from secvault.identity.contacts import Contact
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def own_contact(service: Service, caller: Caller) -> Contact:
    """The caller's contact. Raises InvalidInput for a system."""
    who, key = _person(caller), service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[Contact]:
        return Outcome(contacts.contact_of(connection, key, who), detail={"person": who})

    return service.spine.read(caller, _operation(caller, "contact.read"), act)


def change_contact(
    service: Service, caller: Caller, *, address: str | None = None, language: str | None = None
) -> Contact:
    """Set what is given of the caller's contact; an empty text takes it away.

    Both the address before and the new one are told. Raises InvalidInput naming the field, and for
    a system.
    """
    who, key = _person(caller), service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[Contact]:
        changed = contacts.set_contact(
            connection,
            service.clock,
            key,
            who,
            address=address,
            language=language,
            random=service.random,
        )
        return Outcome(changed, detail={"person": who})

    return service.spine.change(caller, _operation(caller, "contact.change"), act)


def _person(caller: Caller) -> str:
    if caller.principal.kind != "user":
        raise InvalidInput("only a person has a contact; sign in as one")
    return caller.principal.id


def _operation(caller: Caller, action: str) -> Operation:
    return Operation(action, "it", "session", f"it/people/{caller.principal.id}")

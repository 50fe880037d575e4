"""Where people are told of what happens to their accounts: an e-mail address, and a language.

Addresses are personal and of use to whoever wants to deceive somebody, so they are sealed for their
person. The one before is kept beside, because a change must be told where its owner reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.store.engine import insert_unless_there
from secvault.store.tables import person_contact

LANGUAGES = ("en", "vi")
LONGEST_ADDRESS = 254

# What mail servers take without quoting; a display name, a list or a quoted part has no place here.
_ADDRESS = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,63}"
)


@dataclass(frozen=True)
class Contact:
    """How to reach somebody. address, former: empty for none. language: empty for the default."""

    address: str = ""
    former: str = ""
    language: str = ""


NOWHERE = Contact()


def read_address(text: str, field: str = "address") -> str:
    """The address as it is kept; empty for none. Raises InvalidInput at `field`.

    Whether it reaches anybody is only known once something was sent there.
    """
    trimmed = text.strip()
    if trimmed and (len(trimmed) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(trimmed)):
        raise InvalidInput.at(field, "write one plain address, such as lan@example.com")
    return trimmed


def read_language(text: str) -> str:
    """The language as it is kept; empty for the default. Raises InvalidInput at `language`."""
    if text and text not in LANGUAGES:
        raise InvalidInput.at("language", f"use one of {', '.join(LANGUAGES)}")
    return text


def contact_of(connection: Connection, key: Secret, person: str) -> Contact:
    """The contact of this person; NOWHERE when there is none. Raises Damaged."""
    return contacts_of(connection, key, [person]).get(person, NOWHERE)


def contacts_of(
    connection: Connection, key: Secret, people: Iterable[str]
) -> Mapping[str, Contact]:
    """The contacts of those of these people, at most 1000, who have one. Raises Damaged."""
    rows = connection.execute(
        select(person_contact).where(person_contact.c.person.in_(list(people)))
    )
    return {
        row.person: Contact(
            _open(row.sealed_address, key, row.person),
            _open(row.sealed_former, key, row.person),
            row.language or "",
        )
        for row in rows
    }


def set_contact(
    connection: Connection,
    clock: Clock,
    key: Secret,
    person: str,
    *,
    address: str | None = None,
    language: str | None = None,
    random: Random = os.urandom,
) -> Contact:
    """Set what is given, with the caller's transaction; an empty text takes it away.

    An address that was there becomes the former one. Raises InvalidInput naming the field.
    """
    present = contact_of(connection, key, person)
    values: dict[str, object] = {"changed_at": clock.micros()}
    if language is not None:
        values["language"] = read_language(language) or None
    if address is not None:
        new = read_address(address)
        if new != present.address:
            values["sealed_address"] = _seal(new, key, person, random)
            values["sealed_former"] = _seal(present.address, key, person, random)
    if not insert_unless_there(connection, person_contact, {"person": person, **values}):
        connection.execute(
            update(person_contact).where(person_contact.c.person == person).values(values)
        )
    return contact_of(connection, key, person)


def _seal(address: str, key: Secret, person: str, random: Random) -> bytes | None:
    return aead.seal(address.encode(), key, _place(person), random) if address else None


def _open(sealed: bytes | None, key: Secret, person: str) -> str:
    if sealed is None:
        return ""
    return aead.open_sealed(sealed, key, _place(person), "The address of a person").decode()


def _place(person: str) -> bytes:
    return aead.bind("secvault/contact", person)

"""People who can sign in at once, made through the domain: what most tests begin with."""

from __future__ import annotations

from secvault.crypto.secret import Secret
from secvault.identity import enrolment, people, totp
from secvault.identity.people import NewPerson, Person
from secvault.service import Service


def activated(
    service: Service, name: str, department: str, password: str, seed: Secret | None = None
) -> tuple[Person, str]:
    """A person who has used their invitation: with this password and a device whose codes are all
    unused. seed: base32; made when None. Returns the seed beside the person.
    """
    own = seed or totp.base32(totp.new_seed(service.random))
    hashed = service.entrance.hasher.hash(Secret.of(password))
    with service.store.write() as connection:
        made = people.create_person(
            connection, service.clock, NewPerson.of(name, name.title(), department), hashed
        )
        enrolment.adopt_device(
            connection, service.clock, service.entrance.keys, made, name="phone", seed=own
        )
    return made, own.text()

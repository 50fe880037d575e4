"""People who can sign in at once, made through the domain: what most tests begin with."""

from __future__ import annotations

from secvault.crypto.secret import Secret
from secvault.identity import enrolment, people, totp
from secvault.identity.people import NewPerson, Person
from secvault.service import Service


def activated(service: Service, name: str, department: str, password: str) -> tuple[Person, str]:
    """A person who has used their invitation, and the seed (base32) of their device, whose codes
    are all unused.
    """
    made = with_password(service, name, department, password)
    seed = totp.base32(totp.new_seed(service.random))
    with service.store.write() as connection:
        enrolment.adopt_device(
            connection, service.clock, service.entrance.keys, made, name="phone", seed=seed
        )
    return made, seed.text()


def with_password(service: Service, name: str, department: str, password: str) -> Person:
    """An active person without any second factor, who cannot sign in therefore."""
    hashed = service.entrance.hasher.hash(Secret.of(password))
    new = NewPerson.of(name, name.title(), department)
    with service.store.write() as connection:
        return people.create_person(connection, service.clock, new, hashed)

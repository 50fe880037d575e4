"""A company with two administrators and somebody whose account one of them wants."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from secvault.access import add_grant
from secvault.crypto.secret import Secret
from secvault.identity import people
from secvault.service import Service, authentication, contacts, factors
from secvault.service.spine import Caller
from secvault.store import tables
from tests.activated import activated
from tests.running_service import PASSWORD, STEP, Hands, House, furnish, join

ROLES = (("role:hr.head", "hr"), ("role:it.admin", "it"))
ADMIN = ("role:it.admin", "it")
PREPARED = ("role:it.break_glass_holder", "it")

# What the administrator chooses for others, and the seed of tokens that they import.
CHOSEN = "marble lantern quiet orbit"
KNOWN_SEED = "3132333435363738393031323334353637383930"
KNOWN_BASE32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@dataclass
class Victim:
    """Somebody whose account is in use. known: what only they know."""

    id: str
    password: str = field(repr=False)
    seed: str = field(repr=False)
    recovery: tuple[str, ...] = field(repr=False)
    token: str = field(repr=False)

    @property
    def known(self) -> tuple[str, ...]:
        """Everything that lets somebody in as them."""
        return (self.password, self.seed, *self.recovery, self.token)


@dataclass(frozen=True)
class Company:
    """A house with the administrators `admin` and `second`, and the victim."""

    house: House
    victim: Victim


def company(folder: Path) -> Company:
    """A new one, at the present time, which the command line goes by."""
    house = furnish(folder, Hands(float(int(time.time()))))
    with house.open() as service:
        victim = _victim(service, house)
        join(service, house, "second", ADMIN)
        # What the one can do whom two have prepared for an emergency is more than an administrator.
        with service.store.write() as connection:
            add_grant(
                connection,
                service.policy.rules,
                subject=people.find_person(connection, "admin").subject,
                role=PREPARED[0],
                department=PREPARED[1],
                granted_by="local:operator",
                at=service.clock.micros(),
            )
        for name in ("admin", "second"):
            house.hands.seconds += STEP
            code = Secret.of(house.hands.code(house.seeds[name]))
            signed_in = authentication.sign_in(service, name, Secret.of(PASSWORD), code)
            house.tokens[name] = signed_in.token.text()
    return Company(house, victim)


def _victim(service: Service, house: House) -> Victim:
    password = "violet gravel umbrella forty"
    made, seed = activated(service, "victim", "hr", password)
    with service.store.write() as connection:
        for role, department in ROLES:
            add_grant(
                connection,
                service.policy.rules,
                subject=made.subject,
                role=role,
                department=department,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
    house.hands.seconds += STEP
    came = authentication.sign_in(
        service, "victim", Secret.of(password), Secret.of(house.hands.code(seed))
    )
    contacts.change_contact(service, Caller(came.principal), address="victim@example.com")
    shown = Secret.of(password)
    own = factors.make_recovery_codes(service, Caller(came.principal), password=shown)
    recovery = tuple(code.text() for code in own)
    return Victim(made.id, password, seed, recovery, came.token.text())


@dataclass(frozen=True)
class Account:
    """What lets somebody in as a person, as the store has it, where they are told of it, and who
    holds their roles.
    """

    password: str
    devices: frozenset[str]
    passkeys: frozenset[str]
    recovery: frozenset[bytes]
    resets: int
    told_at: bytes
    holders: frozenset[tuple[str, str]]


def account(service: Service, victim: Victim) -> Account:
    """The victim's account at this moment."""
    with service.store.read() as connection:

        def all_of(question: Any) -> list[Any]:
            return list(connection.execute(question).scalars())

        person, device, passkey = tables.person.c, tables.totp_device.c, tables.passkey.c
        code, reset, grant = tables.recovery_code.c, tables.reset_code.c, tables.role_grant.c
        contact = tables.person_contact.c
        roles = [role for role, _ in ROLES]
        return Account(
            all_of(select(person.password_hash).where(person.id == victim.id))[0],
            frozenset(all_of(select(device.id).where(device.person == victim.id))),
            frozenset(all_of(select(passkey.id).where(passkey.person == victim.id))),
            frozenset(all_of(select(code.digest).where(code.person == victim.id))),
            len(all_of(select(reset.id).where(reset.person == victim.id))),
            all_of(select(contact.sealed_address).where(contact.person == victim.id))[0],
            frozenset(
                (row.subject, row.role)
                for row in connection.execute(
                    select(grant.subject, grant.role).where(
                        grant.role.in_(roles), grant.revoked_at.is_(None)
                    )
                )
            ),
        )


def session_of(service: Service, victim: Victim) -> str:
    """The id of a session of the victim, which administrators see."""
    column = tables.session.c
    question = select(column.key_id).where(column.person == victim.id).limit(1)
    with service.store.read() as connection:
        return str(connection.execute(question).scalar_one())


def texts(answer: Any) -> Iterator[str]:
    """Every text in a JSON answer."""
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, dict):
        for value in answer.values():
            yield from texts(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from texts(value)

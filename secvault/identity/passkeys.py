"""Passkeys of people: kept, listed, used, removed. Several for each person, told apart by name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, literal, or_, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, NotFound
from secvault.identity import names, people
from secvault.identity.refusal import Reason, SignInRefused
from secvault.identity.relying_party import Asserted, Registered
from secvault.store.tables import passkey

MOST_PASSKEYS = 10


@dataclass(frozen=True)
class Passkey:
    """What is shown of a passkey; its key is not. Times in microseconds, UTC.

    backed_up: whether its maker keeps a copy, so that it survives the loss of the device.
    """

    id: str
    person: str
    name: str
    backed_up: bool
    created_at: int
    last_used_at: int | None


@dataclass(frozen=True)
class Verifier:
    """What an answer is checked against. public_key: COSE_Key."""

    id: str
    person: str
    public_key: bytes


_PASSKEY = (
    passkey.c.id,
    passkey.c.person,
    passkey.c.name,
    passkey.c.backed_up,
    passkey.c.created_at,
    passkey.c.last_used_at,
)


def check_name(connection: Connection, person_id: str, name: str) -> str:
    """The name as it will be shown. Raises InvalidInput; Conflict when it is in use or the person
    has ten passkeys.
    """
    shown_as = names.display_name(name, "name", names.LONGEST_LABEL)
    own = passkey.c.person == person_id
    if connection.execute(select(passkey.c.id).where(own, passkey.c.name == shown_as)).first():
        raise Conflict(f"there is a passkey called {shown_as!r} already; choose another name")
    present = connection.execute(select(func.count()).select_from(passkey).where(own))
    if present.scalar_one() >= MOST_PASSKEYS:
        raise Conflict(f"a person has at most {MOST_PASSKEYS} passkeys; remove one first")
    return shown_as


def add_passkey(
    connection: Connection, clock: Clock, person_id: str, name: str, new: Registered
) -> Passkey:
    """Keep a passkey, which works from now on. Raises as `check_name`; Conflict when the credential
    is registered already, for whomever.
    """
    people.hold_person(connection, person_id)
    shown_as = check_name(connection, person_id, name)
    known = select(passkey.c.id).where(passkey.c.credential_id == new.credential_id)
    if connection.execute(known).first():
        raise Conflict("this passkey is registered already")
    made = Passkey(names.new_id(clock), person_id, shown_as, new.backed_up, clock.micros(), None)
    connection.execute(
        insert(passkey).values(
            **vars(made),
            credential_id=new.credential_id,
            public_key=new.public_key,
            sign_count=new.sign_count,
            transports=" ".join(new.transports),
            backup_eligible=new.backup_eligible,
        )
    )
    return made


def list_passkeys(connection: Connection, person_id: str) -> tuple[Passkey, ...]:
    """The passkeys of a person in the order of their creation."""
    question = select(*_PASSKEY).where(passkey.c.person == person_id).order_by(passkey.c.id)
    return tuple(Passkey(**row._asdict()) for row in connection.execute(question))


def credential_ids(connection: Connection, person_id: str) -> tuple[bytes, ...]:
    """What the authenticators of a person know their passkeys by."""
    question = select(passkey.c.credential_id).where(passkey.c.person == person_id)
    return tuple(connection.execute(question.order_by(passkey.c.id)).scalars())


def find_verifier(connection: Connection, credential_id: bytes) -> Verifier | None:
    """What answers of this credential are checked against; None when it is not known."""
    row = connection.execute(
        select(passkey.c.id, passkey.c.person, passkey.c.public_key).where(
            passkey.c.credential_id == credential_id
        )
    ).one_or_none()
    return None if row is None else Verifier(row.id, row.person, row.public_key)


def note_use(connection: Connection, clock: Clock, used: Verifier, shown: Asserted) -> None:
    """Keep the new count, with the transaction that grants what the passkey was shown for.

    Raises SignInRefused when the count did not go up, which says that somebody has a copy of the
    key (WebAuthn Level 3, 6.1.1), or when the passkey was removed since.
    """
    goes_up = or_(
        passkey.c.sign_count < shown.sign_count,
        and_(passkey.c.sign_count == 0, literal(shown.sign_count) == 0),
    )
    noted = connection.execute(
        update(passkey)
        .where(passkey.c.id == used.id, goes_up)
        .values(sign_count=shown.sign_count, backed_up=shown.backed_up, last_used_at=clock.micros())
    )
    if noted.rowcount == 1:
        return
    still = connection.execute(select(passkey.c.id).where(passkey.c.id == used.id)).first()
    reason = Reason.COUNT_WENT_BACK if still else Reason.UNKNOWN_PASSKEY
    raise SignInRefused(reason, used.person)


def remove_passkey(connection: Connection, person_id: str, passkey_id: str) -> Passkey:
    """Remove a person's passkey, which is refused from now on. Raises NotFound, for another
    person's, too.

    Who changes the passkeys of one person at the same moment follow one another until the caller's
    transactions end, so that a look at what is left is true.
    """
    people.hold_person(connection, person_id)
    for present in list_passkeys(connection, person_id):
        if present.id == passkey_id:
            connection.execute(delete(passkey).where(passkey.c.id == passkey_id))
            return present
    raise NotFound("you have no such passkey")

"""People: their rows, from the day they are created to the day they are disabled.

Nobody is ever deleted: the audit log names them by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import names, places, sessions
from secvault.identity.passwords import PasswordHash
from secvault.store.tables import external_identity, person

ACTIVE = "active"
DISABLED = "disabled"
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in. Times in microseconds since the epoch, UTC.

    name: the sign-in name, folded. state: `active` or `disabled`. failures: attempts to sign in
    since the last success.
    """

    id: str
    name: str
    display_name: str
    department: str
    state: str
    password_changed_at: int
    failures: int
    next_try_at: int
    created_at: int
    last_sign_in_at: int | None

    @property
    def subject(self) -> str:
        """How policies and the audit log name this person."""
        return f"user:{self.id}"


@dataclass(frozen=True)
class NewPerson:
    """What is said of a person at creation, in the form that it is stored in."""

    name: str
    display_name: str
    department: str

    @classmethod
    def of(cls, name: str, display_name: str, department: str) -> NewPerson:
        """From what somebody typed. Raises InvalidInput, naming the field."""
        return cls(
            names.sign_in_name(name),
            names.display_name(display_name),
            names.department_name(department),
        )


_PERSON = tuple(column for column in person.c if column.name != "password_hash")


def create_person(
    connection: Connection, clock: Clock, new: NewPerson, password: PasswordHash
) -> Person:
    """Create an active person; durable with the caller's transaction.

    password: made by `PasswordHasher.hash_new` before the transaction began, because it takes
    long. Raises Conflict when the sign-in name is taken.
    """
    taken = connection.execute(select(person.c.id).where(person.c.name == new.name)).first()
    if taken is not None:
        raise Conflict(f"the sign-in name {new.name} is taken; choose another")
    now = clock.micros()
    created = Person(
        id=names.new_id(clock),
        name=new.name,
        display_name=new.display_name,
        department=new.department,
        state=ACTIVE,
        password_changed_at=now,
        failures=0,
        next_try_at=0,
        created_at=now,
        last_sign_in_at=None,
    )
    connection.execute(insert(person).values(**vars(created), password_hash=password))
    return created


def read_person(connection: Connection, person_id: str) -> Person:
    """The person with this id. Raises NotFound."""
    row = None
    if names.is_id(person_id):
        row = connection.execute(select(*_PERSON).where(person.c.id == person_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no person with the id {person_id[:64]!r}")
    return _person(row)


def find_person(connection: Connection, name: str) -> Person:
    """The person with this sign-in name, in any spelling of it. Raises NotFound, InvalidInput."""
    folded = names.sign_in_name(name)
    row = connection.execute(select(*_PERSON).where(person.c.name == folded)).one_or_none()
    if row is None:
        raise NotFound(f"there is no person with the sign-in name {folded}")
    return _person(row)


def by_name_or_id(connection: Connection, text: str) -> Person:
    """The person with this id, or else with this sign-in name. Raises NotFound."""
    if names.is_id(text):
        return read_person(connection, text)
    try:
        return find_person(connection, text)
    except InvalidInput:
        raise NotFound(f"there is no person {text[:64]!r}") from None


def list_people(
    connection: Connection,
    *,
    after: str = "",
    limit: int = 100,
    state: str | None = None,
    department: str | None = None,
) -> tuple[Person, ...]:
    """People in the order of their creation, at most `limit` (1 to 1000).

    after: id of the last person of the page before. A page shorter than `limit` is the last.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be 1 to {LARGEST_PAGE}")
    if after and not names.is_id(after):
        raise InvalidInput.at("after", "must be the id that ended the page before")
    question = select(*_PERSON).where(person.c.id > after).order_by(person.c.id).limit(limit)
    if state is not None:
        question = question.where(person.c.state == state)
    if department is not None:
        question = question.where(person.c.department == department)
    return tuple(_person(row) for row in connection.execute(question))


def count_people(connection: Connection) -> int:
    """How many people there are, disabled ones too. The first administrator is made at zero."""
    return connection.execute(select(func.count()).select_from(person)).scalar_one()


def disable_person(connection: Connection, clock: Clock, person_id: str) -> int:
    """Shut somebody out: their sessions end with the caller's transaction. Returns how many.

    Whom a provider has disabled is disabled here, too, from then on, and the provider cannot undo
    it. Raises NotFound; Conflict when they are disabled here already.
    """
    known = read_person(connection, person_id)
    kept = external_identity.c
    taken_over = connection.execute(
        update(external_identity)
        .where(kept.person == person_id, kept.suspended)
        .values(suspended=False)
    )
    if taken_over.rowcount and known.state == DISABLED:
        return 0
    _change_state(connection, person_id, ACTIVE, DISABLED)
    return sessions.end_all_sessions(connection, clock, person_id)


def describe_person(connection: Connection, person_id: str, name: str, display_name: str) -> None:
    """Give somebody this sign-in name and this name to read, both as `NewPerson` has them.

    Raises Conflict when the sign-in name is taken.
    """
    taken = select(person.c.id).where(person.c.name == name, person.c.id != person_id)
    if connection.execute(taken).first() is not None:
        raise Conflict(f"the sign-in name {name} is taken; choose another")
    connection.execute(
        update(person).where(person.c.id == person_id).values(name=name, display_name=display_name)
    )


def enable_person(connection: Connection, person_id: str) -> None:
    """Let a disabled person sign in again; old sessions stay ended. Raises NotFound, Conflict."""
    _change_state(connection, person_id, DISABLED, ACTIVE)


def set_password(
    connection: Connection,
    clock: Clock,
    person_id: str,
    password: PasswordHash,
    keep: str | None = None,
) -> int:
    """Replace the password and end every session of the person. Returns how many ended.

    keep: key id of the one session that stays, of who changes their own password. The second
    factor stays as it is (OWASP ASVS 5.0, 6.4.3). Raises NotFound.
    """
    read_person(connection, person_id)
    connection.execute(
        update(person)
        .where(person.c.id == person_id)
        .values(
            password_hash=password,
            password_changed_at=clock.micros(),
            failures=0,
            next_try_at=0,
        )
    )
    return sessions.end_all_sessions(connection, clock, person_id, keep)


def hold_person(connection: Connection, person_id: str) -> None:
    """Have others who hold or change this person wait for the end of the caller's transaction.

    To be called before rows that belong to the person are changed, so that no two wait for each
    other.
    """
    held = select(person.c.id).where(person.c.id == person_id)
    connection.execute(held.with_for_update(key_share=True))


def clear_failures(connection: Connection, person_id: str) -> None:
    """Let the person try again at once. Locked devices stay locked. Raises NotFound."""
    read_person(connection, person_id)
    places.forget_failures_at(connection, person_id, None)
    connection.execute(
        update(person).where(person.c.id == person_id).values(failures=0, next_try_at=0)
    )


def _change_state(connection: Connection, person_id: str, before: str, after: str) -> None:
    read_person(connection, person_id)
    changed = connection.execute(
        update(person).where(person.c.id == person_id, person.c.state == before).values(state=after)
    )
    if changed.rowcount != 1:
        raise Conflict(f"this person is {after} already")


def _person(row: Row[Any]) -> Person:
    return Person(**row._asdict())

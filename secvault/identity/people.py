"""People: their rows, from the day they are invited to the day they are disabled.

Nobody is ever deleted: the audit log names them by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, not_, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, InvalidInput, NotFound, VersionMismatch
from secvault.identity import contacts, names, places, sessions
from secvault.identity.passwords import PasswordHash
from secvault.store.tables import external_identity, mfa_request, passkey_challenge, person

INVITED = "invited"
ACTIVE = "active"
DISABLED = "disabled"


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in. Times in microseconds since the epoch, UTC.

    name: the sign-in name, folded. state: `invited` until the person has chosen a password and
    enrolled a factor, then `active`, or `disabled`. failures: attempts to sign in since the last
    success. activated_at: None before the invitation was used. version: grows with every change
    by administrators. notes: free text, empty when there is none. Addresses are in `contacts`.
    employee: their number in the company, None when nobody said it. teams: theirs, one a line.
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
    activated_at: int | None = None
    version: int = 1
    notes: str = ""
    employee: str | None = None
    teams: str = ""

    @property
    def team_names(self) -> tuple[str, ...]:
        """The teams that they are in, sorted."""
        return tuple(self.teams.splitlines())

    @property
    def subject(self) -> str:
        """How policies and the audit log name this person."""
        return f"user:{self.id}"


@dataclass(frozen=True)
class NewPerson:
    """What is said of a person at creation, in the form that it is stored in.

    contact, language: not for the row, but for `contacts.set_contact`; empty for none.
    """

    name: str
    display_name: str
    department: str
    contact: str = ""
    notes: str = ""
    language: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        display_name: str,
        department: str,
        contact: str = "",
        notes: str = "",
        language: str = "",
    ) -> NewPerson:
        """From what somebody typed. Raises InvalidInput, naming the field."""
        return cls(
            names.sign_in_name(name),
            names.display_name(display_name),
            names.department_name(department),
            contacts.read_address(contact, "contact"),
            names.notes(notes),
            contacts.read_language(language),
        )


@dataclass(frozen=True)
class Changes:
    """What is to be said of a person from now on; None for what stays as it is.

    contact: not for the row, but for `contacts.set_contact`.
    """

    display_name: str | None = None
    department: str | None = None
    contact: str | None = None
    notes: str | None = None

    @classmethod
    def of(
        cls,
        display_name: str | None = None,
        department: str | None = None,
        contact: str | None = None,
        notes: str | None = None,
    ) -> Changes:
        """From what somebody typed. Raises InvalidInput, naming the field."""
        return cls(
            None if display_name is None else names.display_name(display_name),
            None if department is None else names.department_name(department),
            None if contact is None else contacts.read_address(contact, "contact"),
            None if notes is None else names.notes(notes),
        )

    @property
    def said(self) -> dict[str, str]:
        """What is changed, by the names of the fields."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def of_row(self) -> dict[str, str]:
        """The same without what is kept elsewhere."""
        return {name: value for name, value in self.said.items() if name != "contact"}


_PERSON = tuple(person.c[each.name] for each in fields(Person))
# SQLite takes 32,766 values in one statement, PostgreSQL 65,535.
_AT_ONCE = 1000
_NO_PASSWORD = PasswordHash("")


def create_person(
    connection: Connection, clock: Clock, new: NewPerson, password: PasswordHash | None = None
) -> Person:
    """Create a person; durable with the caller's transaction.

    password: made by `PasswordHasher.hash_new` before the transaction began, because it takes
    long; whoever has one is active at once. Without one the person is invited, and cannot sign
    in before `activate_person`. Raises Conflict when the sign-in name is taken.
    """
    taken = connection.execute(select(person.c.id).where(person.c.name == new.name)).first()
    if taken is not None:
        raise _taken(new.name)
    now = clock.micros()
    created = Person(
        id=names.new_id(clock),
        name=new.name,
        display_name=new.display_name,
        department=new.department,
        state=ACTIVE if password else INVITED,
        password_changed_at=now,
        failures=0,
        next_try_at=0,
        created_at=now,
        last_sign_in_at=None,
        activated_at=now if password else None,
        notes=new.notes,
    )
    connection.execute(
        insert(person).values(
            **vars(created),
            password_hash=password or _NO_PASSWORD,
            searched=names.searched(new.name, new.display_name),
        )
    )
    return created


def activate_person(
    connection: Connection, clock: Clock, person_id: str, password: PasswordHash
) -> None:
    """Let an invited person sign in from now on, with the password that they chose.

    Raises Conflict when they are not invited any more.
    """
    now = clock.micros()
    activated = connection.execute(
        update(person)
        .where(person.c.id == person_id, person.c.state == INVITED)
        .values(state=ACTIVE, password_hash=password, password_changed_at=now, activated_at=now)
    )
    if activated.rowcount != 1:
        raise Conflict("this person is not waiting for an activation")


def change_person(connection: Connection, person_id: str, version: int, changes: Changes) -> Person:
    """Change what is said of a person, if nobody else did since `version` was read.

    Raises NotFound, VersionMismatch.
    """
    before = read_person(connection, person_id)
    display_name = changes.display_name or before.display_name
    changed = connection.execute(
        update(person)
        .where(person.c.id == person_id, person.c.version == version)
        .values(
            **changes.of_row,
            version=version + 1,
            searched=names.searched(before.name, display_name),
        )
    )
    if changed.rowcount != 1:
        raise VersionMismatch(
            f"this person has version {before.version}, not {version}: read them again, then "
            "change them"
        )
    return read_person(connection, person_id)


def rename_invited(connection: Connection, person_id: str, name: str, display_name: str) -> None:
    """Give somebody who was never active another sign-in name. Raises Conflict when it is taken."""
    _rename(connection, name, display_name, person.c.id == person_id, person.c.state == INVITED)


def rename_person(connection: Connection, person_id: str, name: str, display_name: str) -> None:
    """Give somebody this sign-in name and this name to read, both as `NewPerson` has them.

    Raises Conflict when the sign-in name is taken.
    """
    _rename(connection, name, display_name, person.c.id == person_id)


def _rename(
    connection: Connection, name: str, display_name: str, *chosen: ColumnElement[bool]
) -> None:
    taken = select(person.c.id).where(person.c.name == name, not_(and_(*chosen)))
    if connection.execute(taken).first() is not None:
        raise _taken(name)
    connection.execute(
        update(person)
        .where(*chosen)
        .values(
            name=name,
            display_name=display_name,
            searched=names.searched(name, display_name),
            version=person.c.version + 1,
        )
    )


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


def any_activated(connection: Connection, ids: Iterable[str]) -> bool:
    """Whether one of these people has ever been active."""
    chosen = select(person.c.id).where(
        person.c.id.in_(list(ids)), person.c.activated_at.is_not(None)
    )
    return connection.execute(chosen.limit(1)).first() is not None


def names_taken(connection: Connection, wanted: Iterable[str]) -> frozenset[str]:
    """Those of these sign-in names, in their one form, that somebody has."""
    asked = list(wanted)
    found: set[str] = set()
    for at in range(0, len(asked), _AT_ONCE):
        chosen = select(person.c.name).where(person.c.name.in_(asked[at : at + _AT_ONCE]))
        found.update(connection.execute(chosen).scalars())
    return frozenset(found)


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
    _change_state(connection, person_id, (ACTIVE, INVITED), DISABLED)
    return sessions.end_all_sessions(connection, clock, person_id)


def enable_person(connection: Connection, person_id: str) -> None:
    """Let a disabled person sign in again, anew: old sessions, and what was begun, stay ended.

    Whoever was never active is invited again, and needs a new invitation. Raises NotFound,
    Conflict.
    """
    before = read_person(connection, person_id)
    after = INVITED if before.activated_at is None else ACTIVE
    _change_state(connection, person_id, (DISABLED,), after)
    connection.execute(delete(mfa_request).where(mfa_request.c.person == person_id))
    connection.execute(delete(passkey_challenge).where(passkey_challenge.c.person == person_id))


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


def has_password(connection: Connection, person_id: str) -> bool:
    """Whether the person signs in with a password of their own."""
    kept = select(person.c.password_hash).where(person.c.id == person_id)
    return bool(connection.execute(kept).scalar())


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


def _taken(name: str) -> Conflict:
    return Conflict(f"the sign-in name {name} is taken; choose another")


def _change_state(
    connection: Connection, person_id: str, before: tuple[str, ...], after: str
) -> None:
    read_person(connection, person_id)
    changed = connection.execute(
        update(person)
        .where(person.c.id == person_id, person.c.state.in_(before))
        .values(state=after, version=person.c.version + 1)
    )
    if changed.rowcount != 1:
        raise Conflict(f"this person is {after} already")


def _person(row: Row[Any]) -> Person:
    return Person(**row._asdict())

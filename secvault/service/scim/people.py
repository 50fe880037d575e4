"""The people of a provider, as it reads and writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scim2_models import (
    InvalidValueException,
    MutabilityException,
    NotFoundException,
    PreconditionFailedException,
    UniquenessException,
)
from sqlalchemy import Row, func, select

from secvault.access.eligibility import end_activations
from secvault.errors import Conflict, InvalidInput
from secvault.identity import external, invitations, names, people, scim_groups
from secvault.identity.external import ExternalIdentity, Origin
from secvault.identity.passwords import PasswordHash
from secvault.identity.people import NewPerson
from secvault.service.scim.description import User
from secvault.service.scim.source import Source, with_meta
from secvault.store.tables import external_identity, person

_KNOWN = external_identity.c
_NOBODY = "there is no such person of yours"
_BROUGHT = (Origin.CREATED, Origin.PROVISIONED)
_COLUMNS = (
    person.c.id,
    person.c.name,
    person.c.display_name,
    person.c.state,
    _KNOWN.external_id,
    _KNOWN.created_at,
    _KNOWN.changed_at,
)


class People:
    """The people whom the provider brought and has not let go of.

    Whom the provider can sign in, because it says who that is there, is active from the beginning;
    anybody else is invited, and activates themselves by a code that an administrator hands them.
    password: the hash of one that nobody knows, for who becomes active; None where nobody does.
    """

    def __init__(self, source: Source, password: PasswordHash | None) -> None:
        self._source = source
        self._password = password

    def get(self, id_: str, *, hold: bool) -> User:
        """One of them. hold: until the transaction ends. Raises NotFoundException."""
        if not names.is_id(id_):
            raise NotFoundException(detail=_NOBODY)
        if hold:
            people.hold_person(self._source.connection, id_)
        row = self._source.connection.execute(self._question(person.c.id == id_)).one_or_none()
        if row is None:
            raise NotFoundException(detail=_NOBODY)
        return _user(row)

    def count(self) -> int:
        """How many there are."""
        question = select(func.count()).select_from(self._question().subquery())
        return self._source.connection.execute(question).scalar_one()

    def page(self, skip: int, limit: int | None) -> list[User]:
        """Some of them, the oldest first."""
        question = self._question().order_by(person.c.id).offset(skip).limit(limit)
        return [_user(row) for row in self._source.connection.execute(question)]

    def named(self, attribute: str, value: str) -> Iterator[User]:
        """Those with exactly this `userName` or `externalId`, which is how providers look."""
        column = person.c.name if attribute == "userName" else _KNOWN.external_id
        given = _folded(value) if attribute == "userName" else value
        for row in self._source.connection.execute(self._question(column == given)):
            yield _user(row)

    def create(self, given: User) -> User:
        """Bring somebody; who was brought before comes back under the id that they had."""
        new = self._described(given)
        back = self._let_go(given.external_id)
        if back is None:
            id_ = self._make(new, given)
        else:
            id_ = back.person
            people.hold_person(self._source.connection, id_)
            self._describe(id_, new)
            called = self._names(given, id_)
            self._require_free(called, id_)
            self._change(back, deprovisioned_at=None, **called)
        self._set_active(id_, wanted=given.active)
        self._open(id_)
        self._source.give_roles(id_)
        self._source.touched = id_
        return self.get(id_, hold=False)

    def update(self, given: User, expected_version: str | None) -> User:
        """Make somebody what is given."""
        id_ = given.id or ""
        present = self.get(id_, hold=True)
        _check_version(present, expected_version)
        new = self._described(given)
        known = self._known(id_)
        self._describe(id_, new)
        called = self._names(given, id_)
        if called != {"external_id": known.external_id, "subject": known.subject}:
            self._require_free(called, id_)
        self._change(known, **called)
        if given.active != present.active:
            self._set_active(id_, wanted=given.active)
        self._open(id_)
        self._source.touched = id_
        return self.get(id_, hold=False)

    def delete(self, id_: str, expected_version: str | None) -> None:
        """Let go of somebody: they are disabled, and stay for the audit log."""
        _check_version(self.get(id_, hold=True), expected_version)
        self._set_active(id_, wanted=False)
        scim_groups.leave_all(self._source.connection, self._source.provider, id_)
        self._source.give_roles(id_)
        self._source.end_roles_of_sign_ins(id_)
        self._change(self._known(id_), deprovisioned_at=self._source.service.clock.micros())
        self._source.touched = id_

    def brought(self, ids: frozenset[str]) -> frozenset[str]:
        """Those of these ids that are people of the provider."""
        question = self._question(person.c.id.in_({each for each in ids if names.is_id(each)}))
        return frozenset(row.id for row in self._source.connection.execute(question))

    def _question(self, *conditions: Any) -> Any:
        return (
            select(*_COLUMNS)
            .join_from(external_identity, person)
            .where(
                _KNOWN.provider == self._source.provider,
                _KNOWN.deprovisioned_at.is_(None),
                _KNOWN.origin.in_(_BROUGHT),
                *conditions,
            )
        )

    def _described(self, given: User) -> NewPerson:
        name = given.user_name or ""
        try:
            return NewPerson.of(name, given.display_name or name, self._source.settings.department)
        except InvalidInput as error:
            raise InvalidValueException(detail=error.detail) from None

    def _make(self, new: NewPerson, given: User) -> str:
        connection, service = self._source.connection, self._source.service
        called = self._names(given, "")
        self._require_free(called, "")
        password = self._password if called["subject"] else None
        try:
            made = people.create_person(connection, service.clock, new, password)
        except Conflict:
            raise UniquenessException(detail="the userName is taken") from None
        external.add(
            connection,
            service.clock,
            self._source.provider,
            made.id,
            Origin.PROVISIONED,
            **called,
        )
        self._source.note("person.create", made.id)
        return made.id

    def _describe(self, id_: str, new: NewPerson) -> None:
        try:
            people.rename_person(self._source.connection, id_, new.name, new.display_name)
        except Conflict:
            raise UniquenessException(detail="the userName is taken") from None

    def _names(self, given: User, id_: str) -> dict[str, str | None]:
        """How the provider names somebody: here, and, where the settings say so, at a sign-in.

        id_: of who is there already, else empty. Whose `sub` is known keeps it for good: with
        another, somebody else would sign in as them. Raises MutabilityException.
        """
        so_far = self._known(id_).subject if id_ else None
        asked = {"none": so_far, "external_id": given.external_id, "user_name": given.user_name}
        subject = asked[self._source.settings.subject]
        if so_far is not None and subject != so_far:
            # Sign-in names are kept in one form, and come back in it.
            by_name = self._source.settings.subject == "user_name"
            same = subject is None or (by_name and _folded(subject) == _folded(so_far))
            if not same:
                raise MutabilityException(
                    detail="this person signs in under the name that would change; it never does"
                )
            subject = so_far
        return {"external_id": given.external_id, "subject": subject}

    def _require_free(self, called: dict[str, str | None], id_: str) -> None:
        provider = self._source.provider
        for name, value in called.items():
            if value is None:
                continue
            found = external.find(self._source.connection, provider, **{name: value})
            if found is not None and found.person != id_:
                raise UniquenessException(detail="the externalId is another person's")

    def _let_go(self, external_id: str | None) -> ExternalIdentity | None:
        if external_id is None:
            return None
        found = external.find(
            self._source.connection, self._source.provider, external_id=external_id
        )
        if found is not None and found.deprovisioned_at is None:
            raise UniquenessException(detail="the externalId is another person's")
        return found

    def _known(self, id_: str) -> ExternalIdentity:
        found = external.find(self._source.connection, self._source.provider, person=id_)
        assert found is not None  # noqa: S101 - asked for by id before
        return found

    def _change(self, known: ExternalIdentity, **values: Any) -> None:
        external.change(self._source.connection, self._source.service.clock, known, **values)

    def _set_active(self, id_: str, *, wanted: bool) -> None:
        """Disable or enable; whom somebody here has disabled, a provider cannot enable."""
        connection, service = self._source.connection, self._source.service
        somebody, known = people.read_person(connection, id_), self._known(id_)
        disabled = somebody.state == people.DISABLED
        if not wanted and not disabled:
            self._source.require_enough_without(somebody)
            people.disable_person(connection, service.clock, id_)
            end_activations(connection, somebody.subject, at=service.clock.micros())
            invitations.end(connection, id_)
            self._change(known, suspended=True)
            self._source.note("person.disable", id_)
        elif wanted and disabled and known.suspended:
            self._source.require_no_say(somebody)
            people.enable_person(connection, id_)
            self._change(known, suspended=False)
            self._source.note("person.enable", id_)

    def _open(self, id_: str) -> None:
        """Make somebody active whom the provider can sign in by now; their code ends with it."""
        connection, service = self._source.connection, self._source.service
        invited = people.read_person(connection, id_).state == people.INVITED
        if not invited or self._password is None or self._known(id_).subject is None:
            return
        invitations.end(connection, id_)
        people.activate_person(connection, service.clock, id_, self._password)
        self._source.give_roles(id_)


def _user(row: Row[*tuple[Any, ...]]) -> User:
    user = User(
        id=row.id,
        external_id=row.external_id,
        user_name=row.name,
        # Who has no other name to be read by has the sign-in name.
        display_name=None if row.display_name == row.name else row.display_name,
        active=row.state != people.DISABLED,
    )
    with_meta(user, "User", row.created_at, row.changed_at)
    return user


def _folded(name: str) -> str:
    try:
        return NewPerson.of(name, name, "it").name
    except InvalidInput:
        # Nobody can have this name.
        return ""


def _check_version(present: User, expected: str | None) -> None:
    assert present.meta is not None  # noqa: S101 - `with_meta`
    if expected is not None and present.meta.version != expected:
        raise PreconditionFailedException

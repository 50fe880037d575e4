"""Whom decisions are about: from a caller's name for somebody to the person or system here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, false, select

from secvault.access import Asker
from secvault.access.authzen import PERSON, SubjectType
from secvault.access.conditions import NOBODY
from secvault.errors import InvalidInput
from secvault.identity import names, people, service_accounts
from secvault.store.tables import external_identity, person, service_account

_AT_ONCE = 500


@dataclass(frozen=True)
class Somebody:
    """A person or system. asker: what conditions may know of them. active: whether they can act at
    all; nobody else is ever answered yes about.
    """

    id: str
    subject: str
    asker: Asker
    active: bool
    name: str
    employee: str | None = None


def find(connection: Connection, sort: SubjectType, text: str) -> Somebody | None:
    """The one whom `text` names in one of the ways of its type; None when nobody, or several."""
    if not text.isprintable():
        return None
    if sort.kind == PERSON:
        meant = _people_named(sort.ids, text)
        found = list(_people(connection, meant, limit=2))
    else:
        found = list(_systems(connection, _systems_named(sort.ids, text), limit=2))
    return found[0] if len(found) == 1 else None


def after(connection: Connection, kind: str, last: str) -> Iterator[Somebody]:
    """Everybody active of this kind whose id comes after `last`, in order of ids."""
    while True:
        if kind == PERSON:
            here = (person.c.id > last) & (person.c.state == people.ACTIVE)
            found = list(_people(connection, here, limit=_AT_ONCE))
        else:
            later = service_account.c.id > last
            found = list(_systems(connection, later, limit=_AT_ONCE))
        yield from (one for one in found if one.active)
        if len(found) < _AT_ONCE:
            return
        last = found[-1].id


def shown_id(connection: Connection, sort: SubjectType, somebody: Somebody) -> str | None:
    """What callers call somebody: the first of the type's ids that they have; None for none."""
    plain = {"name": somebody.name, "id": somebody.id, "employee": somebody.employee}
    for way in sort.ids:
        known = plain[way] if way in plain else _external_id(connection, somebody.id)
        if known:
            return known
    return None


def _external_id(connection: Connection, person_id: str) -> str | None:
    kept = external_identity.c
    row = connection.execute(
        select(kept.external_id, kept.subject)
        .where(kept.person == person_id, kept.deprovisioned_at.is_(None))
        .order_by(kept.provider)
    ).first()
    return (row.external_id or row.subject) if row else None


def _people_named(ways: Iterable[str], text: str) -> ColumnElement[bool]:
    meant: ColumnElement[bool] = false()
    for way in ways:
        if way == "id" and names.is_id(text):
            meant = meant | (person.c.id == text)
        elif way == "name":
            meant = meant | (person.c.name == _folded(text))
        elif way == "employee":
            meant = meant | (person.c.employee == names.compared(text))
        elif way == "external":
            kept = external_identity.c
            known = select(kept.person).where(
                (kept.external_id == text) | (kept.subject == text),
                kept.deprovisioned_at.is_(None),
            )
            meant = meant | person.c.id.in_(known)
    return meant


def _systems_named(ways: Iterable[str], text: str) -> ColumnElement[bool]:
    meant: ColumnElement[bool] = false()
    for way in ways:
        if way == "id" and names.is_id(text):
            meant = meant | (service_account.c.id == text)
        elif way == "name":
            meant = meant | (service_account.c.name == _folded(text))
    return meant


def _folded(text: str) -> str:
    """The sign-in name in the form that is stored; empty, which nobody has, when it can be none."""
    try:
        return names.sign_in_name(text)
    except InvalidInput:
        return ""


def _people(
    connection: Connection, which: ColumnElement[bool], *, limit: int
) -> Iterator[Somebody]:
    asked = select(
        person.c.id, person.c.name, person.c.state, person.c.employee, person.c.teams
    ).where(which)
    for row in connection.execute(asked.order_by(person.c.id).limit(limit)):
        yield Somebody(
            row.id,
            f"user:{row.id}",
            Asker(row.employee, frozenset(row.teams.splitlines())),
            row.state == people.ACTIVE,
            row.name,
            row.employee,
        )


def _systems(
    connection: Connection, which: ColumnElement[bool], *, limit: int
) -> Iterator[Somebody]:
    asked = select(service_account.c.id, service_account.c.name, service_account.c.state).where(
        which
    )
    for row in connection.execute(asked.order_by(service_account.c.id).limit(limit)):
        active = row.state == service_accounts.ACTIVE
        yield Somebody(row.id, f"svc:{row.id}", NOBODY, active, row.name)

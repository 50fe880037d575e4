"""Groups that a provider brings by SCIM, and who of its people is in them: rows, and no rights.

What a group gives stands in the settings; see `service.scim`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from secvault.clock import Clock
from secvault.identity import names
from secvault.store.tables import scim_group, scim_group_member


@dataclass(frozen=True)
class ScimGroup:
    """A group. members: the id of each person in it. Times in microseconds, UTC."""

    id: str
    provider: str
    display_name: str
    external_id: str | None
    created_at: int
    changed_at: int
    members: tuple[str, ...] = ()

    @property
    def people(self) -> frozenset[str]:
        """Those who are in it."""
        return frozenset(self.members)


def create(
    connection: Connection, clock: Clock, provider: str, display_name: str, external_id: str | None
) -> str:
    """Make an empty group; its id. Raises Conflict at once or at the end when the name is taken."""
    id_, now = names.new_id(clock), clock.micros()
    connection.execute(
        insert(scim_group).values(
            id=id_,
            provider=provider,
            display_name=display_name,
            external_id=external_id,
            created_at=now,
            changed_at=now,
        )
    )
    return id_


def find(
    connection: Connection, provider: str, id_: str, *, hold: bool = False
) -> ScimGroup | None:
    """The provider's group of this id. hold: until the caller's transaction ends."""
    question = select(scim_group).where(scim_group.c.provider == provider, scim_group.c.id == id_)
    if hold:
        question = question.with_for_update()
    row = connection.execute(question).one_or_none()
    return _group(connection, row) if row else None


def by_name(connection: Connection, provider: str, display_name: str) -> str | None:
    """The id of the provider's group of this name."""
    kept = scim_group.c
    found: str | None = connection.execute(
        select(kept.id).where(kept.provider == provider, kept.display_name == display_name)
    ).scalar()
    return found


def page(
    connection: Connection, provider: str, *, skip: int = 0, limit: int | None = None
) -> tuple[ScimGroup, ...]:
    """The provider's groups, the oldest first."""
    rows = connection.execute(
        select(scim_group)
        .where(scim_group.c.provider == provider)
        .order_by(scim_group.c.id)
        .offset(skip)
        .limit(limit)
    ).all()
    return tuple(_group(connection, row) for row in rows)


def count(connection: Connection, provider: str) -> int:
    """How many groups the provider has here."""
    question = select(func.count()).select_from(scim_group)
    return connection.execute(question.where(scim_group.c.provider == provider)).scalar_one()


def change(
    connection: Connection, clock: Clock, id_: str, display_name: str, external_id: str | None
) -> None:
    """Give the group this name, and the provider's own name for it."""
    connection.execute(
        update(scim_group)
        .where(scim_group.c.id == id_)
        .values(display_name=display_name, external_id=external_id, changed_at=clock.micros())
    )


def set_members(connection: Connection, id_: str, people: Iterable[str]) -> None:
    """Have exactly these people in the group."""
    connection.execute(delete(scim_group_member).where(scim_group_member.c.scim_group == id_))
    rows = [{"scim_group": id_, "person": each} for each in sorted(set(people))]
    if rows:
        connection.execute(insert(scim_group_member), rows)


def remove(connection: Connection, id_: str) -> None:
    """Remove the group; what it gave is for the caller to end."""
    set_members(connection, id_, ())
    connection.execute(delete(scim_group).where(scim_group.c.id == id_))


def leave_all(connection: Connection, provider: str, person_id: str) -> None:
    """Take somebody out of all of the provider's groups."""
    theirs = select(scim_group.c.id).where(scim_group.c.provider == provider)
    kept = scim_group_member.c
    connection.execute(
        delete(scim_group_member).where(kept.person == person_id, kept.scim_group.in_(theirs))
    )


def names_of(connection: Connection, provider: str, person_id: str) -> tuple[str, ...]:
    """The names of the provider's groups that somebody is in."""
    rows = connection.execute(
        select(scim_group.c.display_name)
        .join_from(scim_group, scim_group_member)
        .where(scim_group.c.provider == provider, scim_group_member.c.person == person_id)
        .order_by(scim_group.c.display_name)
    )
    return tuple(rows.scalars())


def _group(connection: Connection, row: Row[*tuple[Any, ...]]) -> ScimGroup:
    kept = scim_group_member.c
    found = connection.execute(
        select(kept.person).where(kept.scim_group == row.id).order_by(kept.person)
    )
    return ScimGroup(**row._asdict(), members=tuple(found.scalars()))

"""Whom a record is about and which team it belongs to, for conditions of the policy.

A collection's schema names the plain fields that say so. Copies of both stand in columns of their
own, so that pages can be asked for by them; what is under the record's tag decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, false, insert, or_, select, true, update

from secvault.access.conditions import About, Asker
from secvault.crypto.canonical import JsonValue, parse_canonical
from secvault.errors import Damaged
from secvault.identity.names import compared
from secvault.records.collection import OWN_ID, Collection
from secvault.store.tables import record, record_facts

_SOMEBODY_ELSE = "\n"
"""No number and no team in the form that is compared."""
_AT_ONCE = 1000


def about(collection: Collection, record_id: str, plain: Mapping[str, JsonValue]) -> About:
    """Whom and which team a record with these plain fields is about."""
    if collection.person_field == OWN_ID:
        person: str | None = compared(record_id)
    else:
        person = _said(plain, collection.person_field)
    return About(person, _said(plain, collection.team_field))


def columns(
    collection: Collection, record_id: str, plain: Mapping[str, JsonValue]
) -> dict[str, str | None]:
    """The same as the columns of `record` that are asked by."""
    said = about(collection, record_id, plain)
    return {"person": said.person, "team": said.team}


@dataclass(frozen=True)
class Sort:
    """All records of a collection that conditions see alike. rows: which, in the table `record`."""

    about: About
    rows: ColumnElement[bool]


def sorts_of(collection: Collection, asker: Asker) -> tuple[Sort, ...]:
    """Every record of the collection is of exactly one of these sorts, for this asker."""
    people = _kinds(record.c.person, collection.person_field, _some(asker.employee))
    teams = _kinds(record.c.team, collection.team_field, sorted(asker.teams))
    return tuple(
        Sort(About(person, team), of_person & of_team)
        for person, of_person in people
        for team, of_team in teams
    )


def sort_of(found: About, asker: Asker) -> About:
    """The `about` of the sort that a record with these facts is of."""
    return About(_kind(found.person, _some(asker.employee)), _kind(found.team, tuple(asker.teams)))


def fill(connection: Connection, collections: Iterable[Collection]) -> None:
    """Fill the columns anew of each collection whose schema names other fields than before.

    Needs no key. Raises Damaged.
    """
    before = _filled(connection)
    for collection in collections:
        fields = (collection.person_field, collection.team_field)
        if before.get(collection.name, ("", "")) == fields:
            continue
        _fill(connection, collection)
        here = record_facts.c.collection == collection.name
        connection.execute(delete(record_facts).where(here))
        connection.execute(
            insert(record_facts).values(
                collection=collection.name, person_field=fields[0], team_field=fields[1]
            )
        )


def is_filled(connection: Connection, collections: Iterable[Collection]) -> bool:
    """Whether the columns are filled from the fields that the schemas name."""
    before = _filled(connection)
    return all(
        before.get(one.name, ("", "")) == (one.person_field, one.team_field) for one in collections
    )


def _filled(connection: Connection) -> dict[str, tuple[str, str]]:
    rows = connection.execute(select(record_facts))
    return {row.collection: (row.person_field, row.team_field) for row in rows}


def _fill(connection: Connection, collection: Collection) -> None:
    after = ""
    while True:
        rows = connection.execute(
            select(record.c.id, record.c.plain)
            .where(record.c.collection == collection.name, record.c.id > after)
            .order_by(record.c.id)
            .limit(_AT_ONCE)
        ).all()
        for row in rows:
            plain = parse_canonical(row.plain)
            if not isinstance(plain, dict):
                raise Damaged(f"the record {collection.name}/{row.id} is damaged")
            connection.execute(
                update(record)
                .where(record.c.collection == collection.name, record.c.id == row.id)
                .values(columns(collection, row.id, plain))
            )
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def _said(plain: Mapping[str, JsonValue], field: str) -> str | None:
    """Empty when there is no such field, None when it has no value."""
    if not field:
        return ""
    value = plain.get(field)
    return (compared(value) or None) if isinstance(value, str) else None


def _some(employee: str | None) -> tuple[str, ...]:
    return (employee,) if employee else ()


def _kind(said: str | None, own: Iterable[str]) -> str | None:
    """The one that stands for all that conditions see alike."""
    mine = sorted(own)
    if not said:
        return said
    return mine[0] if said in mine else _SOMEBODY_ELSE


def _kinds(
    column: ColumnElement[str | None], field: str, own: Iterable[str]
) -> list[tuple[str | None, ColumnElement[bool]]]:
    mine = sorted(own)
    if not field:
        return [("", true())]
    kinds: list[tuple[str | None, ColumnElement[bool]]] = [
        (None, column.is_(None)),
        (_SOMEBODY_ELSE, column.is_not(None) & column.not_in(mine)),
    ]
    if mine:
        kinds.append((mine[0], column.in_(mine)))
    return kinds


def any_of(sorts: Iterable[Sort]) -> ColumnElement[bool]:
    """The records that are of one of these sorts."""
    return or_(false(), *(sort.rows for sort in sorts))

"""Which versions of the blind indexes hold the records of a collection, and which are complete.

A schema may ask for another index over a field at any time. Records that are written from then on
have its tokens; the others keep those of the version before until they are indexed anew
(`reindex`). Meanwhile a search asks by all versions at once, so nothing is missed. Start at
`declare` and `readable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from types import NoneType

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, false, or_, select, update

from secvault.crypto.canonical import canonical_json
from secvault.errors import Conflict, Damaged
from secvault.records.collection import Collection, Field
from secvault.records.schema_index import Index
from secvault.store.bulk import insert_rows
from secvault.store.engine import in_turn
from secvault.store.straight import straight
from secvault.store.tables import record, record_index, record_index_version

_COLUMNS = ("collection", "field", "version", "definition", "position", "built_at")

# Straight to the driver, because every search asks it.
_NOTED = (
    "SELECT field, definition, position, built_at FROM record_index_version "
    "WHERE collection = ? ORDER BY field, version DESC"
)
_NOTED_TYPES = frozenset({(str, bytes, str, int), (str, bytes, str, NoneType)})


@dataclass(frozen=True)
class IndexVersion:
    """One version of the index over a field. position: how far a run of indexing has come.

    built_at: since when every record has its tokens, in micros; None while some have others.
    """

    field: str
    index: Index
    position: str
    built_at: int | None


def indexes_of(collection: Collection) -> Mapping[str, Index]:
    """The indexes that the present schema keeps, by field."""
    return {
        field.name: field.index
        for field in collection.fields.values()
        if field.index is not None and not field.retired
    }


def declare(connection: Connection, collections: Iterable[Collection], at: int) -> None:
    """Note the indexes that the schemas ask for. at: micros.

    Those of a collection without records are complete at once. Those that no schema asks for any
    more are incomplete from now on, as records are written without them. Nodes that start at the
    same moment note them one after the other.
    """
    in_turn(connection, "indexes")
    for collection in collections:
        before = _versions(connection, collection)
        if not _differs(before, collection):
            continue
        built_at = None if _has_records(connection, collection) else at
        column = record_index_version.c
        here = column.collection == collection.name
        asked = indexes_of(collection)
        known = {(one.field, one.index.version): one for one in before}
        for one in before:
            if one.field not in asked:
                gone = here & (column.field == one.field)
                connection.execute(
                    update(record_index_version).where(gone).values(built_at=None, position="")
                )
        fresh = []
        for name, index in asked.items():
            there = known.get((name, index.version))
            if there is not None and there.index == index:
                continue
            if there is not None:
                this = (column.field == name) & (column.version == index.version)
                connection.execute(delete(record_index_version).where(here & this))
            row = (collection.name, name, index.version, _definition(index), "", built_at)
            fresh.append(row)
        insert_rows(connection, record_index_version, _COLUMNS, fresh)


def is_declared(connection: Connection, collections: Iterable[Collection]) -> bool:
    """Whether the indexes that the schemas ask for are noted."""
    return not any(_differs(_versions(connection, one), one) for one in collections)


@dataclass(frozen=True)
class Known:
    """The versions of one field's index that records may have tokens of, the present one first.

    awaited: whether some records may have none at all yet.
    """

    versions: tuple[Index, ...]
    awaited: bool


def known_versions(connection: Connection, collection: Collection) -> Mapping[str, Known]:
    """The indexes that the present schema keeps, by field."""
    found = _versions(connection, collection)
    known: dict[str, Known] = {}
    for name, index in indexes_of(collection).items():
        noted = [one for one in found if one.field == name]
        others = [one.index for one in noted if one.index.version != index.version]
        # What was never noted belongs to no open service, hence to no schema before this one.
        awaited = bool(noted) and all(one.built_at is None for one in noted)
        known[name] = Known((index, *others), awaited)
    return known


def readable(
    connection: Connection, collection: Collection, fields: Iterable[Field]
) -> Mapping[str, tuple[Index, ...]]:
    """By field, the versions that hold every record together, the present one first.

    Raises Conflict when an index is not complete and there was none before it.
    """
    wanted = [field.name for field in fields]
    if not wanted:
        return {}
    known = known_versions(connection, collection)
    for name in wanted:
        if known[name].awaited:
            raise Conflict(
                f"the index of {collection.name}.{name} is not complete; an administrator runs "
                f"`secvault records reindex {collection.name}`"
            )
    return {name: known[name].versions for name in wanted}


def pending(connection: Connection, collection: Collection) -> str | None:
    """The record after which indexing anew goes on, empty for all; None when all is complete."""
    found = _versions(connection, collection)
    asked = indexes_of(collection)
    now = [one for one in found if one.field in asked and asked[one.field] == one.index]
    unbuilt = [one.position for one in now if one.built_at is None]
    if unbuilt:
        return min(unbuilt)
    return None if len(now) == len(found) == len(asked) else ""


def advance(connection: Connection, collection: Collection, position: str) -> None:
    """Note that all records up to this one have the tokens of the present indexes."""
    column = record_index_version.c
    connection.execute(
        update(record_index_version)
        .where(column.collection == collection.name, column.built_at.is_(None))
        .where(_present(column.field, column.version, collection))
        .values(position=position)
    )


def conclude(connection: Connection, collection: Collection, at: int) -> None:
    """Note that every record has the tokens of the present indexes, and no others. at: micros."""
    token = record_index.c
    connection.execute(
        delete(record_index)
        .where(token.collection == collection.name)
        .where(~_present(token.field, token.version, collection))
    )
    column = record_index_version.c
    connection.execute(delete(record_index_version).where(column.collection == collection.name))
    rows = [
        (collection.name, name, index.version, _definition(index), "", at)
        for name, index in indexes_of(collection).items()
    ]
    insert_rows(connection, record_index_version, _COLUMNS, rows)


def records_with_others(connection: Connection, collection: Collection, most: int) -> list[str]:
    """Records that have tokens which the present schema does not ask for, in order."""
    column = record_index.c
    return list(
        connection.execute(
            select(column.record)
            .where(column.collection == collection.name)
            .where(~_present(column.field, column.version, collection))
            .distinct()
            .order_by(column.record)
            .limit(most)
        ).scalars()
    )


def _present(
    field: ColumnElement[str], version: ColumnElement[int], collection: Collection
) -> ColumnElement[bool]:
    """The rows of the indexes of the present schema."""
    return or_(
        false(),
        *(
            (field == name) & (version == index.version)
            for name, index in indexes_of(collection).items()
        ),
    )


def _differs(found: list[IndexVersion], collection: Collection) -> bool:
    asked = indexes_of(collection)
    known = {(one.field, one.index.version): one.index for one in found}
    return any(known.get((name, index.version)) != index for name, index in asked.items()) or any(
        one.field not in asked and one.built_at is not None for one in found
    )


def _versions(connection: Connection, collection: Collection) -> list[IndexVersion]:
    found = []
    for row in straight(connection, _NOTED, (collection.name,)):
        # The driver gives what it finds; see `store.written`.
        if tuple(map(type, row)) not in _NOTED_TYPES:
            raise _damaged()
        field, definition, position, built_at = row
        found.append(IndexVersion(field, _index(definition), position, built_at))
    return found


def _has_records(connection: Connection, collection: Collection) -> bool:
    there = exists().where(record.c.collection == collection.name)
    return bool(connection.execute(select(there)).scalar_one())


def _definition(index: Index) -> bytes:
    return canonical_json(asdict(index))


@lru_cache(maxsize=256)
def _index(definition: bytes) -> Index:
    try:
        return msgspec.json.decode(definition, type=Index)
    except msgspec.DecodeError:
        raise _damaged() from None


def _damaged() -> Damaged:
    return Damaged("what is noted of an index is damaged; restore it from a backup")

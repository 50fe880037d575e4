"""The schemas that a collection has had, by version: each number stands for one schema for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.errors import Damaged
from secvault.records.collection import Collection
from secvault.records.schema_description import Description, described, kept_alike
from secvault.store.engine import insert_unless_there
from secvault.store.tables import collection_schema


def note_schemas(
    connection: Connection, collections: Iterable[Collection], publication: int
) -> None:
    """Note the schemas of a publication, in its transaction; what is known already stays.

    publication: the number of the policy.
    """
    for collection in collections:
        insert_unless_there(
            connection,
            collection_schema,
            {
                "collection": collection.name,
                "version": collection.version,
                "described": canonical_json(described(collection)),
                "publication": publication,
            },
        )


def known_schemas(connection: Connection, collection: str) -> Mapping[int, Description]:
    """Every schema that was published for the collection, by version. Raises Damaged."""
    row = collection_schema.c
    rows = connection.execute(
        select(row.version, row.described).where(row.collection == collection)
    )
    return {version: _parsed(collection, version, stored) for version, stored in rows}


def alike_versions(connection: Connection, collection: Collection) -> frozenset[int]:
    """The versions whose records are stored as the present schema would store them.

    Its own is one of them. Records of every other version are old ones. Raises Damaged.
    """
    here = described(collection)
    known = known_schemas(connection, collection.name)
    alike = {version for version, schema in known.items() if kept_alike(schema, here)}
    return frozenset({*alike, collection.version})


def _parsed(collection: str, version: int, stored: bytes) -> Description:
    what = f"version {version} of the schema of {collection}"
    schema = parse_canonical(stored, what)
    if not isinstance(schema, dict):
        raise Damaged(f"{what} is damaged: it is no object")
    return schema

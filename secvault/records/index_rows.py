"""The tokens of records as they are stored, and as they ought to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select

from secvault.records.blind_index import IndexKeys, Token, tokens
from secvault.records.collection import Collection
from secvault.records.index_state import indexes_of
from secvault.records.record import Record
from secvault.records.schema_index import Index
from secvault.store.bulk import insert_rows
from secvault.store.tables import record_index

_COLUMNS = ("collection", "field", "kind", "version", "token", "record")


def stored_tokens(
    connection: Connection, collection: Collection, ids: Sequence[str]
) -> Mapping[str, frozenset[Token]]:
    """By record, all tokens that it has in the store."""
    column = record_index.c
    found: dict[str, set[Token]] = {id_: set() for id_ in ids}
    for row in connection.execute(
        select(column.record, column.field, column.kind, column.version, column.token).where(
            column.collection == collection.name, column.record.in_(ids)
        )
    ):
        found[row.record].add((row.field, row.kind, row.version, row.token))
    return {id_: frozenset(those) for id_, those in found.items()}


def right_tokens(
    collection: Collection, record: Record, keys: IndexKeys, indexes: Mapping[str, Index]
) -> frozenset[Token]:
    """The tokens of a record by these indexes, by field. Raises Damaged."""
    fields = {
        name: replace(collection.fields[name], index=index) for name, index in indexes.items()
    }
    values = {name: record.value(name) for name in fields if name in record.field_names}
    return frozenset(tokens(replace(collection, fields=fields), values, keys))


def correct(
    connection: Connection, collection: Collection, records: Sequence[Record], keys: IndexKeys
) -> int:
    """Give records the tokens that the present schema asks for, and no others; how many changed."""
    present = indexes_of(collection)
    stored = stored_tokens(connection, collection, [one.id for one in records])
    right = {one.id: right_tokens(collection, one, keys, present) for one in records}
    wrong = [id_ for id_, those in right.items() if those != stored[id_]]
    if wrong:
        column = record_index.c
        here = (column.collection == collection.name) & column.record.in_(wrong)
        connection.execute(delete(record_index).where(here))
        rows = [
            (collection.name, field, kind.value, version, token, id_)
            for id_ in wrong
            for field, kind, version, token in sorted(right[id_])
        ]
        insert_rows(connection, record_index, _COLUMNS, rows)
    return len(wrong)

"""Whether the tokens in the store are those of the values: found by making each of them anew.

A token that is not there hides a record from searches; one that was moved, or made up, costs no
more than a record opened in vain, as every candidate is compared with what is sought. Both are
damage, and both are found here only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select

from secvault.keyring.keyring import Keyring
from secvault.records.blind_index import IndexKeys, Token
from secvault.records.collection import Collection
from secvault.records.index_rows import right_tokens, stored_tokens
from secvault.records.index_state import Known, known_versions
from secvault.records.record import Record, record_ids
from secvault.records.sound import sound_records
from secvault.store.tables import record, record_index


@dataclass(frozen=True)
class Fault:
    """A record whose tokens of a field are not those of its value. tokens: how many of them."""

    record: str
    field: str
    what: Literal["missing", "foreign"]
    tokens: int


@dataclass(frozen=True)
class CheckedBatch:
    """Some records, checked. damaged: the ids of those that do not read. last: empty at the end."""

    count: int
    faults: tuple[Fault, ...]
    damaged: tuple[str, ...]
    last: str


def check_batch(
    connection: Connection, keyring: Keyring, collection: Collection, after: str, most: int
) -> CheckedBatch:
    """Read the next records after the id `after`, and make their tokens anew."""
    ids = record_ids(connection, collection, after, most)
    sound, damaged = sound_records(connection, keyring, collection, ids)
    keys = IndexKeys.of(connection, keyring, collection)
    versions = known_versions(connection, collection)
    stored = stored_tokens(connection, collection, ids)
    faults = [
        fault
        for one in sound
        for field, known in versions.items()
        for fault in _faults(collection, one, field, known, keys, stored[one.id])
    ]
    return CheckedBatch(len(ids), tuple(faults), damaged, ids[-1] if ids else "")


def tokens_of_nobody(connection: Connection, collection: Collection) -> tuple[Fault, ...]:
    """The tokens of records that do not exist."""
    column = record_index.c
    there = (record.c.collection == column.collection) & (record.c.id == column.record)
    rows = connection.execute(
        select(column.record, column.field)
        .select_from(record_index.outerjoin(record, there))
        .where(column.collection == collection.name, record.c.id.is_(None))
        .order_by(column.record, column.field)
    )
    return tuple(Fault(row.record, row.field, "foreign", 1) for row in rows)


def _faults(
    collection: Collection,
    one: Record,
    field: str,
    known: Known,
    keys: IndexKeys,
    stored: frozenset[Token],
) -> list[Fault]:
    if known.awaited:
        # No search asks by it, and what an index of before left there may be in it yet.
        return []
    here = frozenset(token for token in stored if token[0] == field)
    right = [right_tokens(collection, one, keys, {field: index}) for index in known.versions]
    foreign = here.difference(*right)
    faults = [Fault(one.id, field, "foreign", len(foreign))] if foreign else []
    if not any(tokens <= here for tokens in right):
        faults.append(Fault(one.id, field, "missing", len(right[0] - here)))
    return faults

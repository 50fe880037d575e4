"""Indexing records anew: each gets the tokens that the present schema asks for, and no others.

In batches by id, each in a transaction of the caller, which notes how far it came; a run that was
killed goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from secvault.keyring.keyring import Keyring
from secvault.records import index_state
from secvault.records.blind_index import IndexKeys
from secvault.records.collection import Collection
from secvault.records.index_rows import correct
from secvault.records.sound import sound_records
from secvault.store.tables import record


@dataclass(frozen=True)
class Batch:
    """Some records, indexed. changed: of how many the tokens were others. damaged: their ids.

    last: the id of the last one; empty when there is none after those before.
    """

    count: int
    changed: int
    damaged: tuple[str, ...]
    last: str


def reindex_batch(
    connection: Connection, keyring: Keyring, collection: Collection, after: str, most: int
) -> Batch:
    """Index the next records after the id `after`, and note it; nobody changes them meanwhile."""
    ids = list(
        connection.execute(
            select(record.c.id)
            .where(record.c.collection == collection.name, record.c.id > after)
            .order_by(record.c.id)
            .limit(most)
            .with_for_update()
        ).scalars()
    )
    done = _reindexed(connection, keyring, collection, ids)
    if ids:
        index_state.advance(connection, collection, ids[-1])
    return done


def reindex_late(
    connection: Connection,
    keyring: Keyring,
    collection: Collection,
    known_damaged: frozenset[str],
    most: int,
) -> Batch:
    """Index records that others have written by another schema since they were passed."""
    every = index_state.records_with_others(connection, collection, most + len(known_damaged))
    ids = [id_ for id_ in every if id_ not in known_damaged]
    here = (record.c.collection == collection.name) & record.c.id.in_(ids)
    # In a statement of its own, so that what is read next is what they hold now.
    connection.execute(select(record.c.id).where(here).order_by(record.c.id).with_for_update())
    return _reindexed(connection, keyring, collection, ids)


def count_records(connection: Connection, collection: Collection, upto: str | None = None) -> int:
    """How many records there are. upto: up to this id."""
    here = record.c.collection == collection.name
    if upto is not None:
        here &= record.c.id <= upto
    return connection.execute(select(func.count()).select_from(record).where(here)).scalar_one()


def _reindexed(
    connection: Connection, keyring: Keyring, collection: Collection, ids: Sequence[str]
) -> Batch:
    sound, damaged = sound_records(connection, keyring, collection, ids)
    keys = IndexKeys.of(connection, keyring, collection)
    changed = correct(connection, collection, sound, keys)
    return Batch(len(ids), changed, damaged, ids[-1] if ids else "")

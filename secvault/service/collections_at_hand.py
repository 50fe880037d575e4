"""What the collections in force need in the store before any request: keys, facts, indexes."""

from __future__ import annotations

from collections.abc import Mapping

from secvault.clock import Clock
from secvault.keyring import Keyring
from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import key_names
from secvault.records import facts, index_state
from secvault.records.blind_index import INDEX_ROOT
from secvault.records.collection import Collection
from secvault.records.record import ensure_collection_keys
from secvault.store import Store


def make_room(
    store: Store, keyring: Keyring, collections: Mapping[str, Collection], clock: Clock
) -> None:
    """Make what is missing. Where nothing is, it waits for nobody who writes."""
    with store.read() as connection:
        has_keys = set(key_names(connection, RECORDS)).issuperset(collections)
    if not has_keys:
        with store.write() as connection:
            ensure_collection_keys(connection, keyring, collections.values())
    with store.read() as connection:
        has_facts = facts.is_filled(connection, collections.values())
    if not has_facts:
        with store.write() as connection:
            facts.fill(connection, collections.values())
    keyring.internal(INDEX_ROOT)
    with store.read() as connection:
        has_indexes = index_state.is_declared(connection, collections.values())
    if not has_indexes:
        with store.write() as connection:
            index_state.declare(connection, collections.values(), clock.micros())

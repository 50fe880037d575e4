"""Versions of indexes: nothing is missed while one takes the place of another."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from secvault.errors import Conflict
from secvault.keyring import Keyring
from secvault.records import index_state
from secvault.records.collection import Collection
from secvault.records.record import create_records, update_record
from secvault.records.reindex import reindex_batch, reindex_late
from secvault.records.value import FieldType
from secvault.store import Store
from tests.records.searchable import AT, all_pages, keyring_of, things

INDEX_2 = {FieldType.TEXT: "index = { exact = 12, version = 2 }"}
INDEX_1 = {FieldType.TEXT: "index = { exact = 8, version = 1 }"}


@pytest.fixture
def keyring(any_store: Store) -> Keyring:
    return keyring_of(any_store)


def rebuilt(connection: Connection, keyring: Keyring, collection: Collection) -> None:
    after = index_state.pending(connection, collection)
    assert after is not None
    while (batch := reindex_batch(connection, keyring, collection, after, 2)).count:
        after = batch.last
    while reindex_late(connection, keyring, collection, frozenset(), 2).count:
        pass
    index_state.conclude(connection, collection, AT)


def test_while_an_index_is_made_anew_nothing_is_missed(any_store: Store, keyring: Keyring) -> None:
    one, two = things(INDEX_1), things(INDEX_2, version=2)
    where = {"s_text": "Mai"}
    with any_store.write() as connection:
        index_state.declare(connection, [one], AT)
        assert index_state.pending(connection, one) is None
        batch = {f"t-{number}": {"s_text": "mai"} for number in range(5)}
        create_records(connection, keyring, one, batch, AT)
        index_state.declare(connection, [two], AT)
        assert index_state.is_declared(connection, [two])
        create_records(connection, keyring, two, {"t-5": {"s_text": "MAI"}}, AT)
        every = [f"t-{number}" for number in range(6)]
        assert all_pages(connection, keyring, two, where) == every
        reindex_batch(connection, keyring, two, "", 2)
        assert index_state.pending(connection, two) == "t-1"
        assert all_pages(connection, keyring, two, where) == every
        # Written by a process that does not know the new schema yet.
        update_record(connection, keyring, one, "t-0", {"s_text": "mAi"}, 1, AT)
        rebuilt(connection, keyring, two)
        assert index_state.pending(connection, two) is None
        assert all_pages(connection, keyring, two, where) == every
        # Back to the schema before: records have tokens of the later one.
        index_state.declare(connection, [one], AT)
        assert all_pages(connection, keyring, one, where) == every
        rebuilt(connection, keyring, one)
        assert all_pages(connection, keyring, one, where) == every


def test_a_first_index_is_not_asked_before_it_holds_every_record(
    any_store: Store, keyring: Keyring
) -> None:
    none, one = things({}), things(INDEX_1, version=2)
    with any_store.write() as connection:
        index_state.declare(connection, [none], AT)
        create_records(connection, keyring, none, {"t-1": {"s_text": "mai"}}, AT)
        index_state.declare(connection, [one], AT)
        with pytest.raises(Conflict, match="secvault records reindex things"):
            all_pages(connection, keyring, one, {"s_text": "Mai"})
        rebuilt(connection, keyring, one)
        assert all_pages(connection, keyring, one, {"s_text": "Mai"}) == ["t-1"]
        # Taken away and asked for again: what was written meanwhile has no tokens.
        index_state.declare(connection, [none], AT)
        create_records(connection, keyring, none, {"t-2": {"s_text": "mai"}}, AT)
        index_state.declare(connection, [one], AT)
        with pytest.raises(Conflict):
            all_pages(connection, keyring, one, {"s_text": "Mai"})

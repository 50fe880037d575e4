"""Kits, sets of shares and places as they are kept, in SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.recovery import stored
from secvault.recovery.stored import Place, StoredKit, StoredShares
from secvault.store import Store, tables

KEY = Secret(b"\x07" * 32)
SECRET = Secret(bytes(range(32)))


def shares(name: str, made_at: int) -> StoredShares:
    """A set of two shares."""
    sealed = stored.seal_secret(SECRET, KEY, name, bytes)
    return StoredShares(name, 4711, 2, 2, ("a" * 32, "b" * 32), sealed, 1, made_at, "user:an")


def kit(name: str, issued_at: int) -> StoredKit:
    """A kit of that set."""
    parts = {"root": "0" * 64, "plan:nightly": "1" * 64}
    return StoredKit(name, "s", issued_at, "user:an", "2" * 64, parts, b"d", b"o", None, None)


def test_only_the_newest_set_gives_its_secret_back(any_store: Store) -> None:
    with any_store.write() as connection:
        assert stored.shares_in_force(connection) is None
        stored.keep_shares(connection, shares("s-1", 1))
        stored.keep_shares(connection, shares("s-2", 2))
    with any_store.read() as connection:
        found = stored.shares_in_force(connection)
        left = connection.execute(tables.recovery_shares.select()).all()
    assert found == shares("s-2", 2)
    assert stored.open_secret(found, KEY) == SECRET
    with pytest.raises(Damaged):
        stored.open_secret(replace(found, id="s-1"), KEY)
    assert {row.id: row.sealed_secret is None for row in left} == {"s-1": True, "s-2": False}


def test_the_newest_kit_has_its_file_and_of_others_it_is_known_what_they_held(
    any_store: Store,
) -> None:
    with any_store.write() as connection:
        stored.keep_kit(connection, kit("k-1", 1))
        stored.mark_taken(connection, "k-1", 5, "user:binh")
        stored.keep_kit(connection, kit("k-2", 2))
    with any_store.read() as connection:
        assert stored.newest_kit(connection) == kit("k-2", 2)
        taken = stored.last_taken(connection)
        assert stored.find_kit(connection, "k-1") == taken
        assert stored.find_kit(connection, "k-3") is None
    assert taken is not None
    assert (taken.document, taken.outside) == (None, None)
    assert (taken.taken_at, taken.taken_by, taken.parts) == (5, "user:binh", kit("k", 1).parts)


def test_a_kit_that_was_issued_by_a_clock_ahead_of_time_does_not_stand_before_later_ones(
    any_store: Store,
) -> None:
    with any_store.write() as connection:
        stored.keep_kit(connection, kit("k-1", 9_000))
        stored.mark_taken(connection, "k-1", 9_001, "user:an")
        stored.keep_kit(connection, kit("k-2", 2))
        assert stored.newest_kit(connection) == kit("k-2", 2)
        stored.mark_taken(connection, "k-2", 3, "user:an")
        taken = stored.last_taken(connection)
    assert taken is not None
    assert taken.id == "k-2"


def test_a_place_that_fails_keeps_what_was_written_there_last(any_store: Store) -> None:
    with any_store.write() as connection:
        stored.note_places(connection, [Place("/a", "k-1", 1, ""), Place("/b", "k-1", 1, "")])
        stored.note_places(connection, [Place("/a", None, None, "denied")])
    with any_store.read() as connection:
        assert stored.places(connection) == (Place("/a", "k-1", 1, "denied"),)


def test_damaged_rows_are_told(any_store: Store) -> None:
    with any_store.write() as connection:
        stored.keep_kit(connection, kit("k-1", 1))
        connection.execute(tables.recovery_kit.update().values(parts="[]"))
    with any_store.read() as connection, pytest.raises(Damaged, match="issue it anew"):
        stored.newest_kit(connection)

"""Who took how many records away, on both databases."""

from __future__ import annotations

from secvault.records.exports import register
from secvault.store import Store


def _begin(store: Store, export: str, who: str, at: int, records: int, project: str = "") -> None:
    with store.write() as connection:
        register.begin(
            connection,
            export,
            collection="payroll",
            project=project,
            requested_by=who,
            at=at,
            records=records,
        )


def test_what_somebody_took_away_lately_is_counted_as_it_was_or_was_to_be(
    any_store: Store,
) -> None:
    _begin(any_store, "e-1", "user:1", 10, 100)
    _begin(any_store, "e-2", "user:1", 20, 7)
    _begin(any_store, "e-3", "user:1", 30, 50, "project")
    _begin(any_store, "e-4", "user:2", 30, 3)
    with any_store.write() as connection:
        register.end(connection, "e-1", register.BROKEN_OFF, 60, 15)
        register.end(connection, "e-4", register.DONE, 2, 31)
    with any_store.read() as connection:
        assert register.taken(connection, "user:1", 9) == 67
        assert register.taken(connection, "user:1", 10) == 7
        assert register.taken(connection, "user:2", 0) == 2
        assert register.taken(connection, "user:3", 0) == 0

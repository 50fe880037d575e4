"""The store itself refuses to change what is in the log: a speed bump, the tree is the proof."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from secvault.audit import AuditLog, Event
from secvault.audit.query import page
from secvault.errors import SecvaultError
from secvault.store import Store

Reading = Callable[[int], Event]

CHANGES = {
    "an update": "UPDATE audit_event SET actor = 'user:u-8' WHERE seq = 1",
    "an update of the number": "UPDATE audit_event SET seq = 9 WHERE seq = 1",
    "a removal": "DELETE FROM audit_event WHERE seq = 1",
    "a removal of all": "DELETE FROM audit_event",
}
REPLACEMENTS = {
    "sqlite": [
        (
            "INSERT OR REPLACE INTO audit_event SELECT 1, 'new', t, kind, outcome, actor, resource,"
            " department, body, leaf_hash FROM audit_event WHERE seq = 2"
        ),
        (
            "INSERT OR REPLACE INTO audit_event SELECT 9, id, t, kind, outcome, actor, resource,"
            " department, body, leaf_hash FROM audit_event WHERE seq = 2"
        ),
    ],
    "postgresql": [
        (
            "INSERT INTO audit_event SELECT 1, 'new', t, kind, outcome, actor, resource,"
            " department, body, leaf_hash FROM audit_event WHERE seq = 2"
            " ON CONFLICT (seq) DO UPDATE SET body = excluded.body"
        ),
        "TRUNCATE audit_event",
    ],
}


def _refuses(store: Store, statement: str) -> None:
    before = page(store).events
    with pytest.raises((SecvaultError, SQLAlchemyError)), store.write() as connection:
        connection.execute(text(statement))
    assert page(store).events == before


@pytest.mark.parametrize("what", CHANGES)
def test_an_event_cannot_be_changed(
    log: AuditLog, any_store: Store, reading: Reading, what: str
) -> None:
    log.record_many(map(reading, range(3)))
    _refuses(any_store, CHANGES[what])


@pytest.mark.parametrize("which", [0, 1])
def test_an_event_cannot_be_replaced(
    log: AuditLog, any_store: Store, reading: Reading, which: int
) -> None:
    log.record_many(map(reading, range(3)))
    _refuses(any_store, REPLACEMENTS[any_store.dialect][which])

"""Who erases while others change the same record: neither waits for the other in a circle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict
from secvault.records.erasure import ErasedRows, erase_rows
from secvault.records.hold import Held
from secvault.records.record import delete_record, read_to_change, update_record
from secvault.store import Store, tables
from tests.records.ledger import LATER, LEDGER, Ledger, entry, opened

FIRST = Held("ledger", "pay-1", "nv-1", None)
SOON = 0.3
"""Seconds in which the other one comes to wait."""


@pytest.fixture
def ledger(any_store: Store) -> Ledger:
    made = opened(any_store)
    made.create(pay_1=entry("nv-1"), pay_2=entry("nv-2"))
    return made


def erased(ledger: Ledger, *records: Held) -> ErasedRows:
    with ledger.store.write() as connection:
        return erase_rows(connection, "erasure-1", records, LATER)


def while_changing(ledger: Ledger, changes: Mapping[str, JsonValue] | None) -> ErasedRows:
    """Erase pay-1 while another transaction, which began before, changes or deletes it."""
    begun = Event()

    def change() -> None:
        with ledger.store.write() as connection:
            read_to_change(connection, ledger.keyring, LEDGER, "pay-1")
            begun.set()
            time.sleep(SOON)
            if changes is None:
                delete_record(connection, LEDGER, "pay-1", 1)
            else:
                update_record(connection, ledger.keyring, LEDGER, "pay-1", changes, 1, LATER)

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        assert begun.wait(60)
        try:
            return erased(ledger, FIRST)
        finally:
            changing.result()


def test_a_record_that_is_being_changed_is_erased_after_that(ledger: Ledger) -> None:
    done = while_changing(ledger, {"note": "x"})
    assert [one.subject for one in done.destroyed] == ["nv-1"]
    assert ledger.subjects() == ["nv-2"]
    assert {row[1] for row in ledger.rows(tables.record_field)} == {"pay-2"}


@pytest.mark.parametrize("employee", ["nv-2", "nv-0"])
def test_a_record_that_goes_to_another_subject_meanwhile_is_not_erased_as_the_first_ones(
    ledger: Ledger, employee: str
) -> None:
    with pytest.raises(Conflict, match="at the same moment"):
        while_changing(ledger, {"employee": employee})
    assert ledger.read("pay-1").subject == employee
    assert ledger.count(tables.erased_record) == 0


def test_a_record_that_is_deleted_meanwhile_is_not_erased(ledger: Ledger) -> None:
    with pytest.raises(Conflict, match="at the same moment"):
        while_changing(ledger, None)
    assert ledger.subjects() == ["nv-2"]
    assert ledger.count(tables.erased_subject) == 0

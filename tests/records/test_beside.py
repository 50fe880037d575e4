"""What is kept sealed beside a record: reasons, and requests that are to be done once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection, delete, select, update

from secvault.clock import Clock
from secvault.config import shipped_policies
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.keyring import Keyring
from secvault.keyring.root import Root
from secvault.records import once
from secvault.records.beside import move_beside
from secvault.records.collection_files import load_collections
from secvault.records.once import DoneAlready, Once
from secvault.records.record import (
    Record,
    create_record,
    delete_record,
    ensure_collection_keys,
    read_record,
    read_to_change,
    update_record,
)
from secvault.records.reseal import reseal_record
from secvault.records.reveal import keep_reason, reasons_of, reveals_since
from secvault.store import Store
from secvault.store.tables import data_key, idempotency_key, record, record_reveal

NOW = 1_793_700_000_000_000
DAY = 24 * 3600 * 1_000_000
ROOT = Root("vault-1", Secret(bytes(range(32))))
# Without a person or a retention of its own, so that the subject of a record can change.
PAYROLL = replace(
    load_collections(shipped_policies() / "collections")["payroll"],
    subject_field="month",
    person_field="",
)
HOA: Mapping[str, JsonValue] = {
    "employee": "nv-1",
    "full_name": "Nguyễn Thị Hoa",
    "month": "2026-10",
    "bank_account": "0011002233445",
    "status": "paid",
}
MINE = Once("user:1", "key-1", "payroll", None)


@dataclass(frozen=True)
class Vault:
    """A store with the key of one collection and a record in it."""

    store: Store
    keyring: Keyring

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.store.write() as connection:
            yield connection

    def reasons(self, *reveals: str) -> Mapping[str, str | None]:
        with self.store.read() as connection:
            return reasons_of(connection, self.keyring, reveals)

    def made(self, said: Once = MINE, values: Mapping[str, JsonValue] = HOA) -> Record:
        with self.store.read() as connection:
            return once.as_made(connection, self.keyring, said, values)


@pytest.fixture
def vault(any_store: Store) -> Vault:
    clock = Clock(wall=lambda: NOW, monotonic=lambda: 0.0, sleep=lambda _: None)
    keyring = Keyring(any_store, clock, ROOT, os.urandom)
    with any_store.write() as connection:
        ensure_collection_keys(connection, keyring, (PAYROLL,))
        once.claim(connection, MINE, "pay-1", NOW)
        made = create_record(connection, keyring, PAYROLL, "pay-1", HOA, NOW)
        once.keep(connection, MINE, made, HOA, os.urandom)
        for number in range(3):
            reason, at = f"vì lý do {number}", NOW + number
            keep_reason(connection, made, f"r-{number}", reason, "user:1", at, os.urandom)
    return Vault(any_store, keyring)


def test_a_reason_is_found_by_the_id_that_the_log_names(vault: Vault) -> None:
    assert vault.reasons("r-0", "r-2", "r-9") == {"r-0": "vì lý do 0", "r-2": "vì lý do 2"}
    with vault.store.read() as connection:
        assert reveals_since(connection, "user:1", NOW, 5) == (NOW + 2, NOW + 1)
        assert reveals_since(connection, "user:1", NOW - 1, 2) == (NOW + 2, NOW + 1)
        assert reveals_since(connection, "user:2", 0, 5) == ()


def test_what_was_changed_or_moved_in_the_store_is_not_shown(vault: Vault) -> None:
    column = record_reveal.c
    with vault.write() as connection:
        other = connection.scalar(select(column.envelope).where(column.id == "r-1"))
        connection.execute(update(record_reveal).where(column.id == "r-0").values(envelope=other))
    assert vault.reasons("r-0", "r-1") == {"r-0": None, "r-1": "vì lý do 1"}


def test_all_of_it_goes_when_the_record_goes(vault: Vault) -> None:
    with vault.write() as connection:
        delete_record(connection, PAYROLL, "pay-1", 1)
    assert vault.reasons("r-0") == {}
    with pytest.raises(Conflict, match="gone"):
        vault.made()


def test_what_an_earlier_record_of_the_same_id_left_is_not_the_present_ones(
    vault: Vault,
) -> None:
    with vault.write() as connection:
        delete_record(connection, PAYROLL, "pay-1", 1)
    with vault.write() as connection:
        create_record(connection, vault.keyring, PAYROLL, "pay-1", HOA, NOW + 1)
    with pytest.raises(Conflict, match="gone"):
        vault.made()
    with vault.write() as connection:
        by_employee = replace(PAYROLL, subject_field="employee", version=9)
        reseal_record(connection, vault.keyring, by_employee, "pay-1", NOW + 2)
    with pytest.raises(Conflict, match="gone"):
        vault.made()


def test_all_of_it_goes_with_the_data_key_of_the_person(vault: Vault) -> None:
    with vault.write() as connection:
        connection.execute(delete(data_key))
    assert vault.reasons("r-0") == {}
    with pytest.raises(Conflict, match="gone"):
        vault.made()


@pytest.mark.parametrize("way", ["changed", "resealed"])
def test_all_of_it_stays_readable_when_the_record_comes_under_another_key(
    vault: Vault, way: str
) -> None:
    with vault.write() as connection:
        if way == "changed":
            before = read_to_change(connection, vault.keyring, PAYROLL, "pay-1")
            changes = {"month": "2026-11"}
            after = update_record(
                connection, vault.keyring, PAYROLL, "pay-1", changes, 1, NOW, os.urandom
            )
            move_beside(connection, before, after, os.urandom)
        else:
            before = read_record(connection, vault.keyring, PAYROLL, "pay-1")
            by_employee = replace(PAYROLL, subject_field="employee", version=9)
            after = reseal_record(connection, vault.keyring, by_employee, "pay-1", NOW)
        assert before.data_key != after.data_key
    assert vault.reasons("r-0", "r-1") == {"r-0": "vì lý do 0", "r-1": "vì lý do 1"}
    assert {name: vault.made().value(name) for name in HOA} == HOA
    assert vault.made().version == 1


def test_a_request_is_known_again_by_what_it_asks_for(vault: Vault) -> None:
    with vault.store.read() as connection:
        assert once.made_before(connection, MINE, NOW + DAY - 1) == "pay-1"
        assert once.made_before(connection, MINE, NOW + DAY) is None
        for other in (replace(MINE, caller="user:2"), replace(MINE, key="key-2")):
            assert once.made_before(connection, other, NOW) is None
        with pytest.raises(InvalidInput, match="another request"):
            once.made_before(connection, replace(MINE, collection="contracts"), NOW)
    for said, values in (
        (MINE, {**HOA, "status": "draft"}),
        (MINE, {name: value for name, value in HOA.items() if name != "status"}),
        (replace(MINE, asked="pay-1"), HOA),
    ):
        with pytest.raises(InvalidInput, match="another request"):
            vault.made(said, values)


def test_a_key_is_taken_again_only_when_it_was_forgotten(vault: Vault) -> None:
    with pytest.raises(DoneAlready), vault.write() as connection:
        once.claim(connection, MINE, "pay-2", NOW + DAY - 1)
    with vault.write() as connection:
        once.claim(connection, MINE, "pay-2", NOW + DAY)
    with vault.store.read() as connection:
        kept = connection.execute(select(idempotency_key.c.record)).scalars().all()
    assert kept == ["pay-2"]


def test_of_two_requests_at_once_one_makes_the_record_and_the_other_finds_it(vault: Vault) -> None:
    said, barrier, ended = replace(MINE, key="key-2"), Barrier(2, timeout=120), []

    def make(record_id: str) -> None:
        barrier.wait()
        try:
            with vault.write() as connection:
                once.claim(connection, said, record_id, NOW)
                made = create_record(connection, vault.keyring, PAYROLL, record_id, HOA, NOW)
                once.keep(connection, said, made, HOA, os.urandom)
            ended.append(record_id)
        except DoneAlready:
            ended.append("done already")
            assert vault.made(said).id in ("pay-2", "pay-3")

    threads = [Thread(target=make, args=(name,)) for name in ("pay-2", "pay-3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(ended)[0] == "done already"
    with vault.store.read() as connection:
        assert len(connection.execute(select(record.c.id)).all()) == 2

"""Rows of contents: one is kept for a field, and opens under the data key that its record has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import delete, select, update

from secvault.clock import Clock
from secvault.config import shipped_policies
from secvault.crypto.canonical import JsonValue
from secvault.crypto.content_key import new_content_key
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged
from secvault.keyring import Keyring
from secvault.keyring.root import Root
from secvault.records import attachment_rows
from secvault.records.attachment import Attached
from secvault.records.collection_files import load_collections
from secvault.records.record import (
    Record,
    create_record,
    delete_record,
    ensure_collection_keys,
    read_record,
    update_record,
)
from secvault.records.reseal import reseal_record
from secvault.store import Store
from secvault.store.tables import attachment, data_key

AT = 1_793_700_000_000_000
CONTRACTS = replace(
    load_collections(shipped_policies() / "collections")["contracts"], subject_field="employee"
)
VALUES: Mapping[str, JsonValue] = {"employee": "nv-0001", "position": "Accountant"}


@dataclass(frozen=True)
class Vault:
    store: Store
    keyring: Keyring

    def attach(self, record: str, sign: str) -> tuple[Attached, Secret]:
        """Keep a content, whose id is made of one character, for the record's document."""
        attached = Attached(sign * 32, "a.pdf", 9, "application/pdf", "0" * 64)
        address, key = attached.address("contracts", record, "document"), new_content_key()
        with self.store.write() as connection:
            attachment_rows.begin(connection, address, AT)
            before = read_record(connection, self.keyring, CONTRACTS, record)
            changes = {"document": attached.value()}
            after = update_record(
                connection, self.keyring, CONTRACTS, record, changes, before.version, AT
            )
            attachment_rows.keep(connection, address, key, after.data_key, AT)
        return attached, key

    def key(self, record: str, attached: Attached) -> Secret:
        with self.store.read() as connection:
            found = self.record(record)
            address = attached.address("contracts", record, "document")
            return attachment_rows.content_key(connection, found.data_key, address)

    def record(self, record: str) -> Record:
        with self.store.read() as connection:
            return read_record(connection, self.keyring, CONTRACTS, record)

    def states(self) -> dict[str, str]:
        with self.store.read() as connection:
            found = connection.execute(select(attachment.c.id, attachment.c.state)).all()
        return {row.id[0]: row.state for row in found}

    def give_up_lost(self) -> None:
        with self.store.write() as connection:
            attachment_rows.give_up_lost(connection, AT)


@pytest.fixture
def vault(any_store: Store) -> Vault:
    clock = Clock(wall=lambda: AT, monotonic=lambda: 0.0, sleep=lambda _: None)
    keyring = Keyring(any_store, clock, Root("vault-1", Secret(bytes(range(32)))), os.urandom)
    made = Vault(any_store, keyring)
    with any_store.write() as connection:
        ensure_collection_keys(connection, keyring, (CONTRACTS,))
        for record in ("ct-1", "ct-2"):
            create_record(connection, keyring, CONTRACTS, record, VALUES, AT)
    return made


def test_a_field_keeps_one_content_and_each_record_its_own(vault: Vault) -> None:
    vault.attach("ct-1", "a")
    second, key = vault.attach("ct-1", "b")
    other, others = vault.attach("ct-2", "c")
    assert vault.states() == {"a": "unused", "b": "kept", "c": "kept"}
    assert vault.key("ct-1", second) == key
    assert vault.key("ct-2", other) == others
    # They are one person's, under one data key, and still do not open in each other's place.
    with pytest.raises(Damaged):
        vault.key("ct-2", second)


def test_a_record_under_another_data_key_takes_its_contents_along(vault: Vault) -> None:
    first, key = vault.attach("ct-1", "a")
    other, others = vault.attach("ct-2", "b")
    before = vault.record("ct-1")
    with vault.store.write() as connection:
        change = {"employee": "nv-0002"}
        update_record(connection, vault.keyring, CONTRACTS, "ct-1", change, before.version, AT)
    after = vault.record("ct-1")
    assert after.data_key != before.data_key
    assert vault.key("ct-1", first) == key
    assert vault.key("ct-2", other) == others
    address = first.address("contracts", "ct-1", "document")
    with vault.store.read() as connection, pytest.raises(Damaged):
        attachment_rows.content_key(connection, before.data_key, address)


def test_resealing_a_record_under_a_new_schema_takes_its_contents_along(vault: Vault) -> None:
    first, key = vault.attach("ct-1", "a")
    own = replace(CONTRACTS, subject_field="", version=CONTRACTS.version + 1)
    before = vault.record("ct-1")
    with vault.store.write() as connection:
        reseal_record(connection, vault.keyring, own, "ct-1", AT)
    assert vault.record("ct-1").data_key != before.data_key
    assert vault.key("ct-1", first) == key


def test_a_key_that_was_tampered_with_stops_the_move(vault: Vault) -> None:
    vault.attach("ct-1", "a")
    with vault.store.write() as connection:
        connection.execute(update(attachment).values(wrapped_key=os.urandom(61)))
    with pytest.raises(Damaged, match="contracts/ct-1/document"), vault.store.write() as connection:
        update_record(connection, vault.keyring, CONTRACTS, "ct-1", {"employee": "nv-9"}, 2, AT)
    assert vault.record("ct-1").value("employee") == "nv-0001"


def test_what_is_lost_is_what_no_record_can_open(vault: Vault) -> None:
    vault.attach("ct-1", "a")
    vault.attach("ct-2", "b")
    vault.give_up_lost()
    assert vault.states() == {"a": "kept", "b": "kept"}
    with vault.store.write() as connection:
        delete_record(connection, CONTRACTS, "ct-1", 2)
    vault.give_up_lost()
    assert vault.states() == {"a": "unused", "b": "kept"}
    with vault.store.write() as connection:
        connection.execute(delete(data_key))
    vault.give_up_lost()
    assert vault.states() == {"a": "unused", "b": "unused"}


def test_a_content_that_was_given_up_is_never_kept(vault: Vault) -> None:
    address = Attached("d" * 32, "a.pdf", 9, "application/pdf", "0" * 64).address(
        "contracts", "ct-1", "document"
    )
    with vault.store.write() as connection:
        attachment_rows.begin(connection, address, AT)
        attachment_rows.give_up_silent(connection, AT, AT)
        attachment_rows.give_up_silent(connection, AT + 1, AT + 1)
        assert not attachment_rows.give_up(connection, address.attachment, AT)
        with pytest.raises(Conflict, match="send the file again"):
            attachment_rows.beat(connection, address.attachment, AT)
        with pytest.raises(Conflict):
            attachment_rows.keep(connection, address, new_content_key(), Secret(bytes(32)), AT)
        # What never was kept needs no days to pass; what was, does.
        assert attachment_rows.due(connection, 0, 10) == (address.attachment,)
        attachment_rows.forget(connection, [address.attachment])
        assert attachment_rows.due(connection, AT * 2, 10) == ()


def test_what_was_kept_is_due_only_after_its_days(vault: Vault) -> None:
    vault.attach("ct-1", "a")
    vault.attach("ct-1", "b")
    with vault.store.read() as connection:
        assert attachment_rows.due(connection, AT, 10) == ()
        assert attachment_rows.due(connection, AT + 1, 10) == ("a" * 32,)
        assert attachment_rows.waiting(connection) == 1
        assert attachment_rows.known(connection, ["a" * 32, "z" * 32]) == {"a" * 32}

"""Records as rows: what is kept, what may change, and that nothing else can change unnoticed."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, create_engine, delete, func, insert, select, text, update

from secvault.clock import Clock
from secvault.config import shipped_policies
from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    SecvaultError,
    Unavailable,
    VersionMismatch,
)
from secvault.keyring import Keyring
from secvault.keyring.keyring import RECORDS
from secvault.keyring.root import Root
from secvault.records.collection import Collection
from secvault.records.collection_files import load_collections
from secvault.records.record import (
    Record,
    check_id,
    create_record,
    delete_record,
    ensure_collection_keys,
    read_record,
    read_records,
    record_ids,
    update_record,
)
from secvault.store import Store, open_store, tables

CREATED, LATER = 1_793_700_000_000_000, 1_793_700_060_000_000
ROOT = Root("vault-1", Secret(bytes(range(32))))
COLLECTIONS = load_collections(shipped_policies() / "collections")
PAYROLL, CONTRACTS = COLLECTIONS["payroll"], COLLECTIONS["contracts"]

HOA: Mapping[str, JsonValue] = {
    "full_name": "Nguyễn Thị Hoa",
    "month": "2026-10",
    "gross_salary": {"amount": "25000000", "currency": "VND"},
    "net_salary": {"amount": "21500000", "currency": "VND"},
    "bank": "Vietcombank",
    "bank_account": "0011002233445",
    "status": "paid",
}
MINH: Mapping[str, JsonValue] = {
    **HOA,
    "full_name": "Trần Văn Minh",
    "gross_salary": {"amount": "90000000", "currency": "VND"},
    "bank_account": "9876543210123",
}
SENSITIVE = {"full_name", "gross_salary", "net_salary", "bank_account"}


@dataclass(frozen=True)
class Vault:
    """A store with the keys of two collections, and what one does with it."""

    store: Store
    keyring: Keyring

    def create(
        self,
        record_id: str,
        values: Mapping[str, JsonValue] = HOA,
        collection: Collection = PAYROLL,
        random: Random = os.urandom,
    ) -> Record:
        with self.store.write() as connection:
            return create_record(
                connection, self.keyring, collection, record_id, values, CREATED, random
            )

    def read(self, record_id: str, collection: Collection = PAYROLL) -> Record:
        with self.store.read() as connection:
            return read_record(connection, self.keyring, collection, record_id)

    def update(
        self, record_id: str, changes: Mapping[str, JsonValue], version: int, at: int = LATER
    ) -> Record:
        with self.store.write() as connection:
            return update_record(connection, self.keyring, PAYROLL, record_id, changes, version, at)

    def delete(self, record_id: str, version: int) -> None:
        with self.store.write() as connection:
            delete_record(connection, PAYROLL, record_id, version)

    def count(self, table: Table) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


def opened(store: Store, random: Random = os.urandom) -> Vault:
    clock = Clock(wall=lambda: CREATED, monotonic=lambda: 0.0, sleep=lambda _: None)
    keyring = Keyring(store, clock, ROOT, random)
    with store.write() as connection:
        ensure_collection_keys(connection, keyring, (PAYROLL, CONTRACTS))
    return Vault(store, keyring)


@pytest.fixture
def vault(any_store: Store) -> Vault:
    return opened(any_store)


@pytest.fixture
def kept(vault: Vault) -> Vault:
    """With the record pay-1 at version 2, and pay-2 at version 1."""
    vault.create("pay-1", HOA)
    vault.update("pay-1", {"status": "draft"}, 1)
    vault.create("pay-2", MINH)
    return vault


def values(record: Record) -> dict[str, JsonValue]:
    return {name: record.value(name) for name in record.field_names}


def counting() -> Random:
    given = 0

    def draw(count: int) -> bytes:
        nonlocal given
        drawn = bytes((given + at) % 256 for at in range(count))
        given += count
        return drawn

    return draw


def bound(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def test_what_was_stored_comes_back_with_its_types(vault: Vault) -> None:
    made = vault.create("pay-1")
    read = vault.read("pay-1")
    assert read == made
    assert values(read) == HOA
    assert (read.collection, read.id, read.subject, read.version) == (
        "payroll",
        "pay-1",
        "pay-1",
        1,
    )
    assert (read.created_at, read.updated_at) == (CREATED, CREATED)
    assert set(read.sealed) == SENSITIVE
    assert set(read.plain) == set(HOA) - SENSITIVE
    assert read.field_names == tuple(sorted(HOA))


def test_a_record_shows_no_sensitive_value_and_no_key(vault: Vault) -> None:
    shown = repr(vault.create("pay-1"))
    assert "***" in shown
    assert "0011002233445" not in shown
    assert "Hoa" not in shown


def test_a_field_without_a_value_is_not_found(vault: Vault) -> None:
    with pytest.raises(NotFound, match="payroll/pay-1 has no value for note"):
        vault.create("pay-1").value("note")


def test_a_record_without_any_field_is_a_record_too(vault: Vault) -> None:
    vault.create("pay-1", {})
    assert values(vault.read("pay-1")) == {}


def test_an_id_that_is_taken_is_a_conflict_and_changes_nothing(kept: Vault) -> None:
    before = kept.read("pay-1")
    with pytest.raises(Conflict, match="payroll/pay-1 exists already"):
        kept.create("pay-1", MINH)
    assert kept.read("pay-1") == before
    assert kept.create("pay-1", {}, CONTRACTS).collection == "contracts"


def test_of_those_who_create_the_same_record_at_once_one_does(vault: Vault) -> None:
    def create(number: int) -> bool:
        try:
            vault.create("pay-1", {"month": f"2026-{number:02}"})
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(create, range(6)))
    assert made.count(True) == 1
    assert vault.read("pay-1").plain == {"month": f"2026-{made.index(True):02}"}


def test_what_is_not_there_is_not_found(vault: Vault) -> None:
    for act in (
        lambda: vault.read("pay-9"),
        lambda: vault.update("pay-9", {"status": "paid"}, 1),
        lambda: vault.delete("pay-9", 1),
    ):
        with pytest.raises(NotFound, match="there is no payroll/pay-9"):
            act()


@pytest.mark.parametrize("good", ["a", "pay-1", "2026.10_x", "0" * 64])
def test_such_ids_name_a_record(good: str) -> None:
    assert check_id(good) == good


@pytest.mark.parametrize("bad", ["", "A", ".", "../x", "a/b", "a b", "é", "a\n", "-a", "0" * 65])
def test_other_ids_are_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match=r"^id: use 1 to 64"):
        check_id(bad)


def test_ids_are_listed_in_order_page_by_page(vault: Vault) -> None:
    ids = ["a-b", "a.b", "a0", "a_b", "ab", "b", "0"]
    for record_id in ids:
        vault.create(record_id, {})
    vault.create("c", {}, CONTRACTS)
    with vault.store.read() as connection:
        first = record_ids(connection, PAYROLL, "", 3)
        rest = record_ids(connection, PAYROLL, first[-1], 10)
        records = read_records(connection, vault.keyring, PAYROLL, [*reversed(first), "none"])
    assert first + rest == tuple(sorted(ids))
    assert tuple(record.id for record in records) == first


def test_an_update_changes_what_it_names_and_nothing_else(vault: Vault) -> None:
    before = vault.create("pay-1")
    told = vault.update(
        "pay-1", {"bank_account": "5556667778889", "status": "draft", "bank": None}, 1
    )
    after = vault.read("pay-1")
    assert after == told
    assert values(after) == {
        **{name: value for name, value in HOA.items() if name != "bank"},
        "bank_account": "5556667778889",
        "status": "draft",
    }
    assert (after.version, after.created_at, after.updated_at) == (2, CREATED, LATER)
    changed = {name for name in SENSITIVE if after.sealed[name] != before.sealed[name]}
    assert changed == {"bank_account"}
    assert after.data_key == before.data_key


def test_a_sensitive_field_can_be_removed_and_come_back(vault: Vault) -> None:
    vault.create("pay-1")
    assert "net_salary" not in vault.update("pay-1", {"net_salary": None}, 1).sealed
    assert "net_salary" not in vault.read("pay-1").sealed
    vault.update("pay-1", {"net_salary": {"amount": "1", "currency": "VND"}}, 2)
    assert vault.read("pay-1").value("net_salary") == {"amount": "1", "currency": "VND"}


def test_removing_what_has_no_value_is_no_fault(vault: Vault) -> None:
    vault.create("pay-1")
    vault.update("pay-1", {"note": None, "paid_on": None}, 1)
    assert values(vault.read("pay-1")) == HOA


@pytest.mark.parametrize("version", [0, 2, -1, 2**31, 2**70])
def test_an_update_or_delete_of_another_version_changes_nothing(vault: Vault, version: int) -> None:
    before = vault.create("pay-1")
    with pytest.raises(VersionMismatch, match=f"payroll/pay-1 is at version 1, not {version}:"):
        vault.update("pay-1", {"status": "draft"}, version)
    with pytest.raises((VersionMismatch, InvalidInput)):
        vault.delete("pay-1", version)
    assert vault.read("pay-1") == before


def test_of_two_updates_at_once_exactly_one_wins(vault: Vault) -> None:
    vault.create("pay-1")
    start = Barrier(2, timeout=120)

    def change(bank: str) -> Record | None:
        start.wait()
        try:
            return vault.update("pay-1", {"bank": bank, "bank_account": f"{bank}00000"}, 1)
        except VersionMismatch:
            return None

    with ThreadPoolExecutor(2) as pool:
        won = [record for record in pool.map(change, ("A", "B")) if record]
    assert won == [vault.read("pay-1")]
    assert won[0].version == 2


def test_no_one_sees_half_of_an_update(vault: Vault) -> None:
    vault.create("pay-1", {"bank": "0", "bank_account": "0"})
    updates = 8

    def change(name: str) -> None:
        done = 0
        while done < updates:
            now = vault.read("pay-1")
            # The two were always written together; a mixture would be damage besides.
            assert now.plain["bank"] == now.value("bank_account")
            mark = f"{name}{done}"
            try:
                vault.update("pay-1", {"bank": mark, "bank_account": mark}, now.version)
            except VersionMismatch:
                continue
            done += 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, "abcd"))
    assert vault.read("pay-1").version == 1 + 4 * updates


def test_deleting_removes_the_fields_and_the_data_key(kept: Vault) -> None:
    kept.delete("pay-1", 2)
    with pytest.raises(NotFound):
        kept.read("pay-1")
    assert [kept.count(table) for table in (tables.record, tables.data_key)] == [1, 1]
    assert kept.count(tables.record_field) == len(SENSITIVE)
    assert values(kept.read("pay-2")) == MINH


def test_a_new_record_under_an_old_name_has_a_new_data_key(kept: Vault) -> None:
    old = kept.read("pay-1")
    kept.delete("pay-1", 2)
    new = kept.create("pay-1")
    assert new.data_key != old.data_key
    set_field(kept, "pay-1", "bank_account", old.sealed["bank_account"])
    with pytest.raises(Damaged, match="payroll/pay-1/bank_account"):
        kept.read("pay-1")


def test_a_rotated_key_of_the_collection_leaves_old_records_readable(kept: Vault) -> None:
    with kept.store.write() as connection:
        kept.keyring.rotate(connection, RECORDS, "payroll")
    kept.create("pay-3", HOA)
    with kept.store.read() as connection:
        found = read_records(connection, kept.keyring, PAYROLL, ("pay-1", "pay-2", "pay-3"))
        wrapped = connection.execute(
            select(tables.data_key.c.wrapped).order_by(tables.data_key.c.subject)
        ).scalars()
        assert [int.from_bytes(one[1:5], "big") for one in wrapped] == [1, 1, 2]
    assert [record.value("bank_account") for record in found] == [
        "0011002233445",
        "9876543210123",
        "0011002233445",
    ]
    assert kept.update("pay-1", {"bank_account": "123456"}, 2).value("bank_account") == "123456"


def test_keys_of_collections_are_made_once(vault: Vault) -> None:
    record = vault.create("pay-1")
    made = vault.count(tables.named_key_version)
    with vault.store.write() as connection:
        ensure_collection_keys(connection, vault.keyring, (PAYROLL, CONTRACTS))
    assert vault.read("pay-1") == record
    assert vault.count(tables.named_key_version) == made


def test_no_sensitive_value_is_in_clear_in_any_file(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    vault = opened(store)
    key = vault.create("pay-1", {**HOA, "note": "thưởng quý ba"}).data_key.expose()
    vault.update("pay-1", {"bank_account": "5556667778889"}, 1)
    content = b"".join(
        path.read_bytes() for path in Path(sqlite_url.removeprefix("sqlite:///")).parent.iterdir()
    )
    assert b"Vietcombank" in content
    secrets = ("Nguyễn Thị Hoa", "0011002233445", "5556667778889", "25000000", "thưởng quý")
    for form in (*(secret.encode() for secret in secrets), key, key.hex().encode()):
        assert form not in content
    store.close()


def test_stored_forms_are_as_they_always_were(any_store: Store) -> None:
    vault = opened(any_store, counting())
    vault.create("pay-1", {"bank_account": "0011002233445", "status": "paid"}, random=counting())
    with any_store.read() as connection:
        wrapped = connection.execute(select(tables.data_key.c.wrapped)).scalar_one()
        envelope = connection.execute(select(tables.record_field.c.envelope)).scalar_one()
        plain, tag = connection.execute(select(tables.record.c.plain, tables.record.c.tag)).one()
        collection_key = vault.keyring.material(connection, RECORDS, "payroll", 1).expose()
    assert wrapped.hex() == (
        "0100000001202122232425262728292a2bd23ba473689d1c09127548c5cd15faf6c058fe8f939575f974ef7609"
        "559740166a42f50e3230313d23bc03cbaf9b22ec"
    )
    assert envelope.hex() == (
        "012c2d2e2f303132333435363770cd152753a1d4fe04fbaed20fd6484eb3a84276ed0beb52ff140532f3d830"
    )
    assert plain == b'{"status":"paid"}'
    assert tag.hex() == "e35bdaeaf7b25fe13ab16d9ceff394616a839ccfba3e77119f439ed94a47d2fa"
    # Opened by hand, as the design writes the formats.
    data_key = AESGCM(collection_key).decrypt(
        wrapped[5:17], wrapped[17:], bound("secvault/data-key", "payroll", "pay-1")
    )
    assert (wrapped[0], wrapped[1:5], data_key) == (1, b"\0\0\0\1", bytes(range(32)))
    place = bound("payroll", "pay-1", "bank_account")
    assert AESGCM(data_key).decrypt(envelope[1:13], envelope[13:], place) == b'"0011002233445"'
    assert envelope[0] == 1
    message = (
        '{"collection":"payroll","created_at":1793700000000000,"id":"pay-1",'
        '"plain":{"status":"paid"},"sealed":{"bank_account":"'
        + hashlib.sha256(envelope).hexdigest()
        + '"},"subject":"pay-1","updated_at":1793700000000000,"version":1}'
    )
    tag_key = HKDF(SHA256(), 32, None, b"secvault/record-tag").derive(data_key)
    assert tag == hmac.digest(tag_key, message.encode(), "sha256")


# What an attacker with SQL does. Foreign keys do not hold him up.

RECORD, FIELD, DATA_KEY = tables.record, tables.record_field, tables.data_key
PAY_1 = (RECORD.c.collection == "payroll") & (RECORD.c.id == "pay-1")
KEY_1 = (DATA_KEY.c.collection == "payroll") & (DATA_KEY.c.subject == "pay-1")


def tamper(vault: Vault, act: Callable[[Connection], object]) -> None:
    engine = create_engine(vault.store.writer.url)
    with engine.begin() as connection:
        if vault.store.dialect == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        act(connection)
    engine.dispose()


def at_field(record_id: str, field: str) -> Any:
    return (
        (FIELD.c.collection == "payroll") & (FIELD.c.record == record_id) & (FIELD.c.field == field)
    )


def envelope_of(connection: Connection, record_id: str, field: str) -> bytes:
    found: bytes = connection.execute(
        select(FIELD.c.envelope).where(at_field(record_id, field))
    ).scalar_one()
    return found


def set_field(vault: Vault, record_id: str, field: str, envelope: bytes) -> None:
    tamper(
        vault,
        lambda connection: assert_one(
            connection.execute(
                update(FIELD).where(at_field(record_id, field)).values(envelope=envelope)
            ).rowcount
        ),
    )


def assert_one(rows: int) -> None:
    assert rows == 1


def damage_of(vault: Vault, record_id: str = "pay-1", collection: Collection = PAYROLL) -> str:
    """What is said of it; reading it, in a list, and changing it are refused alike."""
    with pytest.raises(Damaged) as caught:
        vault.read(record_id, collection)
    with pytest.raises(Damaged), vault.store.write() as connection:
        update_record(
            connection, vault.keyring, collection, record_id, {"status": "paid"}, 2, LATER
        )
    with pytest.raises(Damaged), vault.store.read() as connection:
        read_records(connection, vault.keyring, collection, ("pay-1", "pay-2", "pay-3"))
    assert caught.value.exit_code == 5
    for secret in ("Hoa", "Minh", "0011002233445", "9876543210123", "Vietcombank"):
        assert secret not in str(caught.value)
    return str(caught.value)


def flipped(value: object, bit: int) -> object:
    if isinstance(value, bytes):
        number = int.from_bytes(value, "big") ^ 1 << bit % (8 * len(value))
        return number.to_bytes(len(value), "big")
    if isinstance(value, int):
        return value ^ 1 << bit % 30
    assert isinstance(value, str)
    # The five low bits of a letter or digit make another one, or a sign.
    place = bit // 5 % len(value)
    return value[:place] + chr(ord(value[place]) ^ 1 << bit % 5) + value[place + 1 :]


COLUMNS = [
    *(
        RECORD.c[name]
        for name in ("subject", "version", "plain", "tag", "created_at", "updated_at")
    ),
    FIELD.c.envelope,
    FIELD.c.field,
    DATA_KEY.c.wrapped,
    DATA_KEY.c.subject,
    tables.named_key_version.c.wrapped,
]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_flipped_bit_in_a_stored_column_is_damage(kept: Vault, column: Any) -> None:
    here = {
        "record": PAY_1,
        "record_field": at_field("pay-1", "bank_account"),
        "data_key": KEY_1,
        "named_key_version": tables.named_key_version.c.name == "payroll",
    }[column.table.name]
    with kept.store.read() as connection:
        whole = connection.execute(select(column).where(here)).scalar_one()
    for bit in (0, 1, 7, 12, 29, 64, 100, 131, 264, 519):
        changed = flipped(whole, bit)
        tamper(
            kept,
            lambda c, changed=changed: put(c, column, here, changed),  # type: ignore[misc]
        )
        said = damage_of(kept)
        assert "payroll" in said
        if column is FIELD.c.envelope:
            assert "payroll/pay-1/bank_account" in said
        if column.table is tables.named_key_version:
            assert "version 1 of the key records/payroll" in said
        back = here if column not in (FIELD.c.field, DATA_KEY.c.subject) else column == changed
        tamper(kept, lambda c, back=back: put(c, column, back, whole))  # type: ignore[misc]
    assert values(kept.read("pay-1")) == {**HOA, "status": "draft"}


def put(connection: Connection, column: Any, here: Any, value: object) -> None:
    rows = connection.execute(
        update(column.table).where(here).values({column.name: value})
    ).rowcount
    assert_one(rows)


def test_two_swapped_fields_are_damage_that_names_one(kept: Vault) -> None:
    def swap(connection: Connection) -> None:
        gross = envelope_of(connection, "pay-1", "gross_salary")
        net = envelope_of(connection, "pay-1", "net_salary")
        put(connection, FIELD.c.envelope, at_field("pay-1", "gross_salary"), net)
        put(connection, FIELD.c.envelope, at_field("pay-1", "net_salary"), gross)

    tamper(kept, swap)
    assert "_salary cannot be opened" in damage_of(kept)


def test_a_field_of_another_record_is_damage_that_names_it(kept: Vault) -> None:
    with kept.store.read() as connection:
        stolen = envelope_of(connection, "pay-2", "bank_account")
    set_field(kept, "pay-1", "bank_account", stolen)
    assert "payroll/pay-1/bank_account cannot be opened" in damage_of(kept)


@pytest.mark.parametrize(
    "names",
    [
        (RECORD.c.id,),
        (RECORD.c.subject,),
        (FIELD.c.record,),
        (DATA_KEY.c.subject,),
        (RECORD.c.id, FIELD.c.record),
        (RECORD.c.id, RECORD.c.subject, FIELD.c.record),
        (RECORD.c.id, RECORD.c.subject, FIELD.c.record, DATA_KEY.c.subject),
    ],
    ids=str,
)
def test_two_swapped_records_are_damage(kept: Vault, names: tuple[Any, ...]) -> None:
    def swap(connection: Connection) -> None:
        for name in names:
            rename(connection, name, "pay-1", "between")
            rename(connection, name, "pay-2", "pay-1")
            rename(connection, name, "between", "pay-2")

    tamper(kept, swap)
    for record_id in ("pay-1", "pay-2"):
        assert f"payroll/{record_id}" in damage_of(kept, record_id)


def rename(connection: Connection, column: Any, old: str, new: str) -> None:
    rows = connection.execute(
        update(column.table).where(column == old).values({column.name: new})
    ).rowcount
    assert rows >= 1


def test_a_swapped_data_key_is_damage_that_names_it(kept: Vault) -> None:
    def swap(connection: Connection) -> None:
        other = select(DATA_KEY.c.wrapped).where(DATA_KEY.c.subject == "pay-2")
        put(connection, DATA_KEY.c.wrapped, KEY_1, connection.execute(other).scalar_one())

    tamper(kept, swap)
    assert "the data key of payroll/pay-1 does not open" in damage_of(kept)


@pytest.mark.parametrize("with_the_key_of_the_collection", [False, True])
def test_a_record_moved_to_another_collection_is_damage(
    kept: Vault, with_the_key_of_the_collection: bool
) -> None:
    def move(connection: Connection) -> None:
        for table in (RECORD, FIELD, DATA_KEY):
            rename(connection, table.c.collection, "payroll", "contracts")
        if with_the_key_of_the_collection:
            version = tables.named_key_version
            ours = select(version.c.wrapped).where(version.c.name == "payroll")
            wrapped = connection.execute(ours).scalar_one()
            put(connection, version.c.wrapped, version.c.name == "contracts", wrapped)

    tamper(kept, move)
    said = damage_of(kept, "pay-1", CONTRACTS)
    assert "the data key of contracts/pay-1 does not open" in said
    assert ("key records/contracts" in said) == with_the_key_of_the_collection


def test_an_old_envelope_put_back_is_damage(kept: Vault) -> None:
    old = kept.read("pay-1").sealed["bank_account"]
    kept.update("pay-1", {"bank_account": "5556667778889"}, 2)
    set_field(kept, "pay-1", "bank_account", old)
    assert "its parts do not belong together" in damage_of(kept)


def test_an_old_row_of_the_record_put_back_is_damage(kept: Vault) -> None:
    def row(connection: Connection) -> dict[str, Any]:
        return dict(connection.execute(select(RECORD).where(PAY_1)).one()._mapping)

    with kept.store.read() as connection:
        old = row(connection)
    kept.update("pay-1", {"bank_account": "5556667778889"}, 2)
    tamper(kept, lambda connection: put_row(connection, old))
    assert "its parts do not belong together" in damage_of(kept)


def put_row(connection: Connection, row: Mapping[str, Any]) -> None:
    assert_one(connection.execute(update(RECORD).where(PAY_1).values(**row)).rowcount)


@pytest.mark.parametrize("field", sorted(SENSITIVE))
def test_a_sealed_field_that_was_removed_is_damage(kept: Vault, field: str) -> None:
    tamper(
        kept,
        lambda c: assert_one(c.execute(delete(FIELD).where(at_field("pay-1", field))).rowcount),
    )
    assert "the set of sealed fields was changed" in damage_of(kept)


@pytest.mark.parametrize("field", ["note", "status"])
def test_a_sealed_field_that_was_added_is_damage(kept: Vault, field: str) -> None:
    envelope = kept.read("pay-1").sealed["bank_account"]
    row = {"collection": "payroll", "record": "pay-1", "field": field, "envelope": envelope}
    tamper(kept, lambda connection: connection.execute(insert(FIELD).values(**row)))
    assert f"payroll/pay-1/{field} cannot be opened" in damage_of(kept)


@pytest.mark.parametrize(
    "plain",
    [
        b'{"bank":"Vietcombank","month":"2026-10","status":"paid"}',
        b'{"bank":"Vietcombank","month":"2026-10"}',
        b'{"bank":"Vietcombank", "month":"2026-10", "status":"draft"}',
        b'{"status":"draft","month":"2026-10","bank":"Vietcombank"}',
        b'["bank"]',
        b"{",
        b"",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_changed_plain_fields_are_damage_even_when_they_mean_the_same(
    kept: Vault, plain: bytes
) -> None:
    tamper(kept, lambda connection: put(connection, RECORD.c.plain, PAY_1, plain))
    assert "the record payroll/pay-1 is damaged" in damage_of(kept)


@pytest.mark.parametrize("tag", [b"", bytes(31), bytes(32), bytes(33)])
def test_another_tag_is_damage(kept: Vault, tag: bytes) -> None:
    tamper(kept, lambda connection: put(connection, RECORD.c.tag, PAY_1, tag))
    assert "payroll/pay-1" in damage_of(kept)


def test_a_number_too_large_for_the_message_of_the_tag_is_damage(kept: Vault) -> None:
    tamper(kept, lambda connection: put(connection, RECORD.c.updated_at, PAY_1, 2**60))
    assert "payroll/pay-1" in damage_of(kept)


def test_without_its_data_key_a_record_is_lost_and_says_so(kept: Vault) -> None:
    tamper(
        kept,
        lambda connection: assert_one(connection.execute(delete(DATA_KEY).where(KEY_1)).rowcount),
    )
    assert "the data key of payroll/pay-1 is gone" in damage_of(kept)
    # It can still be cleared away.
    kept.delete("pay-1", 2)
    assert values(kept.read("pay-2")) == MINH


def test_without_the_key_of_the_collection_nothing_opens(kept: Vault) -> None:
    version = tables.named_key_version
    tamper(kept, lambda connection: connection.execute(delete(version)))
    assert "version 1 of the key records/payroll is gone" in damage_of(kept)


@dataclass(frozen=True)
class WholeFile:
    """A database with one record, and the places of its bytes that are not empty."""

    content: bytes = field(repr=False)
    used: tuple[int, ...] = field(repr=False)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> WholeFile:
    """A flip beside the rows is the store's affair, and is tried in its own tests."""
    file = tmp_path_factory.mktemp("whole") / "secvault.db"
    shutil.copy(migrated_file, file)
    store = open_store(f"sqlite:///{file}")
    opened(store).create("pay-1")
    store.close()
    content = file.read_bytes()
    starts = range(4096, len(content), 4096)
    pages = [at for at in starts if b"pay" in content[at : at + 4096]]
    used = (place for at in pages for place in range(at, at + 4096))
    return WholeFile(
        content, tuple(place for place in used if content[place - 8 : place + 8].strip(b"\0"))
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_in_the_rows_is_damage_or_no_matter(
    tmp_path: Path, whole_file: WholeFile, chosen: int, bit: int
) -> None:
    file = tmp_path / "flipped.db"
    for left in tmp_path.glob("flipped.db*"):
        left.unlink()
    content = bytearray(whole_file.content)
    content[whole_file.used[chosen % len(whole_file.used)]] ^= 1 << bit
    file.write_bytes(content)
    assert outcome(file) in ("the same", "damaged", "not found", "unavailable")


def outcome(file: Path) -> str:
    clock = Clock(wall=lambda: CREATED, monotonic=lambda: 0.0, sleep=lambda _: None)
    store = open_store(f"sqlite:///{file}")
    vault = Vault(store, Keyring(store, clock, ROOT))
    said: dict[type[SecvaultError], str] = {
        Damaged: "damaged",
        NotFound: "not found",
        Unavailable: "unavailable",
    }
    try:
        record = vault.read("pay-1")
        return "the same" if (values(record), record.version) == (HOA, 1) else f"else: {record}"
    except SecvaultError as error:
        return said.get(type(error), repr(error))
    finally:
        store.close()

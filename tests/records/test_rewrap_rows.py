"""Re-wrapping data keys as rows, on each engine."""

from __future__ import annotations

import os

from sqlalchemy import insert, select, update

from secvault.clock import Clock
from secvault.crypto import datakey
from secvault.crypto.secret import Secret
from secvault.keyring import Keyring
from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import NamedKey, read_key
from secvault.keyring.root import Root
from secvault.records.rewrap import Batch, count_left, rewrap_batch
from secvault.store import Store
from secvault.store.tables import data_key

KEY = Secret(b"k" * 32)
CLOCK = Clock(wall=lambda: 1_793_700_000_000_000, monotonic=lambda: 0.0, sleep=lambda _: None)


def _rotated(store: Store, subjects: list[str]) -> tuple[Keyring, NamedKey]:
    keyring = Keyring(store, CLOCK, Root("vault-1", Secret(bytes(32))))
    with store.write() as connection:
        keyring.add_mount(connection, RECORDS, RECORDS, "it")
        keyring.create(connection, RECORDS, "payroll")
        wrapping = keyring.material(connection, RECORDS, "payroll", 1)
        for each in subjects:
            wrapped = datakey.wrap_data_key(KEY, wrapping, 1, "payroll", each)
            row = {"collection": "payroll", "subject": each, "wrapped": wrapped, "created_at": 1}
            connection.execute(insert(data_key).values(row))
        return keyring, keyring.rotate(connection, RECORDS, "payroll")


def _next(store: Store, keyring: Keyring, key: NamedKey, after: str) -> Batch:
    with store.write() as connection:
        return rewrap_batch(connection, keyring, key, after, 2, {}, os.urandom)


def test_batches_go_through_all_subjects_and_count_what_they_changed(any_store: Store) -> None:
    subjects = ["a", "b", "c", "đ", "z"]
    keyring, key = _rotated(any_store, subjects)
    with any_store.write() as connection:
        connection.execute(
            update(data_key).where(data_key.c.subject == "c").values(wrapped=b"\1" + bytes(64))
        )
        assert count_left(connection, key) == 5
    assert _next(any_store, keyring, key, "") == Batch(2, (), "b")
    assert _next(any_store, keyring, key, "b") == Batch(1, ("c",), "z")
    assert _next(any_store, keyring, key, "z") == Batch(1, (), "đ")
    with any_store.read() as connection:
        assert count_left(connection, key) == 1
        wrapping = keyring.material(connection, RECORDS, "payroll", 2)
        for subject, wrapped in connection.execute(select(data_key.c.subject, data_key.c.wrapped)):
            if subject != "c":
                assert datakey.unwrap_data_key(wrapped, wrapping, "payroll", subject) == KEY
        assert read_key(connection, RECORDS, "payroll").messages == {1: 0, 2: 5}

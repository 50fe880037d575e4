"""No version of a key seals more messages than its cipher bears, whoever asks and is killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from secvault.config import Settings
from secvault.errors import InvalidInput
from secvault.keyring import Keyring, message_count
from secvault.keyring.due import Lifetime, is_due, keys_near_limit, mark_told, may_be_due
from secvault.keyring.encryption import ToEncrypt
from secvault.keyring.message_count import (
    FIRST_BLOCK,
    LARGEST_BLOCK,
    MOST_MESSAGES,
    MessageCount,
    count_messages,
)
from secvault.keyring.named_key import KeyOptions, key_names, read_key
from secvault.keyring.open_key import OpenKey
from secvault.store import Store, tables

ONE = ToEncrypt(b"x")


def _made(store: Store, keyring: Keyring, kind: str = "aes256-gcm96") -> OpenKey:
    with store.write() as connection:
        key = keyring.create(connection, "transit", "payroll", KeyOptions(kind=kind))
    with store.read() as connection:
        return keyring.open(connection, key)


def _stored(store: Store) -> int:
    with store.read() as connection:
        return read_key(connection, "transit", "payroll").messages[1]


def _set(store: Store, messages: int) -> None:
    with store.write() as connection:
        connection.execute(update(tables.named_key_version).values(messages=messages))


def test_what_is_stored_is_never_less_than_what_was_sealed(
    any_store: Store, keyring: Keyring
) -> None:
    key = _made(any_store, keyring)
    counts = MessageCount(any_store)
    for sealed in range(1, 3 * FIRST_BLOCK):
        counts.spend(key, ONE)
        assert sealed <= _stored(any_store) <= 2 * sealed + FIRST_BLOCK
    # Another process, and this one's successor, begin with blocks of their own.
    before = _stored(any_store)
    MessageCount(any_store).spend(key, ONE)
    assert _stored(any_store) == before + FIRST_BLOCK


def test_a_block_never_grows_beyond_its_limit(any_store: Store, keyring: Keyring) -> None:
    key = _made(any_store, keyring)
    counts = MessageCount(any_store)
    for _ in range(40):
        before = _stored(any_store)
        while not counts.take(key, [ONE] * 1000):
            counts.spend(key, ONE)
            if _stored(any_store) > before:
                assert _stored(any_store) - before <= LARGEST_BLOCK
                before = _stored(any_store)


def test_taking_from_memory_asks_the_store_for_nothing(any_store: Store, keyring: Keyring) -> None:
    key = _made(any_store, keyring)
    counts = MessageCount(any_store)
    assert not counts.take(key, [ONE])
    assert _stored(any_store) == 0
    counts.spend(key, ONE)
    assert counts.take(key, [ONE] * (FIRST_BLOCK - 1))
    assert not counts.take(key, [ONE])
    assert _stored(any_store) == FIRST_BLOCK


@pytest.mark.parametrize("left", [0, 1, 5, FIRST_BLOCK, FIRST_BLOCK + 3])
def test_the_last_messages_are_sealed_and_not_one_more(
    any_store: Store, keyring: Keyring, left: int
) -> None:
    key = _made(any_store, keyring)
    _set(any_store, MOST_MESSAGES - left)
    counts = MessageCount(any_store)
    for _ in range(left):
        counts.spend(key, ONE)
    with pytest.raises(InvalidInput, match="rotate the key"):
        counts.spend(key, ONE)
    assert not counts.take(key, [ONE])
    assert _stored(any_store) == MOST_MESSAGES


def test_many_at_once_never_pass_the_limit_together(any_store: Store, keyring: Keyring) -> None:
    key = _made(any_store, keyring)
    _set(any_store, MOST_MESSAGES - 500)
    processes = [MessageCount(any_store) for _ in range(3)]

    def spend(number: int) -> int:
        sealed = 0
        for _ in range(60):
            try:
                processes[number % 3].spend(key, ONE)
            except InvalidInput:
                break
            sealed += 1
        return sealed

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(spend, range(12))) <= 500
    assert _stored(any_store) <= MOST_MESSAGES


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches=st.lists(st.integers(0, 3), max_size=30), left=st.integers(0, 40))
def test_a_refused_count_changes_nothing(
    any_store: Store, keyring: Keyring, batches: list[int], left: int
) -> None:
    with any_store.read() as connection:
        missing = "payroll" not in key_names(connection, "transit")
    if missing:
        _made(any_store, keyring)
    _set(any_store, MOST_MESSAGES - left)
    counted = 0
    for messages in batches:
        fits = counted + messages <= left
        with any_store.write() as connection:
            if fits:
                count_messages(connection, "transit", "payroll", 1, messages)
                counted += messages
            else:
                with pytest.raises(InvalidInput):
                    count_messages(connection, "transit", "payroll", 1, messages)
    assert _stored(any_store) == MOST_MESSAGES - left + counted


def test_versions_are_counted_apart_and_those_that_cannot_be_not_at_all(
    any_store: Store, keyring: Keyring
) -> None:
    _made(any_store, keyring)
    with any_store.write() as connection:
        key = keyring.rotate(connection, "transit", "payroll")
    with any_store.read() as connection:
        opened = keyring.open(connection, key)
    counts = MessageCount(any_store)
    for version, times in ((0, 2), (1, 1), (9, 5), (-1, 5)):
        for _ in range(times):
            counts.spend(opened, ToEncrypt(b"x", key_version=version))
    with any_store.read() as connection:
        stored = read_key(connection, "transit", "payroll").messages
    assert stored == {1: FIRST_BLOCK, 2: FIRST_BLOCK}


def test_a_key_without_nonces_is_not_counted(any_store: Store, keyring: Keyring) -> None:
    key = _made(any_store, keyring, "rsa-2048")
    counts = MessageCount(any_store)
    counts.spend(key, ONE)
    assert counts.take(key, [ONE] * 10)
    assert _stored(any_store) == 0


LIFETIME = Lifetime(rotate_messages=1000, warn_messages=800, collection_seconds=0)


def test_a_version_that_sealed_much_is_due_for_rotation(any_store: Store, keyring: Keyring) -> None:
    _made(any_store, keyring)
    for messages, due in ((999, False), (1000, True)):
        _set(any_store, messages)
        with any_store.read() as connection:
            assert is_due(read_key(connection, "transit", "payroll"), LIFETIME, 0) == due
            assert bool(may_be_due(connection, LIFETIME)) == due
    with any_store.write() as connection:
        keyring.rotate(connection, "transit", "payroll")
    with any_store.read() as connection:
        assert may_be_due(connection, LIFETIME) == ()


def test_the_default_rotates_well_before_the_limit_and_warns_before_that() -> None:
    keys = Settings().keys
    assert message_count.MOST_MESSAGES == 2**32
    assert message_count.MOST_MESSAGES - keys.rotate_messages >= 2**30
    assert message_count.FROM_ELSEWHERE < keys.warn_messages < keys.rotate_messages
    # An original until its rotation, and its copy until the copy's, stay within it together.
    copy = keys.rotate_messages - message_count.FROM_ELSEWHERE
    assert keys.rotate_messages + copy <= message_count.MOST_MESSAGES


def test_a_version_is_told_of_once(any_store: Store, keyring: Keyring) -> None:
    _made(any_store, keyring)
    _set(any_store, 799)
    with any_store.read() as connection:
        assert keys_near_limit(connection, LIFETIME, untold=True) == ()
    _set(any_store, 800)
    with any_store.write() as connection:
        (near,) = keys_near_limit(connection, LIFETIME, untold=True)
        assert (near.resource, near.version, near.messages) == ("transit/payroll", 1, 800)
        assert mark_told(connection, near, 7)
        assert not mark_told(connection, near, 8)
        assert keys_near_limit(connection, LIFETIME, untold=True) == ()
        assert keys_near_limit(connection, LIFETIME, "transit") == (near,)
        assert keys_near_limit(connection, LIFETIME, "records") == ()

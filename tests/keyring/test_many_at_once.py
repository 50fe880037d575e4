"""Many items at once are encrypted and decrypted exactly as each would be alone."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.errors import InvalidInput
from secvault.keyring import FileSeal, Keyring, encryption
from secvault.keyring.encryption import ToDecrypt, ToEncrypt
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import OpenKey
from secvault.keyring.root import create_root
from secvault.store import Store

KINDS = ("aes256-gcm96", "aes128-gcm96", "chacha20-poly1305")
items = st.lists(
    st.builds(
        ToEncrypt,
        plaintext=st.binary(max_size=40),
        associated_data=st.sampled_from([b"", b"here", b"there"]),
        key_version=st.sampled_from([0, 0, 0, 1, 2]),
    ),
    max_size=6,
)


@pytest.fixture(params=KINDS)
def key(
    request: pytest.FixtureRequest, sqlite_store: Store, clock: Clock, seal: FileSeal
) -> OpenKey:
    """A key of each kind with two versions."""
    with sqlite_store.write() as connection:
        root = create_root(connection, seal, clock, seal.random)
        keyring = Keyring(sqlite_store, clock, root)
        keyring.add_mount(connection, "transit", "transit", "it")
        keyring.create(connection, "transit", "payroll", KeyOptions(kind=request.param))
        rotated = keyring.rotate(connection, "transit", "payroll")
    with sqlite_store.read() as connection:
        return keyring.open(connection, rotated)


def _counted() -> Random:
    numbers = itertools.count()
    return lambda count: b"".join(next(numbers).to_bytes(12, "big") for _ in range(count // 12))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items)
def test_each_text_is_what_encrypting_it_alone_makes(key: OpenKey, many: list[ToEncrypt]) -> None:
    alone = _counted()
    assert encryption.encrypt_each(key, many, _counted()) == [
        encryption.encrypt(key, item, alone) for item in many
    ]


def _spoilt(text: str, how: str) -> str:
    return {
        "": text,
        "empty": "",
        "padded": text + "=",
        "prefix": text.replace("vault", "bolt"),
        "cut": text[:-3],
        "version": "vault:v9:" + text[9:],
        "other version": text.replace("v2", "v1"),
        "changed": text[:-8] + "AAAA" + text[-4:],
        "no base64": text[:-8] + "*" + text[-7:],
        "not ASCII": text + "é",
    }[how]


FAULTS = ["", "empty", "padded", "prefix", "cut", "version", "other version", "changed"]
FAULTS += ["no base64", "not ASCII"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items, st.lists(st.sampled_from([""] * 20 + FAULTS), min_size=6, max_size=6))
def test_what_opens_alone_opens_with_others_and_what_does_not_fails_alike(
    key: OpenKey, many: list[ToEncrypt], faults: list[str]
) -> None:
    texts = [
        ToDecrypt(
            _spoilt(encryption.encrypt(key, item, os.urandom).ciphertext, how), item.associated_data
        )
        for item, how in zip(many, faults, strict=False)
    ]
    assert _outcome(lambda: encryption.decrypt_each(key, texts).plaintexts) == _outcome(
        lambda: [encryption.decrypt(key, text) for text in texts]
    )


def test_rewrapping_many_moves_all_to_the_latest_version(key: OpenKey) -> None:
    old = [
        ToDecrypt(encryption.encrypt(key, ToEncrypt(text, key_version=1), os.urandom).ciphertext)
        for text in (b"a", b"b")
    ]
    moved, versions = encryption.rewrap_each(key, old, os.urandom)
    assert versions == {1: 2}
    assert [done.key_version for done in moved] == [2, 2]
    opened = encryption.decrypt_each(key, [ToDecrypt(done.ciphertext) for done in moved])
    assert opened == ([b"a", b"b"], {2: 2})


def test_a_version_that_may_not_be_used_any_more_is_refused_for_all(key: OpenKey) -> None:
    text = encryption.encrypt(key, ToEncrypt(b"a", key_version=1), os.urandom).ciphertext
    limited = OpenKey(replace(key.key, min_decryption_version=2), key.versions)
    with pytest.raises(InvalidInput, match="too old"):
        encryption.decrypt_each(limited, [ToDecrypt(text)])


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except InvalidInput as error:
        return error.detail

"""Named keys: their life, their limits, and what happens when their rows are changed."""

from __future__ import annotations

import os
import random as chance
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.keyring import FileSeal, Keyring
from secvault.keyring.keyring import INTERNAL
from secvault.keyring.named_key import (
    KeyOptions,
    NamedKey,
    check_name,
    find_key,
    key_names,
    read_key,
)
from secvault.keyring.root import Root, create_root
from secvault.store import Store, open_store, tables

MATERIAL = Secret(bytes(range(200, 232)))
VERSION = tables.named_key_version
KEY = tables.named_key


@pytest.fixture
def pay(any_store: Store, keyring: Keyring) -> NamedKey:
    """The key transit/pay with versions 1 to 3, exportable."""
    with any_store.write() as connection:
        keyring.create(connection, "transit", "pay", KeyOptions(exportable=True))
        keyring.rotate(connection, "transit", "pay")
        return keyring.rotate(connection, "transit", "pay")


def material(store: Store, keyring: Keyring, name: str, version: int) -> Secret:
    with store.read() as connection:
        return keyring.material(connection, "transit", name, version)


def test_a_wrapped_version_has_its_fixed_form_and_is_bound_to_its_place(
    any_store: Store, clock: Clock, counting: Callable[[], Random]
) -> None:
    root = Root("vault-1", Secret(bytes(range(32))))
    keyring = Keyring(any_store, clock, root, counting())
    with any_store.write() as connection:
        keyring.add_mount(connection, "transit", "transit", "it")
        keyring.create(connection, "transit", "pay", material=MATERIAL)
        wrapped = connection.execute(select(VERSION.c.wrapped)).scalar_one()
    assert wrapped[:1] == b"\x01"
    assert len(wrapped) == 1 + 12 + 32 + 16
    place = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (b"secvault/bound-key", b"transit", b"pay", b"1")
    )
    opened = AESGCM(root.key.expose()).decrypt(wrapped[1:13], wrapped[13:], place)
    assert opened == MATERIAL.expose()


def test_a_new_key_has_one_version_and_says_what_it_is(
    any_store: Store, keyring: Keyring, clock: Clock
) -> None:
    with any_store.write() as connection:
        made = keyring.create(connection, "transit", "pay")
    assert made == NamedKey(
        mount="transit",
        name="pay",
        kind="aes256-gcm96",
        department="it",
        latest_version=1,
        min_decryption_version=1,
        min_encryption_version=0,
        exportable=False,
        imported=False,
        derived=False,
        convergent=False,
        allow_plaintext_backup=False,
        deletion_allowed=False,
        allow_rotation=True,
        soft_deleted=False,
        key_size=0,
        min_available_version=0,
        auto_rotate_seconds=0,
        backed_up_at=None,
        created={1: clock.micros()},
        public={},
        messages={1: 0},
        sealed_options=made.sealed_options,
    )
    assert made.sealed_options is not None
    assert made.resource == "transit/pay"
    with any_store.read() as connection:
        assert read_key(connection, "transit", "pay") == made
        assert find_key(connection, "transit", "pya") is None
        assert key_names(connection, "transit") == ("pay",)


def test_the_bytes_of_a_key_are_drawn_not_derived(any_store: Store, keyring: Keyring) -> None:
    with any_store.write() as connection:
        for name in ("a", "b"):
            keyring.create(connection, "transit", name)
            keyring.rotate(connection, "transit", name)
    seen = {
        material(any_store, keyring, name, version).expose()
        for name in ("a", "b")
        for version in (1, 2)
    }
    assert len(seen) == 4
    assert {len(one) for one in seen} == {32}


def test_an_imported_key_is_what_was_brought_and_says_so(
    any_store: Store, keyring: Keyring
) -> None:
    with any_store.write() as connection:
        made = keyring.create(connection, "transit", "theirs", material=MATERIAL)
    assert made.imported
    assert material(any_store, keyring, "theirs", 1) == MATERIAL


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_imported_bytes_must_be_a_256_bit_key(
    any_store: Store, keyring: Keyring, length: int
) -> None:
    with (
        pytest.raises(InvalidInput, match=r"^ciphertext: .*32 bytes"),
        any_store.write() as connection,
    ):
        keyring.create(connection, "transit", "theirs", material=Secret(bytes(length)))


def test_another_kind_of_key_is_refused(any_store: Store, keyring: Keyring) -> None:
    with (
        pytest.raises(InvalidInput, match="unknown key type nope"),
        any_store.write() as connection,
    ):
        keyring.create(connection, "transit", "pay", KeyOptions("nope"))


def test_a_name_that_is_taken_stays_as_it_is(any_store: Store, keyring: Keyring) -> None:
    with any_store.write() as connection:
        keyring.create(connection, "transit", "pay", material=MATERIAL)
    with pytest.raises(Conflict, match="transit/pay exists already"):
        create(any_store, keyring)
    assert material(any_store, keyring, "pay", 1) == MATERIAL


def create(store: Store, keyring: Keyring) -> None:
    with store.write() as connection:
        keyring.create(connection, "transit", "pay")


def test_a_key_needs_a_mount(any_store: Store, keyring: Keyring) -> None:
    with (
        pytest.raises(NotFound, match="there is no mount elsewhere/"),
        any_store.write() as connection,
    ):
        keyring.create(connection, "elsewhere", "pay")


def test_a_mount_stays_as_it_was_first_made(any_store: Store, keyring: Keyring) -> None:
    with any_store.write() as connection:
        keyring.add_mount(connection, "transit", "transit", "hr")
        assert keyring.department_of(connection, "transit") == "it"
        with pytest.raises(NotFound, match="no mount hr/"):
            keyring.department_of(connection, "hr")


@pytest.mark.parametrize("name", ["a", "A_1", "pay.roll-2", "_", "x" * 128])
def test_such_names_are_taken(name: str) -> None:
    assert check_name(name) == name


@given(
    st.one_of(
        st.sampled_from(["", ".", "..", "a.", "-a", "a/b", "a b", "é", "a\n", "x" * 129, "a\0"]),
        st.text().filter(lambda text: not text.replace("_", "a").isalnum()).map(lambda t: f".{t}"),
    )
)
def test_other_names_are_refused_at_their_field(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^key_name: use 1 to 128"):
        check_name(name, "key_name")


def test_rotation_adds_a_version_and_keeps_the_old_ones(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    before = [material(any_store, keyring, "pay", version) for version in (1, 2, 3)]
    with any_store.write() as connection:
        after = keyring.rotate(connection, "transit", "pay")
    assert after.latest_version == 4
    assert set(after.created) == {1, 2, 3, 4}
    now = [material(any_store, keyring, "pay", version) for version in (1, 2, 3, 4)]
    assert now[:3] == before
    assert now[3] not in before


def test_a_key_that_is_not_there_is_not_rotated(any_store: Store, keyring: Keyring) -> None:
    with pytest.raises(NotFound, match="no key transit/pay"), any_store.write() as connection:
        keyring.rotate(connection, "transit", "pay")
    with pytest.raises(NotFound, match="no key transit/pay"), any_store.read() as connection:
        read_key(connection, "transit", "pay")


def test_rotations_at_once_make_consecutive_versions(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    def rotate(_number: int) -> int:
        with any_store.write() as connection:
            return keyring.rotate(connection, "transit", "pay").latest_version

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(rotate, range(12))) == list(range(4, 16))
    assert (
        len({material(any_store, keyring, "pay", version).expose() for version in range(1, 16)})
        == 15
    )


def test_encryption_takes_the_latest_version_unless_one_is_named(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    with any_store.read() as connection:
        assert keyring.for_encryption(connection, pay)[0] == 3
        version, key = keyring.for_encryption(connection, pay, 2)
    assert (version, key) == (2, material(any_store, keyring, "pay", 2))


@pytest.mark.parametrize("version", [-1, 1, 4, 2**64])
def test_encryption_is_held_to_its_limits(
    any_store: Store, keyring: Keyring, pay: NamedKey, version: int
) -> None:
    with any_store.write() as connection:
        limited = keyring.update(connection, "transit", "pay", min_encryption_version=2)
    with pytest.raises(InvalidInput, match=r"^key_version: "), any_store.read() as connection:
        keyring.for_encryption(connection, limited, version)


@pytest.mark.parametrize(
    ("version", "words"), [(1, "too old"), (0, "too old"), (4, "version is too new")]
)
def test_decryption_is_held_to_its_limits(
    any_store: Store, keyring: Keyring, pay: NamedKey, version: int, words: str
) -> None:
    with any_store.write() as connection:
        changed = keyring.update(connection, "transit", "pay", min_decryption_version=2)
        limited = keyring.open(connection, changed)
    assert limited.for_decryption(2).number == 2
    with pytest.raises(InvalidInput, match=words):
        limited.for_decryption(version)


def test_a_key_of_our_own_is_made_once_whoever_asks_first(
    any_store: Store, keyring: Keyring
) -> None:
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda _: keyring.internal("pepper").expose(), range(12)))
    assert len(set(got)) == 1
    assert keyring.internal("other").expose() != got[0]
    with any_store.read() as connection:
        assert key_names(connection, INTERNAL) == ("other", "pepper")
        assert not read_key(connection, INTERNAL, "pepper").imported


def test_a_key_of_another_form_is_kept_as_it_was_made(keyring: Keyring) -> None:
    made = Secret(b"a key of any length, made elsewhere")
    assert keyring.internal("signing", "ed25519", lambda: made) == made
    assert keyring.internal("signing", "ed25519", lambda: Secret(b"another")) == made


def test_ensuring_a_key_makes_it_once_also_at_once(any_store: Store, keyring: Keyring) -> None:
    def ensure(_number: int) -> None:
        with any_store.write() as connection:
            keyring.ensure(connection, "transit", "pay")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ensure, range(6)))
    with any_store.read() as connection:
        assert read_key(connection, "transit", "pay").latest_version == 1


def test_each_flipped_bit_of_a_wrapped_version_is_damage_that_names_the_key(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    here = (VERSION.c.name == "pay") & (VERSION.c.version == 2)
    with any_store.read() as connection:
        wrapped = connection.execute(select(VERSION.c.wrapped).where(here)).scalar_one()
    for place in [0, *chance.Random(3).sample(range(8 * len(wrapped)), 40)]:
        flipped = (int.from_bytes(wrapped, "big") ^ 1 << place).to_bytes(len(wrapped), "big")
        with any_store.write() as connection:
            connection.execute(update(VERSION).where(here).values(wrapped=flipped))
        with pytest.raises(Damaged, match=r"^version 2 of the key transit/pay is damaged$"):
            material(any_store, keyring, "pay", 2)
    assert material(any_store, keyring, "pay", 1).expose()


@pytest.mark.parametrize("wrapped", [b"", b"\x01", bytes(60), bytes(62), bytes(4000)])
def test_a_wrapped_version_of_another_length_is_damage(
    any_store: Store, keyring: Keyring, pay: NamedKey, wrapped: bytes
) -> None:
    with any_store.write() as connection:
        connection.execute(update(VERSION).values(wrapped=wrapped))
    with pytest.raises(Damaged, match="version 1 of the key transit/pay"):
        material(any_store, keyring, "pay", 1)


def test_swapped_versions_do_not_open(any_store: Store, keyring: Keyring, pay: NamedKey) -> None:
    swap(any_store, ("pay", 1), ("pay", 2))
    for version in (1, 2):
        with pytest.raises(Damaged, match=f"version {version} of the key transit/pay"):
            material(any_store, keyring, "pay", version)
    assert material(any_store, keyring, "pay", 3).expose()


def test_swapped_keys_do_not_open(any_store: Store, keyring: Keyring, pay: NamedKey) -> None:
    with any_store.write() as connection:
        keyring.create(connection, "transit", "tax")
    swap(any_store, ("pay", 1), ("tax", 1))
    for name in ("pay", "tax"):
        with pytest.raises(Damaged, match=f"version 1 of the key transit/{name}"):
            material(any_store, keyring, name, 1)


def swap(store: Store, *places: tuple[str, int]) -> None:
    with store.write() as connection:
        here = [(VERSION.c.name == name) & (VERSION.c.version == v) for name, v in places]
        rows = [connection.execute(select(VERSION.c.wrapped).where(at)).scalar_one() for at in here]
        for at, wrapped in zip(here, reversed(rows), strict=True):
            connection.execute(update(VERSION).where(at).values(wrapped=wrapped))


def test_a_key_moved_to_another_mount_does_not_open(any_store: Store, keyring: Keyring) -> None:
    with any_store.write() as connection:
        keyring.create(connection, "transit", "pay")
        keyring.add_mount(connection, "other", "transit", "hr")
        keyring.create(connection, "other", "pay")
        wrapped = select(VERSION.c.wrapped).where(VERSION.c.mount == "transit")
        stolen = connection.execute(wrapped).scalar_one()
        connection.execute(update(VERSION).where(VERSION.c.mount == "other").values(wrapped=stolen))
    with pytest.raises(Damaged, match="key other/pay"), any_store.read() as connection:
        keyring.material(connection, "other", "pay", 1)


def test_a_version_that_is_gone_is_damage_not_a_missing_key(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    with any_store.write() as connection:
        connection.execute(delete(VERSION).where(VERSION.c.version == 3))
    gone = "version 3 of the key transit/pay is gone"
    with any_store.read() as connection:
        with pytest.raises(Damaged, match=gone):
            keyring.for_encryption(connection, pay)
        opened = keyring.open(connection, pay)
        with pytest.raises(Damaged, match=gone):
            opened.for_decryption(3)
        assert opened.for_decryption(2).number == 2


def test_a_copy_of_the_store_opens_under_the_same_root(
    any_store: Store, keyring: Keyring, pay: NamedKey, tmp_path: Path, migrated_file: Path
) -> None:
    shutil.copy(migrated_file, tmp_path / "copy.db")
    copy = open_store(f"sqlite:///{tmp_path}/copy.db")
    with any_store.read() as source, copy.write() as target:
        for table in (tables.vault, tables.mount, KEY, VERSION):
            target.execute(
                insert(table), [dict(row._mapping) for row in source.execute(select(table))]
            )
    restored = keyring.over(copy)
    assert restored.vault_id == keyring.vault_id
    assert material(copy, restored, "pay", 2) == material(any_store, keyring, "pay", 2)
    copy.close()


def test_another_root_opens_nothing(
    any_store: Store, keyring: Keyring, clock: Clock, pay: NamedKey
) -> None:
    other = Keyring(any_store, clock, Root(keyring.vault_id, Secret(os.urandom(32))))
    with pytest.raises(Damaged):
        material(any_store, other, "pay", 1)


def test_no_key_is_in_clear_in_any_file_of_the_data_folder(
    sqlite_url: str, tmp_path: Path, clock: Clock, seal: FileSeal
) -> None:
    drawn: list[bytes] = []

    def remembered(count: int) -> bytes:
        drawn.append(os.urandom(count))
        return drawn[-1]

    folder = tmp_path / "data"
    store = open_store(sqlite_url)
    with store.write() as connection:
        root = create_root(connection, seal, clock, remembered)
        keyring = Keyring(store, clock, root, remembered)
        keyring.add_mount(connection, "transit", "transit", "it")
        keyring.create(connection, "transit", "pay", KeyOptions(exportable=True))
        keyring.create(connection, "transit", "theirs", material=MATERIAL)
        keyring.rotate(connection, "transit", "pay")
    keyring.internal("pepper")
    with suppress(Conflict), store.write() as connection:
        keyring.create(connection, "transit", "undone")
        raise Conflict("on purpose")
    keys = [one for one in drawn if len(one) == 32]
    # The root, the pepper, and for each version its key (but the imported one) and its HMAC key.
    assert len(keys) == 2 + 3 + 4
    # The database is still open, so the write-ahead log is there too; writers take turns.
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {"secvault.db", "secvault.db-wal", "secvault.db-shm", "secvault.db-turn"}
    for key in (*keys, MATERIAL.expose(), root.key.expose()):
        for content in files.values():
            for form in (key, key[:16], key.hex().encode(), key.hex().upper().encode()):
                assert form not in content
    nonces = [one for one in drawn if len(one) == 12]
    assert all(any(nonce in content for content in files.values()) for nonce in nonces[:2])
    store.close()


def test_a_keyring_shows_no_key(keyring: Keyring) -> None:
    assert "***" in repr(keyring.roots.present)
    assert keyring.roots.present.key.expose().hex() not in repr(keyring) + repr(vars(keyring))

"""Whoever writes the database past secvault changes no option of a key unnoticed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from secvault.clock import Clock
from secvault.crypto import key_kind
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring import Keyring
from secvault.keyring.binding import Binding
from secvault.keyring.named_key import KeyOptions, NamedKey, read_key, update_version
from secvault.keyring.place import OPTIONS
from secvault.keyring.root import Root, unseal
from secvault.keyring.rotation import rotate_root
from secvault.keyring.seals import FileSeal
from secvault.keyring.seals.seal import Wrapped, wrapped_by
from secvault.store import Store, tables

KEY, VERSION = tables.named_key, tables.named_key_version
OTHER: dict[str, Any] = {"kind": "chacha20-poly1305", "kdf": "hmac-sha256-counter"}


@pytest.fixture
def pay(any_store: Store, keyring: Keyring) -> NamedKey:
    """The key transit/pay with two versions."""
    with any_store.write() as connection:
        keyring.create(connection, "transit", "pay", KeyOptions(derived=True))
        return keyring.rotate(connection, "transit", "pay")


def _write(store: Store, **values: object) -> None:
    with store.write() as connection:
        connection.execute(update(KEY).where(KEY.c.name == "pay").values(**values))


def _open(store: Store, keyring: Keyring) -> dict[int, Secret]:
    with store.read() as connection:
        opened = keyring.open(connection, read_key(connection, "transit", "pay"))
    return {number: version.secret() for number, version in opened.versions.items()}


def _made_before(store: Store, keyring: Keyring) -> None:
    """Make the key what it would be if it was made before options were bound."""
    binding = Binding(keyring.roots)
    with store.write() as connection:
        key = read_key(connection, "transit", "pay")
        for version in keyring.open(connection, key).versions.values():
            old = binding.wrap_version(connection, "transit", "pay", version, bound=False)
            at = ("transit", "pay", version.number)
            changes = {"wrapped": old.wrapped, "wrapped_hmac": old.wrapped_hmac}
            update_version(connection, *at, **changes)
        connection.execute(update(KEY).values(sealed_options=None))


def _rotated_root(store: Store, seal: FileSeal, clock: Clock) -> Root:
    def wrap(root: Root) -> Wrapped:
        return wrapped_by(seal, root.key, root.vault_id)

    with store.write() as connection:
        return rotate_root(connection, unseal(connection, seal), wrap, clock)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_key_with_any_option_changed_opens_no_more(
    any_store: Store, keyring: Keyring, pay: NamedKey, name: str
) -> None:
    was = getattr(pay, name)
    other = OTHER.get(name) or ((not was) if isinstance(was, bool) else was + 1)
    _write(any_store, **{name: other})
    with pytest.raises(Damaged, match="changed past secvault"):
        _open(any_store, keyring)
    _write(any_store, **{name: was})
    assert set(_open(any_store, keyring)) == {1, 2}


def test_a_key_without_its_seal_or_with_another_s_opens_no_more(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    with any_store.write() as connection:
        other = keyring.create(connection, "transit", "other", KeyOptions(derived=True))
    _write(any_store, sealed_options=None, exportable=True)
    with pytest.raises(Damaged, match="version 1 of the key transit/pay is damaged"):
        _open(any_store, keyring)
    _write(any_store, sealed_options=other.sealed_options, exportable=False)
    with pytest.raises(Damaged, match="changed past secvault"):
        _open(any_store, keyring)


def test_no_public_half_can_be_put_in_the_place_of_the_key_s_own(
    any_store: Store, keyring: Keyring
) -> None:
    with any_store.write() as connection:
        for name in ("signer", "forger"):
            keyring.create(connection, "transit", name, KeyOptions("ecdsa-p256"))
        forged = read_key(connection, "transit", "forger").public[1]
        connection.execute(update(VERSION).where(VERSION.c.name == "signer").values(public=forged))
    with any_store.read() as connection:
        opened = keyring.open(connection, read_key(connection, "transit", "signer"))
    with pytest.raises(Damaged, match="version 1 of the key transit/signer is damaged"):
        _ = opened.versions[1]


def test_what_was_changed_past_secvault_is_not_sealed_by_a_later_change(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    _write(any_store, exportable=True)
    with pytest.raises(Damaged), any_store.write() as connection:
        keyring.update(connection, "transit", "pay", min_decryption_version=2)
    with pytest.raises(Damaged), any_store.write() as connection:
        keyring.rotate(connection, "transit", "pay")


def test_every_change_through_the_keyring_is_sealed(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    for change in ({"exportable": True}, {"min_decryption_version": 2}, {"soft_deleted": True}):
        with any_store.write() as connection:
            keyring.update(connection, "transit", "pay", **change)
        _open(any_store, keyring)


@pytest.mark.parametrize("kind", ["aes256-gcm96", "ed25519", "rsa-2048", "hmac"])
def test_a_key_from_before_opens_and_is_bound_at_its_next_change(
    any_store: Store, keyring: Keyring, kind: str
) -> None:
    with any_store.write() as connection:
        keyring.create(connection, "transit", "pay", KeyOptions(kind))
    before = _open(any_store, keyring)
    _made_before(any_store, keyring)
    assert _open(any_store, keyring) == before
    with any_store.write() as connection:
        made = keyring.rotate(connection, "transit", "pay")
    assert made.sealed_options is not None
    assert _open(any_store, keyring)[1] == before[1]
    _write(any_store, exportable=True)
    with pytest.raises(Damaged):
        _open(any_store, keyring)


def test_a_key_from_before_with_a_damaged_version_can_still_be_limited_and_rotated(
    any_store: Store, keyring: Keyring, pay: NamedKey
) -> None:
    _made_before(any_store, keyring)
    with any_store.write() as connection:
        of_first = (VERSION.c.name == "pay") & (VERSION.c.version == 1)
        connection.execute(update(VERSION).where(of_first).values(wrapped=bytes(61)))
        keyring.update(connection, "transit", "pay", min_decryption_version=2)
        keyring.rotate(connection, "transit", "pay")
    with any_store.read() as connection:
        opened = keyring.open(connection, read_key(connection, "transit", "pay"))
    assert opened.for_decryption(2).material is not None
    assert opened.for_encryption(0).number == 3


def test_a_rotated_root_seals_the_options_anew_and_refuses_those_that_were_changed(
    any_store: Store, keyring: Keyring, pay: NamedKey, seal: FileSeal, clock: Clock
) -> None:
    before = _open(any_store, keyring)
    root = _rotated_root(any_store, seal, clock)
    assert _open(any_store, Keyring(any_store, clock, root)) == before
    _write(any_store, exportable=True)
    with pytest.raises(Damaged, match="the root was not rotated"):
        _rotated_root(any_store, seal, clock)
    with any_store.read() as connection:
        generations = connection.execute(select(tables.vault.c.root_generation)).scalars().all()
    assert generations == [root.generation]


def test_a_rotated_root_leaves_keys_from_before_open(
    any_store: Store, keyring: Keyring, pay: NamedKey, seal: FileSeal, clock: Clock
) -> None:
    before = _open(any_store, keyring)
    _made_before(any_store, keyring)
    root = _rotated_root(any_store, seal, clock)
    assert _open(any_store, Keyring(any_store, clock, root)) == before


def test_every_kind_of_key_is_bound(any_store: Store, keyring: Keyring) -> None:
    with any_store.write() as connection:
        for kind in key_kind.KINDS:
            if not kind.startswith("rsa-"):
                made = keyring.create(connection, "transit", f"of-{kind}", KeyOptions(kind))
                assert made.sealed_options is not None

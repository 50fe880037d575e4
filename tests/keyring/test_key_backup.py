"""The plaintext backup of a key: written and read back, and never read from anything else."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.crypto.key_kind import KINDS
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.keyring import Keyring
from secvault.keyring.key_backup import read_backup, write_backup
from secvault.keyring.message_count import FROM_ELSEWHERE, count_messages
from secvault.keyring.named_key import KeyOptions, NamedKey, read_key
from secvault.keyring.open_key import KeyVersion, OpenKey
from secvault.store import Store

FAST = [name for name in KINDS if not name.startswith("rsa")]


def _open(store: Store, keyring: Keyring, name: str) -> OpenKey:
    with store.read() as connection:
        return keyring.open(connection, read_key(connection, "transit", name))


@pytest.mark.parametrize("kind", [*FAST, "rsa-2048"])
def test_a_restored_key_has_the_same_versions_and_limits(
    any_store: Store, keyring: Keyring, kind: str
) -> None:
    options = KeyOptions(kind, exportable=True, allow_plaintext_backup=True)
    with any_store.write() as connection:
        keyring.create(connection, "transit", "first", options)
        keyring.rotate(connection, "transit", "first")
    first = _open(any_store, keyring, "first")
    restored = read_backup(write_backup(first, 1_700_000_000_000_000))
    assert restored.name == "first"
    with any_store.write() as connection:
        keyring.restore(
            connection,
            "transit",
            "second",
            restored.options,
            restored.versions,
            restored.limits,
            restored.messages,
        )
    second = _open(any_store, keyring, "second")
    assert set(second.versions) == {1, 2}
    for number, version in first.versions.items():
        assert second.versions[number].material == version.material
        assert second.versions[number].hmac_key == version.hmac_key
        assert second.versions[number].public_text == version.public_text
    assert second.key.exportable
    assert second.key.latest_version == 2


@pytest.mark.parametrize(
    ("kind", "sealed", "counted"),
    [
        ("aes256-gcm96", 5, FROM_ELSEWHERE),
        ("aes256-gcm96", FROM_ELSEWHERE + 5, FROM_ELSEWHERE + 5),
        ("ed25519", 0, 0),
    ],
)
def test_a_copy_counts_what_its_original_may_have_sealed(
    any_store: Store, keyring: Keyring, kind: str, sealed: int, counted: int
) -> None:
    with any_store.write() as connection:
        keyring.create(connection, "transit", "first", KeyOptions(kind))
        if sealed:
            count_messages(connection, "transit", "first", 1, sealed)
    text = write_backup(_open(any_store, keyring, "first"), 0)
    # The engine's own backups do not say how much was sealed.
    other = json.loads(base64.b64decode(text))
    for entry in other["archived_keys"]["keys"]:
        entry.pop("secvault_messages", None)
    bare = base64.b64encode(json.dumps(other).encode()).decode()
    for name, backup, expected in (
        ("ours", text, counted),
        ("theirs", bare, min(counted, FROM_ELSEWHERE)),
    ):
        found = read_backup(backup)
        given = (found.options, found.versions, found.limits, found.messages)
        with any_store.write() as connection:
            made = keyring.restore(connection, "transit", name, *given)
        assert made.messages == {1: expected}


def test_imported_material_counts_from_the_middle_and_what_is_made_here_from_nothing(
    any_store: Store, keyring: Keyring
) -> None:
    material = Secret(os.urandom(32))
    with any_store.write() as connection:
        keyring.create(connection, "transit", "brought", material=material)
        keyring.import_version(
            connection,
            read_key(connection, "transit", "brought"),
            material=Secret(os.urandom(32)),
        )
        keyring.create(connection, "transit", "made")
        keyring.rotate(connection, "transit", "made")
        brought = read_key(connection, "transit", "brought")
        made = read_key(connection, "transit", "made")
    assert brought.messages == {1: FROM_ELSEWHERE, 2: FROM_ELSEWHERE}
    assert made.messages == {1: 0, 2: 0}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """A whole backup, to be broken."""
    version = KeyVersion(1, KINDS["ed25519"], Secret(os.urandom(32)), Secret(bytes(32)), None, 0)
    key = NamedKey(
        mount="transit",
        name="k",
        kind="ed25519",
        department="it",
        latest_version=1,
        min_decryption_version=1,
        min_encryption_version=0,
        exportable=True,
        imported=False,
        derived=False,
        convergent=False,
        allow_plaintext_backup=True,
        deletion_allowed=False,
        allow_rotation=True,
        soft_deleted=False,
        key_size=0,
        min_available_version=0,
        auto_rotate_seconds=0,
        backed_up_at=None,
        created={1: 0},
        public={},
        messages={1: 0},
    )
    text = write_backup(OpenKey(key, {1: version}), 0)
    whole: dict[str, Any] = json.loads(base64.b64decode(text))
    return whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=JSON)
def test_a_backup_with_any_part_replaced_is_read_or_refused_and_nothing_else(
    document: dict[str, Any], data: st.DataObject, value: Any
) -> None:
    broken = json.loads(json.dumps(document))
    places = [broken, broken["policy"], broken["archived_keys"]["keys"][1]]
    place = data.draw(st.sampled_from(places))
    place[data.draw(st.sampled_from(sorted(place)))] = value
    text = base64.b64encode(json.dumps(broken).encode()).decode()
    try:
        restored = read_backup(text)
    except InvalidInput:
        return
    assert restored.versions


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_backup(text)

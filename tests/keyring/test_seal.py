"""The seal key's file, and the root key under it."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed, Unavailable
from secvault.keyring import FileSeal
from secvault.keyring.root import create_root, unseal
from secvault.store import Store, tables

ROOT_KEY = Secret(bytes(range(100, 132)))


def test_the_file_is_a_line_that_says_what_it_is_and_the_key_in_base64(
    tmp_path: Path, counting: Callable[[], Random]
) -> None:
    seal = FileSeal(tmp_path / "vault.key", counting())
    seal.create()
    assert seal.file.read_bytes() == (
        b"secvault seal key v1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )


def test_the_wrapped_root_has_its_fixed_form_and_is_bound_to_the_vault(
    tmp_path: Path, counting: Callable[[], Random]
) -> None:
    FileSeal(tmp_path / "vault.key", counting()).create()
    wrapped = FileSeal(tmp_path / "vault.key", counting()).wrap(ROOT_KEY, "vault-1")
    assert wrapped.hex() == (
        "01"
        "000102030405060708090a0b"
        "2367b07cad8ca870e12cf9e4c1980a1ef7a3f14388022507441a9bfa9de88231"
        "1268a79d0c604b7e233737f42813fdf6"
    )
    # Opened by hand, as the design writes the format.
    place = b"\0\0\0\x0dsecvault/root" + b"\0\0\0\x07vault-1"
    opened = AESGCM(bytes(range(32))).decrypt(wrapped[1:13], wrapped[13:], place)
    assert opened == ROOT_KEY.expose()


def test_what_was_wrapped_opens_for_this_vault_alone(seal: FileSeal) -> None:
    wrapped = seal.wrap(ROOT_KEY, "vault-1")
    assert seal.unwrap(wrapped, "vault-1") == ROOT_KEY
    with pytest.raises(Damaged, match=r"the root key does not open with .*vault\.key"):
        seal.unwrap(wrapped, "vault-2")


def test_the_key_of_another_vault_is_damage(seal: FileSeal, tmp_path: Path) -> None:
    wrapped = seal.wrap(ROOT_KEY, "vault-1")
    other = FileSeal(tmp_path / "other.key")
    other.create()
    with pytest.raises(Damaged, match="another vault's seal key"):
        other.unwrap(wrapped, "vault-1")


def test_each_flipped_bit_of_the_wrapped_root_is_damage(seal: FileSeal) -> None:
    wrapped = seal.wrap(ROOT_KEY, "vault-1")
    number = int.from_bytes(wrapped, "big")
    for bit in range(8 * len(wrapped)):
        with pytest.raises(Damaged):
            seal.unwrap((number ^ 1 << bit).to_bytes(len(wrapped), "big"), "vault-1")


def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        seal = FileSeal(tmp_path / "deep" / "er" / "vault.key")
        seal.create()
    finally:
        os.umask(before)
    assert stat.S_IMODE(seal.file.stat().st_mode) == 0o600
    assert os.listdir(seal.file.parent) == ["vault.key"]  # noqa: PTH208


def test_a_key_that_is_there_is_never_replaced(seal: FileSeal) -> None:
    before = seal.file.read_bytes()
    with pytest.raises(Conflict, match="exists already and is not replaced"):
        seal.create()
    assert seal.file.read_bytes() == before
    assert [path.name for path in seal.file.parent.iterdir()] == ["vault.key"]


def test_not_even_by_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "vault.key"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        FileSeal(link).create()
    assert not (tmp_path / "elsewhere").exists()


def test_of_those_who_create_at_once_one_does(tmp_path: Path) -> None:
    seal = FileSeal(tmp_path / "vault.key")

    def create(_number: int) -> bool:
        try:
            seal.create()
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(16))) == 1
    seal.wrap(ROOT_KEY, "v")


def test_a_place_that_cannot_be_written_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"seal\.key_file: .* cannot be written: "):
        FileSeal(tmp_path / "file" / "vault.key").create()


def test_a_source_of_randomness_that_gives_too_little_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        FileSeal(tmp_path / "vault.key", lambda count: bytes(count - 1)).create()
    assert list(tmp_path.iterdir()) == []


def test_without_its_file_the_vault_is_sealed(tmp_path: Path) -> None:
    seal = FileSeal(tmp_path / "vault.key")
    with pytest.raises(Sealed, match=r"vault\.key cannot be read: No such file"):
        seal.wrap(ROOT_KEY, "v")
    with pytest.raises(Sealed):
        seal.unwrap(bytes(61), "v")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o666, 0o700 | 0o001])
def test_a_file_that_others_can_use_is_refused(seal: FileSeal, mode: int) -> None:
    seal.file.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"can be read by others: chmod 600 .*vault\.key"):
        seal.wrap(ROOT_KEY, "v")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_only_its_owner_can_use_is_taken(seal: FileSeal, mode: int) -> None:
    seal.file.chmod(mode)
    assert seal.unwrap(seal.wrap(ROOT_KEY, "v"), "v") == ROOT_KEY


def test_a_symbolic_link_is_refused(seal: FileSeal, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(seal.file)
    with pytest.raises(ConfigurationError, match="is a symbolic link; name the file itself"):
        FileSeal(link).wrap(ROOT_KEY, "v")


def test_a_folder_and_a_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe, 0o600)
    folder.mkdir(mode=0o700)
    for place in (pipe, folder):
        with pytest.raises(ConfigurationError, match="is not a file"):
            FileSeal(place).wrap(ROOT_KEY, "v")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"secvault seal key v1\n",
        b"secvault seal key v1\nnot base64!\n",
        b"secvault seal key v1\n" + base64.b64encode(bytes(31)) + b"\n",
        b"secvault seal key v1\n" + base64.b64encode(bytes(33)) + b"\n",
        b"secvault seal key v2\n" + base64.b64encode(bytes(32)) + b"\n",
        base64.b64encode(bytes(32)) + b"\n",
        b"secvault seal key v1\n" + base64.b64encode(bytes(32)) + b"\nmore",
        b"secvault seal key v1\n" + b"A" * 100_000,
    ],
)
def test_a_file_that_is_no_seal_key_is_damage(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "vault.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(Damaged, match="is not a seal key file; restore it from its copy"):
        FileSeal(file).wrap(ROOT_KEY, "v")


def test_a_vault_is_made_once_and_unsealed_again(
    any_store: Store, seal: FileSeal, clock: Clock
) -> None:
    with any_store.write() as connection:
        made = create_root(connection, seal, clock, os.urandom)
    with any_store.read() as connection:
        assert unseal(connection, seal) == made
        row = connection.execute(select(tables.vault)).one()
    assert made.key.expose() not in row.wrapped_root
    assert (row.seal, row.created_at) == ("file", clock.micros())
    with pytest.raises(Conflict, match="holds a vault already"), any_store.write() as connection:
        create_root(connection, seal, clock, os.urandom)


def test_of_those_who_make_a_vault_at_once_one_does(
    any_store: Store, seal: FileSeal, clock: Clock
) -> None:
    def make(_number: int) -> str | None:
        try:
            with any_store.write() as connection:
                return create_root(connection, seal, clock, os.urandom).vault_id
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        (made,) = [vault for vault in pool.map(make, range(6)) if vault]
    with any_store.read() as connection:
        assert unseal(connection, seal).vault_id == made


def test_where_there_is_no_vault_nothing_is_handed_out(any_store: Store, seal: FileSeal) -> None:
    with pytest.raises(Sealed, match="run `secvault init`"), any_store.read() as connection:
        unseal(connection, seal)


def test_another_kind_of_seal_is_a_wrong_setting(
    any_store: Store, seal: FileSeal, clock: Clock
) -> None:
    with any_store.write() as connection:
        create_root(connection, seal, clock, os.urandom)
        connection.execute(update(tables.vault).values(seal="shares"))
    with (
        pytest.raises(ConfigurationError, match="a seal of kind shares, not file"),
        any_store.read() as connection,
    ):
        unseal(connection, seal)


@pytest.mark.parametrize("change", [{"id": "another"}, {"wrapped_root": bytes(61)}])
def test_a_changed_vault_does_not_open(
    any_store: Store, seal: FileSeal, clock: Clock, change: dict[str, object]
) -> None:
    with any_store.write() as connection:
        create_root(connection, seal, clock, os.urandom)
        connection.execute(update(tables.vault).values(change))
    with pytest.raises(Damaged), any_store.read() as connection:
        unseal(connection, seal)


def test_no_error_and_no_text_form_shows_the_key(seal: FileSeal) -> None:
    key = base64.b64encode(base64.b64decode(seal.file.read_bytes().splitlines()[1])).decode()
    seal.file.chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        seal.wrap(ROOT_KEY, "v")
    assert key not in str(caught.value) + repr(seal)

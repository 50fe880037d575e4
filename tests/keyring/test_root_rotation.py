"""A new root wraps everything anew, at once or not at all, and no process loses a request by it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, SecvaultError
from secvault.keyring import FileSeal, Keyring, named_key
from secvault.keyring.encryption import ToDecrypt, ToEncrypt, decrypt, encrypt
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.root import Root, create_root, earlier, read_stored, reseal, unseal
from secvault.keyring.roots import Roots
from secvault.keyring.rotation import rotate_root
from secvault.keyring.seals.seal import Wrapped, wrapped_by
from secvault.keyring.seals.shares import split
from secvault.store import Store, open_store, tables
from tests.killed import wait_until_settled

KINDS = ("aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256", "hmac")
ROUNDS = 12
KILLS = int(os.environ.get("SVTEST_KILLS", "6"))
PATIENCE = 120


def wrapper(seal: FileSeal) -> Callable[[Root], Wrapped]:
    """What puts a root under this seal."""
    return lambda root: wrapped_by(seal, root.key, root.vault_id)


def rotated(store: Store, seal: FileSeal, clock: Clock) -> Root:
    """Rotate the root as a process of its own would."""
    with store.read() as connection:
        old = unseal(connection, seal)
    with store.write() as connection:
        return rotate_root(connection, old, wrapper(seal), clock)


def fresh(store: Store, seal: FileSeal, clock: Clock) -> Keyring:
    """The keyring of a process that starts now."""
    with store.read() as connection:
        return Keyring(store, clock, unseal(connection, seal))


def material(keyring: Keyring, store: Store) -> dict[tuple[str, str, int], tuple[bytes, bytes]]:
    """All that hangs on the root, in clear."""
    found = {}
    with store.read() as connection:
        for mount, name in connection.execute(
            select(tables.named_key.c.mount, tables.named_key.c.name)
        ).all():
            opened = keyring.open(connection, named_key.read_key(connection, mount, name))
            for number in opened.versions:
                version = opened.versions[number]
                secret = b"" if version.material is None else version.material.expose()
                found[mount, name, number] = (secret, version.hmac_key.expose())
    return found


def filled(keyring: Keyring, store: Store) -> None:
    """Keys of all kinds, with versions, one of which is a public half only, and internal ones."""
    with store.write() as connection:
        for kind in KINDS:
            size = 32 if kind == "hmac" else 0
            keyring.create(connection, "transit", kind, KeyOptions(kind=kind, key_size=size))
            keyring.rotate(connection, "transit", kind)
    keyring.internal("token-pepper")


def test_everything_opens_as_before_and_nothing_is_wrapped_as_before(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    before = material(keyring, any_store)
    table = tables.named_key_version
    with any_store.read() as connection:
        rows = connection.execute(select(table.c.wrapped, table.c.wrapped_hmac)).all()
        wrapped_before = {each for row in rows for each in row if each}
    root = rotated(any_store, seal, clock)
    assert root.generation == 2
    assert root.key != keyring.roots.present.key
    after = fresh(any_store, seal, clock)
    assert material(after, any_store) == before
    assert len(before) == 2 * len(KINDS) + 1
    with any_store.read() as connection:
        rows = connection.execute(select(table.c.wrapped, table.c.wrapped_hmac)).all()
        assert not wrapped_before & {each for row in rows for each in row}
    blind = Keyring(any_store, clock, Root(root.vault_id, keyring.roots.present.key))
    with pytest.raises(Damaged):
        material(blind, any_store)


def test_a_process_that_was_not_told_reads_and_writes_on(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    other = Keyring(
        any_store, clock, keyring.roots.present, renew=lambda: opened_root(any_store, seal)
    )
    for generation in (2, 3, 4):
        rotated(any_store, seal, clock)
        with any_store.read() as connection:
            key = named_key.read_key(connection, "transit", "aes256-gcm96")
            text = encrypt(other.open(connection, key), ToEncrypt(b"salary"), os.urandom)
        with any_store.write() as connection:
            other.create(connection, "transit", f"made-{generation}")
        assert other.roots.present.generation == generation
        again = fresh(any_store, seal, clock)
        with any_store.read() as connection:
            opened = again.open(connection, key)
            assert decrypt(opened, ToDecrypt(text.ciphertext)) == b"salary"
    assert material(fresh(any_store, seal, clock), any_store) == material(other, any_store)


def opened_root(store: Store, seal: FileSeal) -> Root:
    """The present root, by the seal."""
    with store.read() as connection:
        return unseal(connection, seal)


def test_one_that_cannot_learn_the_new_root_writes_nothing_that_would_be_lost(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    rotated(any_store, seal, clock)
    with pytest.raises(Conflict, match="rotated at this moment"), any_store.write() as connection:
        keyring.create(connection, "transit", "lost")
    with any_store.read() as connection:
        assert named_key.find_key(connection, "transit", "lost") is None


def test_who_is_told_of_a_rotation_while_a_row_does_not_open_opens_it_after_all(
    sqlite_store: Store,
) -> None:
    old, new = (Root("vault", Secret(os.urandom(32)), generation) for generation in (1, 2))
    wrapped = aead.seal(b"material", new.key, b"place")

    class ToldMeanwhile(Roots):
        """Told between the first try and the look at the store's generation."""

        def _generation(self) -> int | None:
            self.adopt(new)
            return new.generation

    assert ToldMeanwhile(sqlite_store, old).open(wrapped, b"place") == Secret(b"material")
    with pytest.raises(Damaged):
        ToldMeanwhile(sqlite_store, old).open(wrapped, b"another place")


def test_rows_that_were_read_before_a_rotation_still_open_after_it(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    with any_store.read() as connection:
        key = named_key.read_key(connection, "transit", "aes256-gcm96")
        opened = keyring.open(connection, key)
    keyring.roots.adopt(rotated(any_store, seal, clock))
    assert encrypt(opened, ToEncrypt(b"x"), os.urandom).key_version == 2


def test_keys_that_are_made_while_the_root_is_rotated_are_never_lost(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    stopping = threading.Event()
    made: list[str] = []
    faults: list[BaseException] = []

    def make(number: int) -> None:
        own = Keyring(
            any_store, clock, keyring.roots.present, renew=lambda: opened_root(any_store, seal)
        )
        count = 0
        while not stopping.is_set():
            name = f"k-{number}-{count}"
            count += 1
            try:
                with any_store.write() as connection:
                    own.create(connection, "transit", name)
                with any_store.read() as connection:
                    key = named_key.read_key(connection, "transit", name)
                    encrypt(own.open(connection, key), ToEncrypt(b"x"), os.urandom)
            except SecvaultError as error:
                faults.append(error)
            made.append(name)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            rotated(any_store, seal, clock)
            time.sleep(0.03)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not faults
    assert len(made) > ROUNDS
    names = {name for _, name, _ in material(fresh(any_store, seal, clock), any_store)}
    assert names >= set(made)


def test_of_those_who_rotate_at_once_each_rotates_or_is_told(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    done: list[int] = []

    def turn() -> None:
        try:
            done.append(rotated(any_store, seal, clock).generation)
        except Conflict:
            done.append(0)

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    succeeded = sorted(one for one in done if one)
    assert succeeded == list(range(2, 2 + len(succeeded)))
    assert opened_root(any_store, seal).generation == 1 + len(succeeded)
    material(fresh(any_store, seal, clock), any_store)


def test_a_damaged_key_stops_it_and_nothing_has_changed(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    table = tables.named_key_version
    with any_store.write() as connection:
        connection.execute(
            update(table)
            .where(table.c.name == "ed25519", table.c.version == 2)
            .values(wrapped=b"\x01" * 61)
        )
    with pytest.raises(Damaged, match="version 2 of the key transit/ed25519 is damaged, so the ro"):
        rotated(any_store, seal, clock)
    with any_store.read() as connection:
        assert read_stored(connection).generation == 1
        assert connection.execute(select(tables.retired_root)).first() is None
        key = named_key.read_key(connection, "transit", "hmac")
        assert keyring.open(connection, key).versions[2].hmac_key


def test_a_seal_that_does_not_give_the_root_back_is_found_out_before_anything_changes(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    class Forgetful(FileSeal):
        def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
            return Secret(bytes(32))

    broken = Forgetful(seal.file)
    with pytest.raises(Damaged, match="does not give back"), any_store.write() as connection:
        rotate_root(connection, keyring.roots.present, wrapper(broken), clock)
    assert opened_root(any_store, seal).generation == 1


def test_a_copy_from_before_opens_with_the_present_root(
    sqlite_store: Store, tmp_path: Path, clock: Clock
) -> None:
    seal = FileSeal(tmp_path / "vault.key")
    seal.create()
    with sqlite_store.write() as connection:
        keyring = Keyring(sqlite_store, clock, create_root(connection, seal, clock, os.urandom))
        keyring.add_mount(connection, "transit", "transit", "it")
    filled(keyring, sqlite_store)
    before = material(keyring, sqlite_store)
    copies = []
    for number in range(4):
        file = tmp_path / f"copy-{number}.db"
        source = sqlite_store.writer.url.database
        with (
            closing(sqlite3.connect(str(source))) as here,
            closing(sqlite3.connect(file)) as there,
        ):
            here.backup(there)
        file.chmod(0o600)
        copies.append(open_store(f"sqlite:///{file}"))
        rotated(sqlite_store, seal, clock)
    # Without the seal: it was changed since, and its key is gone.
    with sqlite_store.read() as connection:
        present = Keyring(sqlite_store, clock, unseal(connection, seal))
    seal.file.unlink()
    for copy in copies:
        assert material(present.over(copy), copy) == before
        copy.close()
    with sqlite_store.read() as connection, pytest.raises(Damaged, match="generation 9"):
        earlier(connection, present.roots.present, 9)


def test_a_copy_of_another_vault_is_told(
    sqlite_store: Store, tmp_path: Path, clock: Clock, migrated_file: Path
) -> None:
    seal = FileSeal(tmp_path / "vault.key")
    seal.create()
    shutil.copy(migrated_file, tmp_path / "other.db")
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    made = []
    for store in (sqlite_store, other):
        with store.write() as connection:
            made.append(Keyring(store, clock, create_root(connection, seal, clock, os.urandom)))
    with pytest.raises(Damaged, match="the copy is of another vault"):
        made[0].over(other)
    with pytest.raises(Damaged, match="another vault"):
        made[0].roots.adopt(made[1].roots.present)
    other.close()


def test_another_seal_wraps_the_same_root_and_the_old_one_opens_it_no_more(
    any_store: Store, keyring: Keyring, seal: FileSeal, clock: Clock
) -> None:
    filled(keyring, any_store)
    root = keyring.roots.present
    new, _ = split(2, 3)
    with any_store.write() as connection:
        reseal(connection, root, wrapped_by(new, root.key, root.vault_id))
    with any_store.read() as connection:
        stored = read_stored(connection)
        assert stored.opened_by(new) == root
        with pytest.raises(SecvaultError, match="under a seal of kind shares, not file"):
            unseal(connection, seal)
    rotated_root = Root(root.vault_id, root.key, 7)
    with pytest.raises(Conflict), any_store.write() as connection:
        reseal(connection, rotated_root, wrapped_by(seal, root.key, root.vault_id))


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
def test_killed_at_any_moment_it_leaves_a_vault_that_opens(
    any_url: str, tmp_path: Path, clock: Clock
) -> None:
    seal = FileSeal(tmp_path / "vault.key")
    seal.create()
    store = open_store(any_url)
    with store.write() as connection:
        keyring = Keyring(store, clock, create_root(connection, seal, clock, os.urandom))
        keyring.add_mount(connection, "transit", "transit", "it")
        for number in range(150):
            keyring.create(connection, "transit", f"key-{number}")
    before = material(keyring, store)
    generation, moments = 1, random.Random(4)
    for turn in range(KILLS):
        said = _killed(any_url, seal, turn % 3, moments.uniform(0.0, 0.25))
        wait_until_settled(store)
        present = opened_root(store, seal).generation
        # What was said was committed; one more may have been, which could not be said.
        last = int(said[-1]) if said else generation
        assert last <= present <= last + 1
        assert material(fresh(store, seal, clock), store) == before
        generation = present
    assert generation > 1
    store.close()


def _killed(url: str, seal: FileSeal, lines: int, after: float) -> list[str]:
    """What a rotating process said until it was killed, so long after it had said so much."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.keyring.rotating_process", url, str(seal.file)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begin\n"
            said = [process.stdout.readline() for _ in range(lines)]
            time.sleep(after)
        finally:
            process.kill()
        return "".join([*said, process.stdout.read()]).split()

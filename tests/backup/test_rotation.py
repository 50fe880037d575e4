"""Changing the password of a repository: a kill at any moment leaves one in force that opens."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import insert, select

from secvault.backup import rotation
from secvault.backup.engine import BackupEngine
from secvault.backup.passwords import Passwords
from secvault.backup.repository import KEYS, Repository
from secvault.backup.repository_faults import (
    RepositoryLocked,
    RepositoryMissing,
    WrongRepositoryPassword,
)
from secvault.backup.restic_keys import add_key, keys, remove_key
from secvault.backup.rotation import Rotated
from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.store import tables
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = pytest.mark.real
T = TypeVar("T")
NAME = "local"
HOST = "a machine"


class Killed(BaseException):
    """What a process that is killed gets to see: nothing after this."""


@pytest.fixture
def vault(tmp_path: Path, quick_repositories: None) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        made.engine.ready_repository(NAME)
        yield made


def old_opens(engine: BackupEngine, old: Secret) -> bool:
    try:
        engine.restic.identity(replace(engine.repository(NAME), password=old))
    except WrongRepositoryPassword:
        return False
    return True


def test_a_new_password_is_in_force_and_the_old_one_opens_no_more(vault: SmallVault) -> None:
    engine = vault.engine
    old = engine.repository(NAME)
    vault.hands.seconds += 5
    assert rotation.rotate(engine, NAME) == Rotated(NAME, old_opens=False)
    new = engine.repository(NAME)
    assert new.password != old.password
    assert engine.restic.identity(new)
    assert not old_opens(engine, old.password)
    assert len(keys(engine.restic.command, new)) == 1
    kept = engine.passwords.kept(NAME)
    assert kept is not None
    assert (kept.coming, kept.former, kept.since) == (None, None, engine.clock.micros())


def test_no_password_is_kept_in_clear(vault: SmallVault) -> None:
    rotation.rotate(vault.engine, NAME)
    with vault.engine.store.read() as connection:
        row = connection.execute(select(tables.backup_repository)).one()
    password = vault.engine.repository(NAME).password.expose()
    assert all(password not in bytes(part) for part in row if isinstance(part, bytes))
    assert base64.urlsafe_b64decode(password) not in row.sealed_password


# Where a process can die: before and after each thing that it writes, here or in the repository.
STEPS = ("prepare", "add_key", "put_in_force", "remove_key", "drop_former")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_a_password_that_opens_and_the_next_call_ends_it(
    vault: SmallVault, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    engine = vault.engine
    old = engine.repository(NAME).password
    with monkeypatch.context() as patch:
        place: Any = rotation if step.endswith("_key") else Passwords
        patch.setattr(place, step, dying(getattr(place, step), after=after))
        with pytest.raises(Killed):
            rotation.rotate(engine, NAME)
    # Whoever comes next reads what is kept, and gets in.
    assert engine.restic.identity(engine.repository(NAME))
    assert rotation.rotate(engine, NAME) == Rotated(NAME, old_opens=False)
    new = engine.repository(NAME)
    assert engine.restic.identity(new)
    assert not old_opens(engine, old)
    assert len(keys(engine.restic.command, new)) == 1


def dying(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def die(*given: Any) -> Any:
        if after:
            step(*given)
        raise Killed

    return die


@pytest.mark.slow
def test_a_process_killed_at_random_moments_never_locks_anybody_out(
    tmp_path: Path, quick_repositories: None
) -> None:
    with small_vault(tmp_path) as vault:
        vault.engine.ready_repository(NAME)
    chance, passwords = random.Random(7), set()
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.backup.rotating_process", str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.1, 1.5))
            child.kill()
        with small_vault(tmp_path) as vault:
            engine = vault.engine
            assert engine.restic.identity(engine.repository(NAME))
            passwords.add(engine.repository(NAME).password.text())
    assert len(passwords) > 1
    with small_vault(tmp_path) as vault:
        engine = vault.engine
        assert not when_free(lambda: rotation.rotate(engine, NAME)).old_opens
        repository = engine.repository(NAME)
        assert len(when_free(lambda: keys(engine.restic.command, repository))) == 1


def when_free(act: Callable[[], T]) -> T:
    """A restic whose starter was killed takes a moment to end and to remove its lock."""
    for _ in range(100):
        try:
            return act()
        except RepositoryLocked:
            time.sleep(0.2)
    raise AssertionError("the repository stays locked")


def test_a_run_that_began_before_keeps_the_old_password_until_it_ends(vault: SmallVault) -> None:
    engine = vault.engine
    old = engine.repository(NAME).password
    row = {"plan": PLAN, "repository": NAME, "state": "running", "phase": "saving"}
    now = engine.clock.micros()
    with engine.store.write() as connection:
        connection.execute(
            insert(tables.backup_run).values(
                id="run-9", requested_by="user:thu", started_at=now, node="n", beat_at=now, **row
            )
        )
    vault.hands.seconds += 5
    waiting = rotation.rotate(engine, NAME)
    assert waiting == Rotated(NAME, old_opens=True, waiting_for=("run-9",))
    assert old_opens(engine, old)
    assert engine.repository(NAME).password != old
    # Its process has died: a minute without a sign of life.
    vault.hands.seconds += 120
    assert rotation.rotate(engine, NAME) == Rotated(NAME, old_opens=False)
    assert not old_opens(engine, old)


def test_keys_that_people_added_by_hand_stay(vault: SmallVault) -> None:
    engine = vault.engine
    theirs = Secret.of("kept in the safe of the bank")
    add_key(engine.restic.command, engine.repository(NAME), theirs, HOST)
    rotation.rotate(engine, NAME)
    assert engine.restic.identity(replace(engine.repository(NAME), password=theirs))
    assert len(keys(engine.restic.command, engine.repository(NAME))) == 2


def test_what_is_not_there_or_does_not_open_is_not_changed(vault: SmallVault) -> None:
    engine = vault.engine
    with pytest.raises(RepositoryMissing):
        rotation.rotate(engine, NAME + KEYS)
    wrong = replace(engine.repository(NAME), password=Secret.of("not the password"))
    with pytest.raises(WrongRepositoryPassword):
        rotation.adopt(engine, NAME, wrong)
    assert engine.restic.identity(engine.repository(NAME))


def test_a_vault_of_before_the_change_takes_the_new_password_by_hand(vault: SmallVault) -> None:
    engine = vault.engine
    before = engine.repository(NAME)
    rotation.rotate(engine, NAME)
    new = engine.repository(NAME).password
    # As a restored copy of the store would have it.
    engine.passwords.adopt(NAME, before.location, before.password)
    with pytest.raises(WrongRepositoryPassword):
        rotation.rotate(engine, NAME)
    rotation.adopt(engine, NAME, replace(before, password=new))
    assert engine.restic.identity(engine.repository(NAME))


def test_two_who_change_it_at_once_agree_on_one_password(vault: SmallVault) -> None:
    passwords = vault.engine.passwords
    first = passwords.prepare(NAME)
    assert passwords.prepare(NAME) == first
    passwords.put_in_force(NAME, first)
    with pytest.raises(Conflict, match="elsewhere"):
        passwords.put_in_force(NAME, first)


def test_a_password_counts_as_escrowed_until_it_is_changed(vault: SmallVault) -> None:
    passwords, clock = vault.engine.passwords, vault.engine.clock
    vault.hands.seconds += 1
    with vault.engine.store.write() as connection:
        passwords.mark_escrowed(connection, [NAME], clock.micros())
    kept = passwords.kept(NAME)
    assert kept is not None
    assert kept.escrowed_at == clock.micros()
    vault.hands.seconds += 1
    rotation.rotate(vault.engine, NAME)
    changed = passwords.kept(NAME)
    assert changed is not None
    assert changed.escrowed_at is None


def test_restics_own_keys_are_added_and_removed_and_no_password_is_an_argument(
    vault: SmallVault,
) -> None:
    started: list[str] = []

    def launch(argv: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append("\0".join([*argv, *more["env"].values()]))
        return subprocess.Popen(argv, **more)

    command = replace(vault.engine.restic.command, launch=launch)
    repository: Repository = vault.engine.repository(NAME)
    second = Secret.of("a second password")
    add_key(command, repository, second, HOST)
    other = replace(repository, password=second)
    (own,) = [one.id for one in keys(command, other) if one.own]
    assert remove_key(command, repository, own)
    assert remove_key(command, repository, own)
    with pytest.raises(WrongRepositoryPassword):
        keys(command, other)
    assert len(started) >= 5
    for password in (second.text(), repository.password.text()):
        assert not any(password in one for one in started)

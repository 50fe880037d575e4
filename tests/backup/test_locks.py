"""Which locks of a repository go, and which stay."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from secvault.backup import locks
from secvault.backup.claims import Claims
from secvault.backup.repository import Repository
from secvault.backup.restic import HeldLock, Restic
from secvault.backup.restic_messages import Lock
from secvault.clock import system_clock
from secvault.store import Store, tables

HERE = socket.gethostname()


@dataclass
class Locked:
    """A restic whose repository has these locks."""

    held: list[Lock]
    unlocked: list[bool] = field(default_factory=list)

    def locks(self, _repository: Repository) -> tuple[HeldLock, ...]:
        return tuple(HeldLock(str(number), lock) for number, lock in enumerate(self.held))

    def unlock(self, _repository: Repository) -> None:
        self.unlocked.append(True)


@pytest.fixture
def claims(sqlite_store: Store) -> Claims:
    return Claims(sqlite_store, system_clock(), f"{HERE}:worker:1")


@pytest.fixture
def dead() -> int:
    """The number of a process that is no more."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def lock(host: str, pid: int, minutes: float = 1.0) -> Lock:
    return Lock(datetime.now(UTC) - timedelta(minutes=minutes), True, host, "root", pid)


def at_work(store: Store, node: str, seconds_ago: float = 5) -> None:
    """Somebody works on a run, and showed a sign of life so long ago."""
    now = system_clock().micros()
    with store.write() as connection:
        connection.execute(
            insert(tables.backup_run).values(
                id=f"run-of-{node}",
                plan=node,
                repository="local",
                state="running",
                phase="saving",
                requested_by="schedule",
                started_at=now,
                node=node,
                beat_at=now - int(seconds_ago * 1_000_000),
            )
        )


def removed(claims: Claims, repository: Repository, *held: Lock) -> bool:
    restic = Locked(list(held))
    folder = repository.place.path / "locks"  # type: ignore[union-attr]
    (folder / "one").touch()
    locks.remove_stale(claims, restic, repository)  # type: ignore[arg-type]
    return bool(restic.unlocked)


def test_the_lock_of_a_dead_process_here_goes_and_that_of_a_living_one_stays(
    claims: Claims, repository: Repository, dead: int
) -> None:
    assert removed(claims, repository, lock(HERE, dead))
    assert not removed(claims, repository, lock(HERE, os.getpid()))


def test_a_fresh_lock_of_another_host_stays_whether_or_not_it_lives(
    claims: Claims, repository: Repository, dead: int
) -> None:
    assert not removed(claims, repository, lock("elsewhere", dead, minutes=29))
    assert removed(claims, repository, lock("elsewhere", dead, minutes=31))


def test_an_old_lock_of_a_host_that_is_at_work_stays(
    claims: Claims, repository: Repository, dead: int
) -> None:
    """Its clock may be half an hour behind."""
    at_work(claims.store, "elsewhere:worker:7")
    assert not removed(claims, repository, lock("elsewhere", dead, minutes=45))
    assert removed(claims, repository, lock("third", dead, minutes=45))


def test_a_lock_of_a_process_that_only_another_container_sees_stays(
    claims: Claims, repository: Repository, dead: int
) -> None:
    at_work(claims.store, f"{HERE}:worker:2")
    assert not removed(claims, repository, lock(HERE, dead))


def test_our_own_work_and_that_of_nodes_that_fell_silent_keeps_no_lock(
    claims: Claims, repository: Repository, dead: int
) -> None:
    at_work(claims.store, claims.node)
    at_work(claims.store, f"{HERE}:cli:9", seconds_ago=90)
    assert removed(claims, repository, lock(HERE, dead))


def test_one_lock_that_may_live_keeps_all(
    claims: Claims, repository: Repository, dead: int
) -> None:
    at_work(claims.store, "elsewhere:worker:7")
    assert not removed(claims, repository, lock(HERE, dead), lock("elsewhere", dead, minutes=45))


@pytest.mark.real
def test_the_lock_of_a_restic_that_was_killed_is_recognised_and_gone_afterwards(
    claims: Claims, restic: Restic, repository: Repository
) -> None:
    child = subprocess.Popen(
        [restic.command.binary, f"--repo={repository.place}", "--no-cache", "backup", "--stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "RESTIC_PASSWORD": repository.password.text()},
    )
    folder = repository.place.path / "locks"  # type: ignore[union-attr]
    end = time.monotonic() + 60
    while not any(folder.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)

    locks.remove_stale(claims, restic, repository)
    assert len(restic.locks(repository)) == 1
    child.kill()
    child.communicate()
    locks.remove_stale(claims, restic, repository)
    assert restic.locks(repository) == ()

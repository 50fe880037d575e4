"""What restic is told when it is at work already: it waits for that, and is stopped without it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from secvault.backup.repository import Repository
from secvault.backup.restic import BackupSummary, Progress, Restic, find_restic
from secvault.clock import system_clock
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, SecvaultError
from tests.backup.replayed_restic import Said, replayed

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

WAITS_SECONDS = 1.0
"""For longer than it takes restic to open a repository of which the password costs nothing."""


@pytest.fixture
def program(each_restic: str, tmp_path: Path) -> Restic:
    return find_restic(
        each_restic, tmp_path / "cache", tmp_path / "scratch", system_clock(), os.environ
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    saved = tmp_path / "saved"
    saved.mkdir()
    for name in ("kept", "left out", "odd "):
        (saved / name).write_bytes(name.encode())
    return saved


def save(
    restic: Restic,
    repository: Repository,
    folder: Path,
    awaited: Future[Sequence[str]],
    cancel: Event | None = None,
    excludes: Sequence[str] = (),
) -> BackupSummary:
    return restic.backup(
        repository,
        (folder,),
        host="host",
        excludes=excludes,
        awaited=awaited,
        on_progress=ignore,
        cancel=cancel or Event(),
    )


def ignore(_progress: Progress) -> None:
    """Nobody watches."""


def names(restic: Restic, repository: Repository, made: BackupSummary) -> set[str]:
    listed = restic.ls(repository, made.snapshot_id)
    return {one.name for one in listed if one.type == "file"}


@contextmanager
def later(act: Any) -> Iterator[None]:
    """While the block runs, this happens when restic has long come to where it waits."""
    timer = threading.Timer(WAITS_SECONDS, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_restic_waits_and_leaves_out_what_it_is_told_then(
    program: Restic, repository: Repository, folder: Path
) -> None:
    awaited: Future[Sequence[str]] = Future()

    def tell() -> None:
        # Restic sees it only if it has waited.
        (folder / "written meanwhile").write_bytes(b"late")
        awaited.set_result((f"{folder}/left*",))

    with later(tell):
        made = save(program, repository, folder, awaited)

    assert names(program, repository, made) == {"kept", "odd ", "written meanwhile"}


def test_more_than_a_pipe_holds_is_heard_whole(
    program: Restic, repository: Repository, folder: Path
) -> None:
    awaited: Future[Sequence[str]] = Future()
    many = [f"{folder}/none of this name {number}" for number in range(5_000)]
    awaited.set_result((*many, f"{folder}/left out"))
    made = save(program, repository, folder, awaited)

    assert names(program, repository, made) == {"kept", "odd "}


def test_a_pattern_that_cannot_stand_on_a_line_is_heard_all_the_same(
    program: Restic, repository: Repository, folder: Path
) -> None:
    awaited: Future[Sequence[str]] = Future()
    with later(lambda: awaited.set_result((f"{folder}/odd ",))):
        made = save(program, repository, folder, awaited, excludes=(f"{folder}/left out",))

    assert names(program, repository, made) == {"kept"}


def test_what_will_never_be_known_stops_restic_and_nothing_is_saved(
    program: Restic, repository: Repository, folder: Path
) -> None:
    awaited: Future[Sequence[str]] = Future()
    reason = BackupFailed("the listing failed")
    with later(lambda: awaited.set_exception(reason)), pytest.raises(BackupFailed) as raised:
        save(program, repository, folder, awaited)

    assert raised.value is reason
    assert program.snapshots(repository) == ()
    assert program.locks(repository) == ()


def test_restic_that_waits_can_be_cancelled(
    program: Restic, repository: Repository, folder: Path
) -> None:
    cancel = Event()
    with later(cancel.set), pytest.raises(Cancelled):
        save(program, repository, folder, Future(), cancel)

    assert program.snapshots(repository) == ()
    assert program.locks(repository) == ()


def test_restic_that_ends_before_it_is_told_waits_for_nothing(
    program: Restic, repository: Repository, folder: Path
) -> None:
    (Path(repository.location) / "config").unlink()
    awaited: Future[Sequence[str]] = Future()
    with pytest.raises(SecvaultError):
        save(program, repository, folder, awaited)

    awaited.set_result(())


def test_a_restic_that_did_not_wait_has_saved_nothing_that_counts(
    repository: Repository, folder: Path, tmp_path: Path
) -> None:
    done = b'{"message_type":"summary","snapshot_id":"' + b"a" * 64 + b'"}\n'
    hasty = replayed(tmp_path, Said(out=done))
    with pytest.raises(BackupFailed, match="did not wait"):
        save(hasty, repository, folder, Future())


def test_nothing_stays_open_where_restic_cannot_be_started(
    program: Restic, repository: Repository, folder: Path
) -> None:
    def launch(*_argv: Any, **_given: Any) -> subprocess.Popen[bytes]:
        raise OSError(12, "no memory")

    broken = replace(program, command=replace(program.command, launch=launch))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ConfigurationError):
        save(broken, repository, folder, Future())

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_restic_that_waits_ends_with_us_and_saves_nothing(
    program: Restic, each_restic: str, repository: Repository, folder: Path, tmp_path: Path
) -> None:
    ours = """
import os, sys
from concurrent.futures import Future
from pathlib import Path
from secvault.backup.repository import Repository
from secvault.backup.restic import find_restic
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
binary, location, password, folder, data = sys.argv[1:]
restic = find_restic(binary, Path(data, "cache"), Path(data, "scratch"), system_clock(), os.environ)
repository = Repository(location, Secret.of(password))
restic.backup(
    repository, [Path(folder)], host="host", awaited=Future(), on_progress=lambda _: None
)
"""
    password = repository.password.expose().decode()
    words = [each_restic, repository.location, password, str(folder), str(tmp_path)]
    with subprocess.Popen([sys.executable, "-c", ours, *words]) as started:
        eventually(lambda: any(Path(repository.location, "locks").iterdir()))
        time.sleep(WAITS_SECONDS)
        assert started.poll() is None
        running = of_the_repository(repository)
        assert running
        started.kill()
    eventually(lambda: not of_the_repository(repository))

    assert program.snapshots(repository) == ()


def of_the_repository(repository: Repository) -> list[str]:
    """The running programs that name it."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"--repo={repository.location}".encode() in line.read_bytes().split(b"\0"):
                found.append(line.parent.name)
    return found


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)

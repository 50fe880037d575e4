"""restic for real, on folders."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup.repository import Repository
from secvault.backup.repository_faults import (
    RepositoryLocked,
    RepositoryMissing,
    SourceUnreadable,
    WrongRepositoryPassword,
)
from secvault.backup.restic import Progress, Restic, Retention, find_restic
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
from secvault.errors import (
    BackupFailed,
    Cancelled,
    ConfigurationError,
    Conflict,
    InvalidInput,
    SecvaultError,
)

pytestmark = pytest.mark.real


def ignore(_: Progress) -> None:
    """For whom progress does not matter."""


def never_started(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
    raise AssertionError("restic was started")


def save(restic: Restic, repository: Repository, *paths: Path, tags: tuple[str, ...] = ()) -> str:
    summary = restic.backup(repository, paths, host="host", tags=tags, on_progress=ignore)
    return summary.snapshot_id


def look(folder: Path) -> dict[str, tuple[object, ...]]:
    """What is in a folder, as far as a backup has to bring it back."""
    found: dict[str, tuple[object, ...]] = {}
    for path in folder.rglob("*"):
        seen = path.lstat()
        content: object = None
        if stat.S_ISREG(seen.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(seen.st_mode):
            content = str(path.readlink())
        found[str(path.relative_to(folder))] = (seen.st_mode, seen.st_mtime_ns, content)
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(15_000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


class Launched:
    """Starts processes and keeps them, so that a test can strike at them."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        self.processes.append(subprocess.Popen(*arguments, **more))
        return self.processes[-1]


@contextmanager
def backing_up(
    restic: Restic, repository: Repository, source: Path
) -> Iterator[tuple[Launched, list[SecvaultError]]]:
    """A backup that is half-way and stands still, its lock in place; how it then ends."""
    launched, errors = Launched(), []
    slow = replace(restic, command=replace(restic.command, launch=launched))

    def work() -> None:
        try:
            save(slow, repository, source)
        except SecvaultError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    locks = Path(repository.location, "locks")
    wait_for(lambda: any(locks.iterdir()))
    # It looks once more for other locks before it believes in its own.
    wait_for(lambda: any(Path(repository.location, "data").glob("*/*")))
    launched.processes[0].send_signal(signal.SIGSTOP)
    try:
        yield launched, errors
    finally:
        launched.processes[0].send_signal(signal.SIGCONT)
        thread.join(300)


def test_what_was_saved_comes_back_bit_by_bit(
    restic: Restic, repository: Repository, source: Path, tmp_path: Path
) -> None:
    summary = restic.backup(
        repository, [source], host="host", tags=("plan=x", "run=1"), on_progress=ignore
    )
    (saved,) = restic.snapshots(repository)
    restored = restic.restore(
        repository, summary.snapshot_id, tmp_path / "back", verify=True, on_progress=ignore
    )

    assert look(tmp_path / "back" / source.relative_to("/")) == look(source)
    files = [path for path in source.rglob("*") if path.is_file() and not path.is_symlink()]
    assert restored.files == len(files)
    assert restored.bytes == sum(path.stat().st_size for path in files) == summary.bytes_total
    assert summary.files_new == summary.files_total
    assert summary.bytes_added > 0
    assert saved.id == summary.snapshot_id
    assert (saved.hostname, saved.paths) == ("host", (str(source),))
    assert set(saved.tags or ()) == {"plan=x", "run=1"}


def test_a_listing_has_every_path_with_its_type_and_size(
    restic: Restic, repository: Repository, source: Path
) -> None:
    entries = {
        entry.path: entry for entry in restic.ls(repository, save(restic, repository, source))
    }

    assert {str(path) for path in source.rglob("*")} <= set(entries)
    assert entries[str(source / "deep/er/still/big.bin")].size == 1 << 20
    assert entries[str(source / "link")].type == "symlink"
    assert entries[str(source / "empty folder")].type == "dir"


def test_a_listing_may_be_left_early(restic: Restic, repository: Repository, source: Path) -> None:
    entries = restic.ls(repository, save(restic, repository, source))
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert restic.locks(repository) == ()


def test_part_of_a_snapshot_can_be_brought_back(
    restic: Restic, repository: Repository, source: Path, tmp_path: Path
) -> None:
    restored = restic.restore(
        repository,
        save(restic, repository, source),
        tmp_path / "back",
        include=(str(source / "plain.txt"),),
        verify=True,
        on_progress=ignore,
    )
    assert (restored.files, restored.bytes) == (1, 5)


def test_excluded_files_are_not_saved(restic: Restic, repository: Repository, source: Path) -> None:
    summary = restic.backup(
        repository, [source], host="host", excludes=("*.bin", "empty"), on_progress=ignore
    )
    names = {Path(entry.path).name for entry in restic.ls(repository, summary.snapshot_id)}
    assert "plain.txt" in names
    assert not names & {"big.bin", "empty"}


def test_progress_rises_to_the_end(
    restic: Restic, repository: Repository, large_source: Path
) -> None:
    seen: list[Progress] = []
    summary = restic.backup(repository, [large_source], host="h", on_progress=seen.append)

    assert len(seen) >= 2
    assert [one.bytes_done for one in seen] == sorted(one.bytes_done for one in seen)
    assert seen[-1] == Progress("backup", 24, 24, 24 << 22, 24 << 22, 0)
    assert summary.bytes_total == 24 << 22


def test_a_cancelled_backup_leaves_no_lock_and_the_next_one_works(
    restic: Restic, repository: Repository, source: Path, large_source: Path
) -> None:
    before = save(restic, repository, source)
    cancel = threading.Event()

    def stop_at_once(progress: Progress) -> None:
        cancel.set()

    with pytest.raises(Cancelled):
        restic.backup(repository, [large_source], host="h", on_progress=stop_at_once, cancel=cancel)
    assert restic.locks(repository) == ()
    assert [one.id for one in restic.snapshots(repository)] == [before]
    save(restic, repository, source)
    restic.check(repository, read_all=True)


def test_a_backup_cancelled_while_it_begins_leaves_no_lock(
    restic: Restic, repository: Repository, large_source: Path
) -> None:
    cancel = threading.Event()
    locks = Path(repository.location, "locks")
    watching = threading.Thread(
        target=lambda: (wait_for(lambda: any(locks.iterdir())), cancel.set())
    )
    watching.start()
    with pytest.raises(Cancelled):
        restic.backup(repository, [large_source], host="h", on_progress=ignore, cancel=cancel)
    watching.join(300)
    assert list(locks.iterdir()) == []


def test_a_killed_restic_leaves_a_lock_that_unlock_removes(
    restic: Restic, repository: Repository, source: Path, large_source: Path
) -> None:
    with backing_up(restic, repository, large_source) as (launched, errors):
        launched.processes[0].send_signal(signal.SIGKILL)
    (error,) = errors
    assert isinstance(error, BackupFailed)
    assert "signal 9" in error.detail
    (held,) = restic.locks(repository)
    assert held.lock.pid == launched.processes[0].pid

    restic.unlock(repository)
    assert restic.locks(repository) == ()
    save(restic, repository, source)
    restic.check(repository, read_all=True)


def test_a_repository_in_use_names_who_holds_it_and_stays_locked(
    restic: Restic, repository: Repository, large_source: Path
) -> None:
    with backing_up(restic, repository, large_source) as (launched, errors):
        with pytest.raises(RepositoryLocked) as caught:
            restic.check(repository)
        restic.unlock(repository)
        assert restic.exists(repository)
    assert errors == []
    holder = caught.value.holder
    assert holder is not None
    assert (holder.pid, holder.host) == (launched.processes[0].pid, os.uname().nodename)
    assert holder.since is not None
    assert abs((system_clock().now() - holder.since).total_seconds()) < 120


def test_the_password_is_in_no_argument_list_and_no_environment(
    restic: Restic, repository: Repository, large_source: Path
) -> None:
    seen = b""
    with backing_up(restic, repository, large_source) as (launched, errors):
        folder = Path(f"/proc/{launched.processes[0].pid}")
        assert (folder / "comm").read_text().strip() == "restic"
        child = (folder / "environ").read_bytes()
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    seen += (process / name).read_bytes()
                except OSError:
                    continue  # it has ended, or is not ours
    assert errors == []
    assert large_source.name.encode() in seen
    assert repository.password.expose() not in seen
    assert b"SECVAULT_SECRET" not in child


def test_a_wrong_password_a_missing_and_a_present_repository_are_told_apart(
    restic: Restic, repository: Repository, new_repository: Callable[[], Repository]
) -> None:
    absent = new_repository()
    assert restic.exists(repository)
    assert not restic.exists(absent)
    with pytest.raises(RepositoryMissing, match="a backup makes it"):
        restic.snapshots(absent)
    wrong = replace(repository, password=Secret.of("another password"))
    with pytest.raises(WrongRepositoryPassword) as caught:
        restic.exists(wrong)
    assert "another password" not in caught.value.detail


def test_a_repository_is_made_once_and_its_id_stays(
    restic: Restic, new_repository: Callable[[], Repository]
) -> None:
    repository = new_repository()
    restic.init(repository)
    made = restic.identity(repository)
    assert len(made) == 64
    with pytest.raises(Conflict, match="already"):
        restic.init(repository)


def test_a_repository_without_its_config_is_not_made_over(
    restic: Restic, repository: Repository
) -> None:
    Path(repository.location, "config").unlink()
    with pytest.raises(Conflict, match="config"):
        restic.init(repository)


def test_a_missing_source_stops_the_backup_before_it_begins(
    restic: Restic, repository: Repository, source: Path
) -> None:
    with pytest.raises(SourceUnreadable, match="absent"):
        save(restic, repository, source, source / "absent")
    assert restic.snapshots(repository) == ()


def test_a_source_that_cannot_be_read_makes_no_complete_backup(
    restic: Restic, repository: Repository, source: Path
) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        # A regular file that even root cannot read from its beginning.
        save(restic, repository, source, Path("/proc/self/mem"))
    assert caught.value.unreadable
    assert any("/mem" in line for line in caught.value.unreadable)
    assert [caught.value.snapshot_id] == [one.id for one in restic.snapshots(repository)]


def test_forgetting_keeps_what_the_rules_say_and_only_of_its_tag(
    restic: Restic, repository: Repository, source: Path
) -> None:
    other = save(restic, repository, source, tags=("plan=b",))
    first = save(restic, repository, source, tags=("plan=a", "run=1"))
    # Other paths and another run: still the same plan.
    second = save(restic, repository, source, source / "deep", tags=("plan=a", "run=2"))

    report = restic.forget(repository, Retention(last=1), tags=("plan=a",), prune=True)

    assert [one.id for one in report.removed] == [first]
    assert [(one.snapshot.id, one.reasons) for one in report.kept] == [(second, ("last snapshot",))]
    assert (report.refused, report.refused_files, report.pruned) == ((), (), True)
    assert [one.id for one in restic.snapshots(repository)] == [other, second]
    assert [one.id for one in restic.snapshots(repository, tags=("plan=a", "run=2"))] == [second]
    assert restic.snapshots(repository, host="elsewhere") == ()
    restic.check(repository, read_data_subset="1/1")


def test_what_is_forgotten_for_good_is_in_no_pack_however_little_of_it_that_is(
    restic: Restic, repository: Repository, tmp_path: Path
) -> None:
    """restic itself leaves what is not needed where it is less than a twentieth of everything."""
    folder = tmp_path / "large"
    folder.mkdir()
    content = bytearray(os.urandom(48 * 2**20))
    for change in (b"first", b"other"):
        content[20 * 2**20 : 20 * 2**20 + 5] = change
        (folder / "file").write_bytes(content)
        save(restic, repository, folder, tags=("plan=a",))
    retention = Retention(last=1)
    restic.forget(repository, retention, tags=("plan=a",), prune=True, leave_nothing=True)

    _, listed, _ = restic.command.run(repository, "list", "blobs")
    _, needed, _ = restic.command.run(repository, "stats", "--mode=raw-data", "--json")
    assert len(listed.splitlines()) == json.loads(needed)["total_blob_count"]
    assert restic.check(repository, read_all=True)


def test_what_restic_would_misread_is_refused_before_it_starts(
    restic: Restic, repository: Repository, source: Path, tmp_path: Path
) -> None:
    idle = replace(restic, command=replace(restic.command, launch=never_started))
    (tmp_path / "occupied").write_text("")

    def restore(snapshot: str, target: Path) -> object:
        return idle.restore(repository, snapshot, target, verify=True, on_progress=ignore)

    for field, act in (
        ("tags", lambda: idle.forget(repository, Retention(last=1), tags=(), prune=True)),
        ("tags", lambda: idle.snapshots(repository, tags=("one,two",))),
        ("tags", lambda: save(idle, repository, source, tags=("",))),
        ("paths", lambda: save(idle, repository)),
        ("paths", lambda: save(idle, repository, Path("relative"))),
        ("paths", lambda: save(idle, repository, source / ".." / "source")),
        ("read_data_subset", lambda: idle.check(repository, read_data_subset="all")),
        ("snapshot_id", lambda: restore("--target=/", tmp_path / "new")),
        ("target", lambda: restore("latest", Path("relative"))),
        ("target", lambda: restore("latest", tmp_path)),
    ):
        with pytest.raises(InvalidInput) as caught:
            act()
        assert caught.value.fields[0].field == field


def test_a_snapshot_that_is_not_there_is_an_error(
    restic: Restic, repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(BackupFailed):
        restic.restore(
            repository, "0123456789ab", tmp_path / "back", verify=True, on_progress=ignore
        )


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_program(program: Path, environment: dict[str, str], tmp_path: Path) -> Restic:
    return find_restic(
        program, tmp_path / "cache", tmp_path / "scratch", system_clock(), environment
    )


def test_the_version_is_read(restic: Restic) -> None:
    assert restic.version() >= (0, 14, 0)


@pytest.mark.parametrize(
    ("says", "refusal"),
    [("restic 0.13.1 compiled with go1.18", "too old"), ("hello", "does not answer as restic")],
)
def test_an_old_or_a_wrong_program_is_refused(tmp_path: Path, says: str, refusal: str) -> None:
    program = script(tmp_path / "program", f"echo '{says}'")
    with pytest.raises(ConfigurationError, match=refusal):
        with_program(program, {**os.environ}, tmp_path).version()


def test_a_program_that_is_missing_says_what_to_install(
    tmp_path: Path, new_repository: Callable[[], Repository]
) -> None:
    absent = with_program(tmp_path / "absent", {**os.environ}, tmp_path)
    with pytest.raises(ConfigurationError, match="install"):
        absent.exists(new_repository())


def test_restic_gets_a_short_environment_and_folders_of_ours(
    tmp_path: Path, new_repository: Callable[[], Repository]
) -> None:
    program = script(tmp_path / "program", f"env > {tmp_path}/env; exit 1")
    ours = {
        "PATH": os.environ["PATH"],
        "SECVAULT_MASTER": "secret",
        "RESTIC_PASSWORD": "wrong",
        "RESTIC_REPOSITORY": "elsewhere",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTPS_PROXY": "http://user:secret@proxy",
        "LD_PRELOAD": "",
        "HOME": "/root",
    }
    with pytest.raises(BackupFailed):
        with_program(program, ours, tmp_path).exists(new_repository())

    got = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    got = {name: value for name, value in got.items() if name not in {"PWD", "SHLVL", "_"}}
    assert got == {
        "PATH": os.environ["PATH"],
        "TZ": "UTC",
        "TMPDIR": str(tmp_path / "scratch"),
        "RESTIC_PROGRESS_FPS": "2",
    }
    assert stat.S_IMODE((tmp_path / "scratch").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700

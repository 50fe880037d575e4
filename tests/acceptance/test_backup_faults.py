"""What can be wrong with a repository, a disk or a clock: each run ends in words, nothing is lost.

The file systems are the test's own (a tmpfs); the lock is that of another machine, as restic writes
it there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from secvault.backup import keys_apart
from secvault.backup.repository import KEYS
from secvault.backup.repository_faults import (
    RepositoryDamaged,
    RepositoryDenied,
    RepositoryGone,
    RepositoryLocked,
    StorageFull,
)
from tests import foreign_lock
from tests.acceptance.backed_up import BackedUp, backed_up
from tests.backup.small_vault import PLAN

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("quick_repositories"),
]

DAY = 24 * 3600
HANGING_SECONDS = 60


@pytest.fixture
def made(tmp_path: Path, backed_up_model: Path) -> Iterator[BackedUp]:
    """A vault with a backup in a folder."""
    with backed_up(tmp_path, model=backed_up_model) as made:
        yield made


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[None]:
    """A disk of this size where the folder is."""
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)]
    done = subprocess.run(
        mount, capture_output=True, text=True, check=False, timeout=HANGING_SECONDS
    )
    if done.returncode:
        pytest.fail(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=HANGING_SECONDS)


def fill(folder: Path) -> Path:
    """Take the room of the disk that the folder is on, but for some; the file that has it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while out.write(bytes(size)) == size:
                    pass
    return ballast


def test_wrong_credentials_and_a_bucket_that_is_gone_are_told_and_none_is_made_again(
    s3_server: Any, tmp_path: Path
) -> None:
    bucket = s3_server.new_bucket()
    settings = {
        "location": f"s3:{s3_server.endpoint}/{bucket}",
        "access_key_id": s3_server.access_key,
        "secret_access_key": s3_server.secret_key,
    }
    with backed_up(tmp_path, repository=settings) as made:
        earlier = made.snapshots()
        denied = made.on(secret_access_key=SecretStr("not-the-secret-key")).fail()
        assert isinstance(denied, RepositoryDenied)
        assert "check the access key, its secret" in denied.detail
        assert "not-the-secret-key" not in denied.detail
        assert earlier < earlier | {made.back_up().snapshot} == made.snapshots()

        client = s3_server.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page["Contents"]:
                client.delete_object(Bucket=bucket, Key=one["Key"])
        client.delete_bucket(Bucket=bucket)
        gone = made.fail()
        assert isinstance(gone, RepositoryGone)
        assert "was there" in gone.detail
        assert "another location" in gone.detail
        assert bucket not in {one["Name"] for one in client.list_buckets()["Buckets"]}

        elsewhere = f"s3:{s3_server.endpoint}/{s3_server.new_bucket()}"
        assert made.on(location=elsewhere).back_up().state == "done"


def test_a_disk_that_is_not_mounted_is_not_taken_for_a_new_repository(made: BackedUp) -> None:
    earlier = made.snapshots()
    folder = made.vault.folder / "repository"
    unmounted = folder.rename(made.vault.folder / "unmounted")
    folder.mkdir()
    error = made.fail()

    assert isinstance(error, RepositoryGone)
    assert list(folder.iterdir()) == []
    folder.rmdir()
    unmounted.rename(folder)
    made.heals(earlier)


def test_data_keys_that_are_gone_are_told_before_anything_is_saved(made: BackedUp) -> None:
    earlier = made.snapshots()
    keys = Path(made.vault.engine.repository(f"local{KEYS}").location)
    aside = keys.rename(made.vault.folder / "aside")

    assert isinstance(made.fail(), RepositoryGone)
    assert made.snapshots() == earlier
    aside.rename(keys)
    made.heals(earlier)


def test_a_full_scratch_disk_is_named_and_with_room_the_next_run_heals(made: BackedUp) -> None:
    earlier = made.snapshots()
    scratch = made.vault.engine.scratch
    with small_disk(scratch, 4):
        ballast = fill(scratch)
        made.change()
        made.runs += 1
        with pytest.raises(StorageFull) as caught:
            made.vault.back_up(f"run-{made.runs}")
        assert "scratch" in caught.value.detail
        assert "make room" in caught.value.detail
        assert (made.row().state, made.row().error) == ("failed", caught.value.detail)
        assert made.vault.left_in_scratch() == ["ballast"]
        assert made.snapshots() == earlier
        ballast.unlink()
        made.heals(earlier)


def test_a_full_repository_is_named_and_with_room_the_next_run_heals(
    tmp_path: Path, backed_up_model: Path
) -> None:
    repository = tmp_path / "repository"
    with small_disk(repository, 16), backed_up(tmp_path, model=backed_up_model) as made:
        earlier = made.snapshots()
        ballast = fill(repository)
        error = made.fail()
        assert isinstance(error, StorageFull)
        assert str(repository) in error.detail
        assert "make room" in error.detail
        # restic lists none where it has no room for its lock.
        assert {one.name for one in (repository / "snapshots").iterdir()} == earlier
        ballast.unlink()
        made.heals(earlier)


def test_a_clock_that_jumps_in_the_middle_of_a_run_changes_no_outcome(made: BackedUp) -> None:
    earlier = made.snapshots()

    class Jumping(list[Any]):
        """Of progress: with the first, the clock jumps."""

        days = 400

        def append(self, progress: Any) -> None:
            if not self:
                made.vault.hands.seconds += self.days * DAY
            super().append(progress)

    made.vault.seen = Jumping()
    assert made.back_up().state == "done"
    made.heals(earlier)
    made.vault.seen = Jumping()
    Jumping.days = -800
    made.heals(earlier)


@pytest.mark.parametrize("keys", [False, True])
def test_a_snapshot_of_a_wrong_clock_makes_retention_forget_nothing(
    made: BackedUp, keys: bool
) -> None:
    engine = made.vault.engine
    made.back_up()
    earlier = made.snapshots()
    known = {one.id for one in keys_apart.snapshots(engine, PLAN)}
    # As if it had been made by a run while the clock was two years ahead.
    repository = engine.repository(f"local{KEYS}" if keys else "local")
    in_future = datetime.now(UTC) + timedelta(days=730)
    tag = keys_apart.TAG if keys else "secvault"
    status, _, said = engine.restic.command.run(
        repository, "backup", f"--time={in_future:%Y-%m-%d %H:%M:%S}", f"--tag={tag},plan={PLAN}",
        f"--host={engine.host}", str(made.vault.documents),
    )  # fmt: skip
    assert status == 0, said
    made.vault = made.vault.planned(keep_within="30d", keep_last=1)

    error = made.fail()
    assert "in the future" in error.detail
    assert "clock" in error.detail
    assert made.row().snapshot in made.snapshots()
    assert earlier <= made.snapshots()
    assert known < {one.id for one in keys_apart.snapshots(engine, PLAN)}


def test_a_repository_locked_by_another_machine_is_left_alone_until_the_lock_is_old(
    made: BackedUp,
) -> None:
    earlier = made.snapshots()
    repository = made.vault.engine.repository("local")
    now = datetime.now(UTC)
    lock = foreign_lock.put(repository, host="other-host", since=now, exclusive=True)
    error = made.fail()
    assert isinstance(error, RepositoryLocked)
    assert error.holder is not None
    assert (error.holder.host, error.holder.pid) == ("other-host", foreign_lock.PID)
    assert "other-host" in error.detail
    assert "wait for it" in error.detail
    assert lock.exists()
    lock.unlink()
    assert made.snapshots() == earlier

    old = made.vault.hands.clock().now() - timedelta(hours=1)
    foreign_lock.put(repository, host="other-host", since=old, exclusive=True)
    made.heals(earlier)


def harm(folder: Path) -> Path:
    """Change a byte in the middle of the largest file below the folder."""
    file = max((one for one in folder.rglob("*") if one.is_file()), key=_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.chmod(0o600)
    file.write_bytes(content)
    return file


def _size(path: Path) -> int:
    return path.stat().st_size


def without_cache(made: BackedUp) -> BackedUp:
    """The same vault on a machine that has seen nothing of the repository."""
    restic = made.vault.engine.restic
    command = replace(restic.command, cache=made.vault.folder / "another-cache")
    engine = replace(made.vault.engine, restic=replace(restic, command=command))
    return replace(made, vault=replace(made.vault, engine=engine))


def test_a_changed_pack_is_found_by_the_check_and_new_backups_go_on(
    made: BackedUp, tmp_path: Path
) -> None:
    pack = harm(tmp_path / "repository/data")
    engine = made.vault.engine
    with pytest.raises(RepositoryDamaged) as caught:
        engine.restic.check(engine.repository("local"), read_all=True)
    assert f"pack {pack.name}" in caught.value.files
    assert "restore what is needed from another copy" in caught.value.detail

    # What is new is saved, and can be had.
    before = made.snapshots()
    done = made.back_up()
    assert done.state == "done"
    assert before < made.snapshots()


def test_a_changed_index_fails_the_run_in_words_and_repaired_it_goes_on(
    made: BackedUp, tmp_path: Path
) -> None:
    earlier = made.snapshots()
    index = harm(tmp_path / "repository/index")
    fresh = without_cache(made)
    error = fresh.fail()
    assert isinstance(error, RepositoryDamaged)
    assert any(name.startswith(f"index {index.name[:8]}") for name in error.files), error.files
    assert "repair" in error.detail
    assert fresh.snapshots() == earlier

    engine = fresh.vault.engine
    index.unlink()
    status, _, said = engine.restic.command.run(engine.repository("local"), "rebuild-index")
    assert status == 0, said
    fresh.heals(earlier)


def test_a_changed_snapshot_is_told_and_takes_nothing_else_with_it(
    made: BackedUp, tmp_path: Path
) -> None:
    first = made.content[-1]
    (harmed,) = made.snapshots()
    good = made.back_up()
    assert good.snapshot is not None
    second = made.content[-1]
    assert first != second
    file = tmp_path / "repository/snapshots" / harmed
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[::-1])
    fresh = without_cache(made)

    error = fresh.fail()
    assert isinstance(error, RepositoryDamaged)
    assert any(name.startswith(f"snapshot {harmed[:8]}") for name in error.files)
    # The run's own copy is there all the same, and so is the one before.
    saved = fresh.row().snapshot
    assert saved is not None
    engine = fresh.vault.engine
    left = engine.restic.snapshots(engine.repository("local"), skip_damaged=True)
    assert {one.id for one in left} == {good.snapshot, saved}
    # The harmed one has no more worth; without it everything goes on.
    file.unlink()
    fresh.comes_back(good.snapshot, tmp_path / "back", second)
    fresh.heals({good.snapshot, saved})

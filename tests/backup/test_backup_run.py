"""A backup run on a real repository: what it saves, what it claims, and how it fails."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import msgspec
import pytest
from sqlalchemy import insert, update

from secvault.backup import copies, in_order, keys_apart, manifest, run, staging
from secvault.backup.claims import SILENT_AFTER_SECONDS, TakenOver
from secvault.backup.repository import KEYS
from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.restic import Progress, Snapshot
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, Conflict, NotFound
from secvault.store import tables
from tests.backup.moments import when_it_saves, when_it_starts
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

SCHEDULED = "backup:nightly:2026-11-24T18:30:00Z"
NOT_UTF8 = b"l\xfc+\xf6,ng.txt"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


@pytest.fixture
def readable_only_at_first(vault: SmallVault) -> SmallVault:
    """With a file that restic cannot read, of which the listing knew nothing."""
    return when_it_starts(vault, lambda words: words.append(f"/proc/{os.getpid()}/mem"))


def state_of(vault: SmallVault, run_id: str) -> tuple[str, str | None]:
    found = run.read_run(vault.engine, run_id)
    return found.state, found.error


def restored(vault: SmallVault, target: Path) -> manifest.Comparison:
    newest = run.newest_snapshot(vault.engine, PLAN)
    repository = vault.engine.opened_repository("local")
    vault.engine.restic.restore(
        repository, newest.id, target, verify=True, on_progress=vault.seen.append
    )
    return run.compare_restored(vault.engine, PLAN, newest, target)


def test_a_scheduled_run_saves_the_database_the_policies_and_the_folders(
    vault: SmallVault, tmp_path: Path
) -> None:
    (vault.documents / os.fsdecode(NOT_UTF8)).write_bytes(b"odd")
    (vault.documents / "link").symlink_to("/etc/hostname")
    done, _ = vault.back_up(SCHEDULED)
    (snapshot,) = vault.snapshots()

    assert (done.state, done.phase, done.error) == ("done", "done", None)
    assert (done.snapshot, done.data_at) == (snapshot.id, done.started_at)
    assert set(snapshot.tags or ()) == {"secvault", f"plan={PLAN}", f"run={SCHEDULED}"}
    assert vault.left_in_scratch() == []
    compared = restored(vault, tmp_path / "target")
    assert compared.whole
    # The database, the policies' file, and three documents; the manifest is not in itself.
    assert compared.checked == 5
    assert done.files is not None
    assert done.files >= 6


def test_the_settings_lie_beside_the_database(vault: SmallVault, tmp_path: Path) -> None:
    settings = "# secrets are left out\norganisation = 'example.com'\n"
    replace(vault, engine=replace(vault.engine, configuration=lambda: settings)).back_up(SCHEDULED)
    compared = restored(vault, tmp_path / "target")
    (database,) = (tmp_path / "target").rglob("secvault.db")
    file = database.with_name("secvault.toml")
    assert compared.whole
    assert file.read_text() == settings
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_settles_before_the_copy_is_in_it(vault: SmallVault, tmp_path: Path) -> None:
    def settle() -> None:
        with vault.engine.store.write() as connection:
            connection.execute(insert(tables.node).values(id="late", started_at=1, beat_at=1))

    replace(vault, engine=replace(vault.engine, settle=settle)).back_up(SCHEDULED)
    restored(vault, tmp_path / "target")
    (copy,) = (tmp_path / "target").rglob("secvault.db")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT id FROM node").fetchall() == [("late",)]


def test_a_second_run_adds_only_what_changed_and_retention_drops_the_first(
    vault: SmallVault,
) -> None:
    only_last = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    first, _ = only_last.back_up("run-1")
    second, report = only_last.back_up("run-2")

    assert first.bytes_added is not None
    assert second.bytes_added is not None
    # Not the large document again, which is 200,000 bytes.
    assert second.bytes_added < first.bytes_added - 190_000
    assert [one.id for one in report.forgotten.removed] == [first.snapshot]
    assert [one.id for one in only_last.snapshots()] == [second.snapshot]


def test_snapshots_of_a_clock_that_was_ahead_do_not_push_out_what_was_just_saved(
    vault: SmallVault,
) -> None:
    only_last = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    engine = replace(only_last.engine, keys_days=0)
    only_last = replace(only_last, engine=engine)
    for name in ("local", "local" + KEYS):
        ahead = ("backup", "--time=2099-01-01 00:00:00", f"--tag=plan={PLAN},{keys_apart.TAG}")
        status, _, _ = engine.restic.command.run(
            engine.ready_repository(name), *ahead, str(vault.documents)
        )
        assert status == 0
    done, _ = only_last.back_up("run-1")

    assert done.snapshot in {one.id for one in only_last.snapshots()}
    kept = [one.tags for one in keys_apart.snapshots(engine, PLAN)]
    assert any("run=run-1" in (tags or ()) for tags in kept)


def test_a_plan_of_the_store_that_cannot_be_read_keeps_no_other_from_its_backup(
    vault: SmallVault,
) -> None:
    broken = {"name": "broken", "settings": "{}x", "version": 1, "made_by": "user:thu"}
    with vault.engine.store.write() as connection:
        connection.execute(
            insert(tables.backup_plan).values(
                made_at=1, changed_by="user:thu", changed_at=1, **broken
            )
        )
    assert vault.back_up()[0].state == "done"


def test_only_one_run_of_a_plan_at_a_time(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")

    with pytest.raises(Conflict, match="running already"):
        run.begin(vault.engine, PLAN, "run-2", "user:thu")


def test_a_killed_run_goes_on_at_once_under_its_own_id(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    elsewhere = replace(vault, engine=replace(vault.engine, node="test:2"))
    done, _ = elsewhere.back_up("run-1")

    assert done.state == "done"


@pytest.mark.parametrize("pause", [61, -86_400], ids=["a minute", "a clock set back a day"])
def test_a_run_that_has_fallen_silent_makes_way(vault: SmallVault, pause: float) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    vault.hands.seconds += pause
    run.begin(vault.engine, PLAN, "run-2", "user:thu")

    assert state_of(vault, "run-1") == ("failed", "the process that worked on it died")
    with pytest.raises(Conflict, match="running already"):
        run.begin(vault.engine, PLAN, "run-1", "user:thu")


def test_a_run_that_was_given_up_does_not_claim_to_be_done(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    vault.hands.seconds += 61
    vault.engine.release_silent(tables.backup_run, PLAN)

    with vault.engine.store.write() as connection, pytest.raises(Conflict, match="given up"):
        run.finish(vault.engine, connection, "run-1")
    assert state_of(vault, "run-1")[0] == "failed"


def test_a_run_that_is_done_stays_done(vault: SmallVault) -> None:
    done, _ = vault.back_up("run-1")

    assert run.begin(vault.engine, PLAN, "run-1", "user:thu") == done


def test_the_snapshot_of_a_process_that_was_killed_is_made_anew(vault: SmallVault) -> None:
    """It may have been made of half the files: its exit status is not known."""
    first, _ = vault.back_up("run-1")
    with vault.engine.store.write() as connection:
        connection.execute(update(tables.backup_run).values(state="running", snapshot=None))
    second, _ = vault.back_up("run-1")

    assert [one.id for one in vault.snapshots()] == [second.snapshot]
    assert second.snapshot != first.snapshot


def test_the_snapshot_of_a_killed_run_that_nobody_took_up_goes_with_the_next_good_one(
    vault: SmallVault,
) -> None:
    """It may have been made of half the files, and would be restored as the newest."""
    copied = vault.planned(copies=("far",))
    copied.back_up("run-0")
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.save(vault.engine, "run-1", vault.seen.append, Event())
    with vault.engine.store.write() as connection:
        connection.execute(
            update(tables.backup_run)
            .where(tables.backup_run.c.id == "run-1")
            .values(state="failed", snapshot=None, phase="saving")
        )
    copied.back_up("run-2")

    assert runs_in(copied.snapshots()) == {"run=run-0", "run=run-2"}
    assert runs_in(copies.snapshots(copied.engine, PLAN, "far")) == {"run=run-0", "run=run-2"}


def runs_in(snapshots: Iterable[Snapshot]) -> set[str]:
    return {tag for one in snapshots for tag in one.tags or () if tag.startswith("run=")}


def test_a_step_that_is_done_twice_makes_one_snapshot(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    for _ in range(2):
        run.save(vault.engine, "run-1", vault.seen.append, Event())

    assert [one.id for one in vault.snapshots()] == [run.read_run(vault.engine, "run-1").snapshot]


def test_a_staged_copy_of_another_run_is_not_saved_as_this_one(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    vault.engine.mark(tables.backup_run, "run-1", state="failed")
    run.begin(vault.engine, PLAN, "run-2", "user:thu")
    run.save(vault.engine, "run-2", vault.seen.append, Event())

    staged = vault.engine.scratch / staging.staging(PLAN)
    assert manifest.read(staged / manifest.NAME).run == "run-2"


def test_what_an_older_version_staged_is_listed_in_the_form_of_this_one(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    head = vault.engine.scratch / staging.staging(PLAN) / manifest.NAME
    staged = msgspec.structs.replace(manifest.read(head), format="secvault manifest v2")
    manifest.write(staged, head)
    run.save(vault.engine, "run-1", vault.seen.append, Event())

    assert manifest.read(head).format == manifest.FORMAT


def test_a_run_whose_plan_was_given_another_repository_says_where_it_saved(
    vault: SmallVault,
) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    moved = vault.planned(repository="other")
    run.save(moved.engine, "run-1", vault.seen.append, Event())

    found = run.read_run(vault.engine, "run-1")
    assert (found.repository, found.snapshot) == ("other", moved.snapshots()[0].id)


def test_a_copy_of_secvault_is_not_saved_where_the_plan_keeps_no_data_keys_any_more(
    vault: SmallVault,
) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    without = vault.planned(vault=False).engine
    run.save(without, "run-1", vault.seen.append, Event())

    staged = without.scratch / staging.staging(PLAN)
    assert manifest.read(staged / manifest.NAME).database == staging.NO_DATABASE
    assert not list(staged.glob("secvault.db"))


def test_a_run_that_was_given_up_for_dead_leaves_what_its_successor_has_staged(
    vault: SmallVault,
) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    vault.hands.seconds += SILENT_AFTER_SECONDS + 1
    elsewhere = replace(vault.engine, node="test:2")
    run.begin(elsewhere, PLAN, "run-2", "user:thu")
    run.stage(elsewhere, "run-2", Event())
    for act in (
        lambda: run.save(vault.engine, "run-1", vault.seen.append, Event()),
        lambda: run.stage(vault.engine, "run-1", Event()),
    ):
        with pytest.raises(TakenOver):
            act()
    in_order.failed(vault.engine, PLAN, "run-1", TakenOver("given up"))

    run.save(elsewhere, "run-2", vault.seen.append, Event())
    (snapshot,) = vault.snapshots()
    assert "run=run-2" in (snapshot.tags or ())


def test_what_could_not_be_read_whole_leaves_no_snapshot(
    readable_only_at_first: SmallVault,
) -> None:
    vault = readable_only_at_first
    with pytest.raises(SourceUnreadable, match="mem"):
        vault.back_up()

    assert vault.snapshots() == ()
    state, error = state_of(vault, "run-1")
    assert state == "failed"
    assert error is not None
    assert "mem" in error
    assert vault.left_in_scratch() == []


def test_a_file_that_cannot_be_read_is_named_before_anything_is_saved(vault: SmallVault) -> None:
    blocked = vault.planned(folders=(vault.documents, Path(f"/proc/{os.getpid()}/mem")))
    with pytest.raises(SourceUnreadable, match="mem"):
        blocked.back_up()

    assert vault.snapshots() == ()


def test_what_is_excluded_need_not_be_readable(vault: SmallVault, tmp_path: Path) -> None:
    (vault.documents / "cache.tmp").write_bytes(b"x")
    unreadable = Path(f"/proc/{os.getpid()}/mem")
    excluding = vault.planned(
        folders=(vault.documents, unreadable), excludes=("*.tmp", f"/proc/{os.getpid()}")
    )
    done, _ = excluding.back_up()
    compared = restored(excluding, tmp_path / "target")

    assert done.state == "done"
    assert compared.whole
    assert not list((tmp_path / "target").rglob("*.tmp"))


def test_what_a_plan_leaves_out_is_never_of_its_own_copy(vault: SmallVault, tmp_path: Path) -> None:
    (vault.documents / "old.db").write_bytes(b"x")
    vault.planned(excludes=("*.db", "*.csv", "/**/policies")).back_up()
    compared = restored(vault, tmp_path / "target")

    assert compared.whole
    names = {one.name for one in (tmp_path / "target").rglob("*") if one.is_file()}
    assert {"secvault.db", "roles.csv"} <= names
    assert "old.db" not in names


def test_a_file_that_is_gone_when_restic_comes_is_told_apart_from_damage(
    vault: SmallVault, tmp_path: Path
) -> None:
    folder = vault.documents / "spool"
    folder.mkdir()
    (folder / "mail").write_bytes(b"for a moment")

    def deliver() -> None:
        (folder / "mail").unlink()
        (vault.documents / "Bảng lương.txt").chmod(0o600)

    when_it_saves(vault, deliver).back_up()
    compared = restored(vault, tmp_path / "target")

    assert compared.whole, compared.first_fault
    # The folder's time changed with what was in it.
    assert compared.changed_meanwhile == (
        f"{vault.documents}/Bảng lương.txt",
        str(folder),
        str(folder / "mail"),
    )


def test_a_file_that_changes_while_it_is_saved_is_told_apart_from_damage(
    vault: SmallVault, tmp_path: Path
) -> None:
    document = vault.documents / "Bảng lương.txt"
    when_it_saves(vault, lambda: document.write_bytes(b"written meanwhile")).back_up()
    compared = restored(vault, tmp_path / "target")

    assert compared.whole
    assert compared.changed_meanwhile == (f"{vault.documents}/Bảng lương.txt",)


def test_a_changed_copy_of_the_database_is_damage_whatever_its_time(
    vault: SmallVault, tmp_path: Path
) -> None:
    staged = vault.engine.scratch / staging.staging(PLAN)
    when_it_saves(vault, lambda: (staged / "secvault.db").write_bytes(b"no database")).back_up()

    assert restored(vault, tmp_path / "target").different == (f"{staged}/secvault.db",)


@pytest.mark.parametrize(
    ("folder", "error", "words"),
    [
        ("missing", SourceUnreadable, "missing cannot be read .No such file"),
        ("link", ConfigurationError, "link is neither a folder nor a file"),
        (".", ConfigurationError, "holds secvault's own data folder"),
        ("data/scratch/x", ConfigurationError, "holds secvault's own data folder"),
    ],
)
def test_a_folder_that_cannot_be_saved_whole_is_refused_by_name(
    vault: SmallVault, folder: str, error: type[Exception], words: str
) -> None:
    (vault.folder / "link").symlink_to(vault.documents)
    (vault.folder / "data/scratch/x").mkdir(parents=True)
    wrong = vault.planned(folders=(vault.folder / folder,))
    with pytest.raises(error, match=words):
        wrong.back_up()

    state, reason = state_of(vault, "run-1")
    assert state == "failed"
    assert reason is not None
    assert "backup.plans.nightly.folders" in reason


def test_what_the_machine_refuses_is_a_failed_run_with_a_sentence(vault: SmallVault) -> None:
    nothing = replace(vault.engine, own_folders=(vault.folder / os.fsdecode(b"no \xff"),))
    with pytest.raises(BackupFailed, match=r"the backup stopped: .*No such file"):
        replace(vault, engine=nothing).back_up()

    state, error = state_of(vault, "run-1")
    assert state == "failed"
    assert error is not None
    assert "No such file" in error
    assert vault.left_in_scratch() == []


def test_a_defect_is_a_failed_run_too(vault: SmallVault) -> None:
    def defect(_progress: Progress) -> None:
        raise ZeroDivisionError("secret text")

    with pytest.raises(ZeroDivisionError):
        in_order.run_backup(
            vault.engine,
            PLAN,
            "run-1",
            requested_by="user:thu",
            on_progress=defect,
            cancel=Event(),
        )

    assert state_of(vault, "run-1") == (
        "failed",
        "an unexpected ZeroDivisionError; the log says where",
    )


def test_a_run_that_is_cancelled_saves_nothing_and_may_begin_again(vault: SmallVault) -> None:
    cancelled = Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        in_order.run_backup(
            vault.engine,
            PLAN,
            "run-1",
            requested_by="user:thu",
            on_progress=vault.seen.append,
            cancel=cancelled,
        )

    assert state_of(vault, "run-1")[0] == "cancelled"
    assert vault.back_up("run-1")[0].state == "done"


def test_the_lock_of_a_dead_process_does_not_hold_up_the_next_run(vault: SmallVault) -> None:
    vault.back_up("run-1")
    repository = vault.engine.repository("local")
    # Killed where nothing can be cleaned up, while it holds the repository.
    program = (
        "import os, signal, subprocess, sys, time\n"
        "restic = subprocess.Popen(['restic', *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "locks = sys.argv[1].partition('=')[2] + '/locks'\n"
        # A lock has the name of its hash; before, it is a file that is being written.
        "while not any(len(name) == 64 for name in os.listdir(locks)): time.sleep(0.01)\n"
        "restic.kill(); restic.wait()\n"
    )
    password = vault.folder / "password"
    password.write_bytes(repository.password.expose())
    subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            f"--repo={repository.location}",
            f"--password-file={password}",
            f"--cache-dir={vault.folder}/cache",
            "backup",
            "--stdin",
        ],
        check=True,
        timeout=300,
        capture_output=True,
    )
    assert vault.engine.restic.locks(repository)
    done, _ = vault.back_up("run-2")

    assert done.state == "done"
    assert vault.engine.restic.locks(repository) == ()


@pytest.mark.parametrize("name", ["a,b", "../up", "a/b", ".hidden", "x" * 128])
def test_a_plan_whose_name_would_lead_astray_is_refused(vault: SmallVault, name: str) -> None:
    odd = replace(vault.engine, declared={name: vault.engine.declared[PLAN]})

    with pytest.raises(ConfigurationError, match="name a plan with"):
        run.begin(odd, name, "run-1", "user:thu")


def test_an_undeclared_plan_names_those_that_are(vault: SmallVault) -> None:
    with pytest.raises(NotFound, match="there are: nightly"):
        run.begin(vault.engine, "weekly", "run-1", "user:thu")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_run_is_claimed_once_however_many_ask_at_the_same_moment(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    url = request.getfixturevalue("postgresql_url") if engine == "postgresql" else ""

    def claim(vault: SmallVault, number: int) -> bool:
        try:
            run.begin(vault.engine, PLAN, f"run-{number}", "user:thu")
        except Conflict:
            return False
        return True

    with small_vault(tmp_path, url) as vault, ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda number: claim(vault, number), range(8)))

    assert claimed.count(True) == 1


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_repository_has_one_password_however_many_ask_first(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    url = request.getfixturevalue("postgresql_url") if engine == "postgresql" else ""
    with small_vault(tmp_path, url) as vault, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: vault.engine.repository("local"), range(8)))

    assert len({one.password.expose() for one in made}) == 1

"""A drill on a real repository: what it proves, what it finds, and what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from secvault.backup import run, staging
from secvault.backup.drills import files_level, stored, work
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.order import DrillOrder
from secvault.backup.drills.result import Fault, LevelResult
from secvault.backup.repository_faults import RepositoryDamaged, StorageFull
from secvault.config.drills import DrillSettings
from secvault.crypto.evidence import verify_evidence
from secvault.errors import BackupFailed, Cancelled, Conflict, Damaged, InvalidInput, NotFound
from secvault.store import tables
from tests.backup.drills.backed_up import codes, copied, flip, level_of, row_of
from tests.backup.moments import when_it_saves
from tests.backup.small_vault import NOON, PLAN, SIGNER, SmallVault, small_vault
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

SCHEDULED = "drill:nightly:2026-11-24T04:00:00Z"
MANY = 300
"""Small files, for samples."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def backed_up_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backed-up")
    with made_quickly(), small_vault(folder) as made:
        for number in range(MANY):
            (made.documents / f"{number}.txt").write_bytes(os.urandom(500 + 40 * number))
        made.back_up()
    return folder


@pytest.fixture
def backed_up(backed_up_once: Path, tmp_path: Path) -> Iterator[SmallVault]:
    """A vault with one snapshot."""
    with copied(backed_up_once, tmp_path / "vault") as made:
        yield made


def passing(ground: Ground) -> LevelResult:
    """A level that takes its time and finds nothing."""
    with ground.watch.running("load"):
        ground.engine.clock.sleep(0)
    return LevelResult("vault", "passed", 1.0)


def test_a_drill_compares_every_file_and_says_what_it_did_not_test(backed_up: SmallVault) -> None:
    result = backed_up.drill(SCHEDULED, vault=passing)

    assert result.passed, result
    assert [one.name for one in result.levels] == [
        "repository",
        "files",
        "databases",
        "vault",
        "service",
    ]
    assert level_of(result, "databases").verdict == "not tested"
    facts = {fact.name: fact.value for fact in level_of(result, "files").facts}
    assert facts["files-compared"] == MANY + 4
    assert (result.chosen, result.extent, result.repository) == ("newest", "whole", "local")
    assert result.figures.data_at == NOON * 10**6
    assert result.figures.rpo_seconds == (result.started_at // 10**6) - NOON
    assert result.figures.scratch_used <= result.figures.scratch_announced
    assert set(result.figures.phases) == {"fetch", "load", "verify"}
    assert backed_up.left_in_scratch() == []
    row = row_of(backed_up, SCHEDULED)
    assert (row.state, row.passed, row.complete, row.faults) == ("done", True, True, ())
    assert row.levels["files"] == "passed"
    assert (row.files, row.bytes) == (result.figures.files, result.figures.bytes)
    told = verify_evidence(*stored.evidence(backed_up.engine, SCHEDULED), SIGNER.verifier())
    assert told["passed"] is True


def test_a_flipped_bit_is_found_by_the_repository_and_the_file_by_its_name(
    backed_up: SmallVault,
) -> None:
    flip(backed_up.packs()[-1])
    result = backed_up.drill()

    assert not result.passed
    assert ("repository", "pack-damaged") in codes(result)
    assert backed_up.left_in_scratch() == []
    row = row_of(backed_up, "drill-1")
    assert (row.state, row.passed) == ("done", False)
    assert "pack-damaged" in {one.code for one in row.faults}


def test_a_pack_that_is_gone_is_missed_by_the_repository_level_alone(backed_up: SmallVault) -> None:
    lost = backed_up.packs()[-1]
    lost.unlink()
    result = backed_up.drill(order=DrillOrder(levels=("repository",)))

    assert codes(result) == {("repository", "pack-missing")}
    assert lost.name in result.faults[0].where
    assert (result.figures.files, result.figures.phases) == (0, {})
    assert [one.verdict for one in result.levels[1:]] == ["not tested"] * 4


def test_an_old_snapshot_that_passes_for_the_newest_is_named(vault: SmallVault) -> None:
    vault.back_up("run-1")
    vault.hands.seconds += 3600
    second, _ = vault.back_up("run-2")
    newest = next((vault.folder / "repository/snapshots").glob(f"{second.snapshot}*"))
    newest.unlink()
    result = vault.drill()

    assert codes(result) == {
        ("repository", "snapshot-missing"),
        ("repository", "snapshot-not-newest"),
    }
    assert not result.passed


def test_old_data_under_the_name_of_a_newer_run_is_named(vault: SmallVault) -> None:
    vault.back_up("run-1")
    vault.hands.seconds += 3600
    before = vault.engine.scratch / "before"

    def swap() -> None:
        folder = vault.engine.scratch / staging.staging(PLAN)
        head = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(head.replace('"run-2"', '"run-1"'))

    when_it_saves(vault, swap).back_up("run-2")
    shutil.rmtree(before, ignore_errors=True)
    result = vault.drill()

    assert ("repository", "snapshot-not-newest") in codes(result)


def test_a_snapshot_of_a_time_that_has_not_come_is_named(backed_up: SmallVault) -> None:
    result = backed_up.drill(now=NOON + 60)

    assert codes(result) == {("repository", "snapshot-from-the-future")}
    assert result.figures.rpo_seconds == 60


def test_a_file_that_was_changed_in_the_snapshot_is_named_with_its_mode(vault: SmallVault) -> None:
    def change() -> None:
        changed = vault.documents / "Bảng lương.txt"
        before = changed.stat()
        changed.write_bytes(b"x" * before.st_size)
        os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))

    when_it_saves(vault, change).back_up()
    result = vault.drill()

    assert codes(result) == {("files", "file-changed")}
    assert result.faults[0].where == f"{vault.documents}/Bảng lương.txt"


def test_a_mode_that_came_back_changed_is_named(
    backed_up: SmallVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_level.manifest.compare

    def loosened(*given: object, **named: object) -> object:
        restored = next(backed_up.engine.scratch.glob("drill-*/tree"))
        next(restored.rglob("7.txt")).chmod(0o666)
        return before(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(files_level.manifest, "compare", loosened)
    result = backed_up.drill()

    assert codes(result) == {("files", "file-mode")}


def test_a_snapshot_that_no_run_made_proves_nothing(vault: SmallVault) -> None:
    repository = vault.engine.ready_repository("local")
    vault.engine.restic.backup(
        repository,
        (vault.documents,),
        host="elsewhere",
        tags=(f"plan={PLAN}",),
        on_progress=vault.seen.append,
    )
    result = vault.drill()

    assert codes(result) == {("files", "manifest-damaged")}
    assert not result.passed


def test_a_sample_restores_a_part_and_says_what_it_says_of_all(backed_up: SmallVault) -> None:
    plan = replace_drill(backed_up, rate=0.05, confidence=0.9, extent="sample")
    result = plan.drill()

    sample = result.figures.sample
    assert result.passed, result
    assert sample is not None
    assert (sample.population, sample.found) == (MANY + 2, 0)
    assert 10 < sample.size < 60
    assert result.figures.files < MANY
    assert result.figures.scratch_used <= result.figures.scratch_announced
    assert f"files outside of the sample: {MANY + 2 - sample.size} of {MANY + 2}" in (
        level_of(result, "files").not_tested
    )
    row = row_of(backed_up, "drill-1")
    assert (row.figures.sample_size, row.extent, row.complete) == (sample.size, "sample", True)


def test_a_sample_of_a_damaged_repository_counts_what_it_found(backed_up: SmallVault) -> None:
    plan = replace_drill(backed_up, rate=0.01, confidence=0.99, extent="sample")
    for pack in backed_up.packs()[-2:]:
        flip(pack)
    result = plan.drill()

    if result.figures.sample is not None and result.figures.sample.found:
        assert not result.passed
    assert {level for level, _ in codes(result)} <= {"repository", "files"}


@pytest.mark.parametrize("extent", ["whole", "sample"])
def test_what_was_removed_while_the_backup_ran_is_no_fault(vault: SmallVault, extent: str) -> None:
    folder = vault.documents / "for a moment" / "deeper"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(name)
        (vault.documents / name).write_text(name)

    def remove() -> None:
        (vault.documents / "one").unlink()
        shutil.rmtree(folder.parent)

    when_it_saves(vault, remove).back_up()
    result = replace_drill(vault, extent=extent, rate=0.01, confidence=0.99).drill()

    assert result.passed, codes(result)
    facts = {fact.name: fact.value for fact in level_of(result, "files").facts}
    assert facts["files-changed-meanwhile"] >= 3


def test_what_the_levels_need_is_announced_and_refused_where_it_is_not_there(
    backed_up: SmallVault,
) -> None:
    with pytest.raises(StorageFull, match="nothing was restored"):
        backed_up.drill(room=1 << 60)

    row = row_of(backed_up, "drill-1")
    assert (row.state, row.passed) == ("failed", None)
    assert backed_up.left_in_scratch() == []


def test_a_drill_that_takes_more_room_than_it_announced_is_stopped_and_has_failed(
    backed_up: SmallVault,
) -> None:
    def greedy(ground: Ground) -> LevelResult:
        (ground.scratch / "large").write_bytes(bytes(80 << 20))
        ground.engine.clock.sleep(0)
        assert ground.may_use() == 0
        ground.heed()
        raise AssertionError("it was not stopped")

    result = backed_up.drill(vault=greedy)

    assert codes(result) == {("vault", "no-room")}
    assert result.figures.scratch_used > result.figures.scratch_announced
    assert backed_up.left_in_scratch() == []


def test_a_levels_damage_is_a_finding_and_its_failure_ends_the_drill(backed_up: SmallVault) -> None:
    def damaged(_ground: Ground) -> LevelResult:
        raise Damaged("payroll/pay-7 bank_account does not open")

    def failing(_ground: Ground) -> LevelResult:
        raise BackupFailed("the server did not start")

    assert codes(backed_up.drill(vault=damaged)) == {("vault", "database-damaged")}
    with pytest.raises(BackupFailed, match="did not start"):
        backed_up.drill("drill-2", vault=failing)
    assert row_of(backed_up, "drill-2").passed is None
    assert backed_up.left_in_scratch() == []


def test_what_cannot_be_removed_is_a_finding(backed_up: SmallVault) -> None:
    first = backed_up.engine.clear

    class Stuck(type(backed_up.engine)):  # type: ignore[misc]
        def clear(self, folder: Path) -> None:
            if folder.exists():
                raise BackupFailed(f"remove {folder.name[:6]} by hand")
            first(folder)

    engine = backed_up.engine
    stuck = Stuck(**{name: getattr(engine, name) for name in engine.__dataclass_fields__})
    result = replace(backed_up, engine=stuck).drill()

    assert not result.passed
    assert codes(result) == {("files", "not-removed")}


def test_the_named_snapshot_is_drilled_and_does_not_count_as_the_plans_drill(
    vault: SmallVault,
) -> None:
    first, _ = vault.back_up("run-1")
    vault.hands.seconds += 60
    vault.back_up("run-2")
    assert first.snapshot is not None
    result = vault.drill(order=DrillOrder(snapshot=first.snapshot[:8]))

    assert (result.snapshot, result.chosen) == (first.snapshot, "named")
    assert row_of(vault, "drill-1").complete is False
    with pytest.raises(NotFound, match="0 snapshots"):
        vault.drill("drill-2", order=DrillOrder(snapshot="0123456789"))
    with pytest.raises(InvalidInput):
        vault.drill("drill-3", order=DrillOrder(snapshot="--force"))


def test_without_a_snapshot_the_drill_fails_and_says_what_to_do(vault: SmallVault) -> None:
    vault.engine.ready_repository("local")
    with pytest.raises(NotFound, match="secvault backup run nightly"):
        vault.drill()

    row = row_of(vault, "drill-1")
    assert (row.state, row.passed) == ("failed", None)
    with pytest.raises(NotFound):
        stored.evidence(vault.engine, "drill-1")


def test_snapshots_that_cannot_be_read_are_damage_and_not_missing(backed_up: SmallVault) -> None:
    for file in (backed_up.folder / "repository/snapshots").iterdir():
        flip(file)
    # By its cache restic knows them still, and the check does not take that for them.
    assert "repository" in {level for level, _ in codes(backed_up.drill())}
    shutil.rmtree(backed_up.folder / "data/restic-cache")
    with pytest.raises(RepositoryDamaged):
        backed_up.drill("drill-2")

    assert row_of(backed_up, "drill-2").state == "failed"


def test_a_missing_repository_is_not_made_by_a_drill(vault: SmallVault) -> None:
    with pytest.raises(NotFound, match="no repository"):
        vault.drill()

    assert not (vault.folder / "repository").exists()


def test_a_killed_drill_goes_on_at_once_under_its_own_id_and_under_no_other(
    backed_up: SmallVault,
) -> None:
    work.begin(backed_up.engine, PLAN, "drill-1", "user:thu")
    with pytest.raises(Conflict, match="running already"):
        backed_up.drill("drill-2", now=NOON)

    assert backed_up.drill("drill-1").passed


def test_a_drill_that_was_given_up_stores_no_finding(backed_up: SmallVault) -> None:
    def late(ground: Ground) -> LevelResult:
        with ground.engine.store.write() as connection:
            connection.execute(update(tables.drill).values(state="failed"))
        return passing(ground)

    with pytest.raises(Conflict, match="given up"):
        backed_up.drill(vault=late)
    assert (row_of(backed_up, "drill-1").state, row_of(backed_up, "drill-1").passed) == (
        "failed",
        None,
    )


def test_a_drill_that_is_stopped_proves_nothing_and_leaves_nothing(backed_up: SmallVault) -> None:
    cancel = Event()

    def stopping(ground: Ground) -> LevelResult:
        cancel.set()
        return passing(ground)

    with pytest.raises(Cancelled):
        backed_up.drill(cancel=cancel, vault=stopping)
    assert row_of(backed_up, "drill-1").passed is None
    assert backed_up.left_in_scratch() == []


def test_a_clock_that_is_set_back_makes_no_negative_times(backed_up: SmallVault) -> None:
    def back(ground: Ground) -> LevelResult:
        backed_up.hands.seconds += 100
        return LevelResult("vault", "passed", 0.0)

    result = backed_up.drill(vault=back)

    assert result.finished_at >= result.started_at
    assert result.figures.rpo_seconds >= 0


def test_faults_found_on_the_way_count_where_the_repository_was_not_to_be_looked_at(
    backed_up: SmallVault,
) -> None:
    flip(backed_up.packs()[-1])
    result = backed_up.drill(order=DrillOrder(levels=("files",)))

    assert not result.passed
    assert {level for level, _ in codes(result)} == {"files"}


def test_a_newer_run_under_way_is_no_fault(vault: SmallVault) -> None:
    vault.back_up("run-1")
    vault.hands.seconds += 60
    run.begin(vault.engine, PLAN, "run-2", "user:thu")
    run.stage(vault.engine, "run-2", Event())
    run.save(vault.engine, "run-2", vault.seen.append, Event())
    result = vault.drill()

    assert result.passed
    # Whoever has the password can make such a snapshot.
    assert any(words.endswith("ended well is run-2") for words in result.levels[0].not_tested)


def test_a_backup_that_ends_while_a_drill_restores_is_no_fault(vault: SmallVault) -> None:
    vault.back_up("run-1")

    def saving(ground: Ground) -> LevelResult:
        vault.hands.seconds += 60
        vault.back_up("run-2")
        return passing(ground)

    result = vault.drill(vault=saving)

    assert result.passed, codes(result)
    assert level_of(result, "vault").verdict == "passed"
    assert {fact.value for fact in result.levels[0].facts if fact.name == "snapshots"} == {1}


def test_the_check_is_stopped_where_the_drill_fails_beside_it(backed_up: SmallVault) -> None:
    command, checks = backed_up.engine.restic.command, []

    def launch(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        if "check" not in argv:
            return command.launch(argv, **how)
        checks.append(command.launch(["sleep", "600"], **how))
        return checks[-1]

    engine = backed_up.engine
    restic = replace(engine.restic, command=replace(command, launch=launch))
    with pytest.raises(StorageFull, match="nothing was restored"):
        replace(backed_up, engine=replace(engine, restic=restic)).drill(vault=passing, room=1 << 60)
    assert [one.returncode is not None for one in checks] == [True]


def replace_drill(vault: SmallVault, **changed: object) -> SmallVault:
    return vault.planned(drill=DrillSettings().model_copy(update=changed))


def test_a_fault_has_a_place_and_no_value() -> None:
    assert Fault("file-changed", "/srv/a", "x").where == "/srv/a"

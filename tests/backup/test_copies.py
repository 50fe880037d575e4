"""Copies in further repositories, by a real restic: what comes along, and what is known of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import update

from secvault.backup import copies, keys_apart, restic_copies, retaining, run, staging
from secvault.backup.copies import RunCopy
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import Restic
from secvault.backup.run import Run
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Conflict, NotFound, SecvaultError
from secvault.store import tables
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = pytest.mark.real
FAR = "offsite"


@pytest.fixture
def vault(tmp_path: Path, quick_repositories: None) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made.planned(copies=(FAR,))


def saved(vault: SmallVault, run_id: str) -> Run:
    """A run that has not come to its copies, as when the second storage is away."""
    return vault.planned(copies=()).back_up(run_id)[0]


def copied(vault: SmallVault, run_id: str, stop: Event | None = None) -> RunCopy:
    """As the run itself does it, before its end."""

    def put(state: str) -> None:
        row = tables.backup_run
        with vault.engine.store.write() as connection:
            connection.execute(update(row).where(row.c.id == run_id).values(state=state))

    put("running")
    try:
        return copies.copy(vault.engine, run_id, FAR, stop or Event())
    finally:
        put("done")


def test_a_copy_has_the_same_tree_and_the_data_keys_beside_it(vault: SmallVault) -> None:
    done = saved(vault, "run-1")
    made = copied(vault, "run-1")
    (first,) = vault.snapshots()
    (second,) = copies.snapshots(vault.engine, PLAN, FAR)
    assert (made.state, made.way, made.snapshot) == ("done", "copy", second.id)
    assert second.id != first.id == done.snapshot
    assert second.tree == first.tree
    assert set(second.tags or ()) == set(first.tags or ())
    (keys,) = keys_apart.snapshots(vault.engine, PLAN, FAR)
    assert "run=run-1" in (keys.tags or ())
    # It restores without the first.
    shutil.rmtree(vault.folder / "repository")
    vault.engine.restic.restore(
        vault.engine.repository(FAR),
        second.id,
        vault.folder / "back",
        verify=True,
        on_progress=vault.seen.append,
    )
    brought = keys_apart.fetch(
        vault.engine, PLAN, "run-1", vault.folder / "keys", Event(), beside=FAR
    )
    assert len(brought) == 1


def test_a_run_makes_its_copies_and_keeps_to_retention_in_each(vault: SmallVault) -> None:
    vault = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    vault.back_up("run-1")
    _, retained = vault.back_up("run-2")
    assert [one.state for one in copies.of_plan(vault.engine, PLAN, 9)] == ["done", "done"]
    assert len(retained.copies[FAR].forgotten.removed) == 1
    assert len(copies.snapshots(vault.engine, PLAN, FAR)) == 1


def test_copying_again_changes_nothing_and_missed_runs_come_along(vault: SmallVault) -> None:
    saved(vault, "run-1")
    once = copied(vault, "run-1")
    again = copied(vault, "run-1")
    assert again.snapshot == once.snapshot
    for number in (2, 3):
        vault.hands.seconds += 86_400
        saved(vault, f"run-{number}")
    copied(vault, "run-3")
    there = copies.snapshots(vault.engine, PLAN, FAR)
    assert [tag for one in there for tag in one.tags or () if tag.startswith("run=")] == [
        "run=run-1",
        "run=run-2",
        "run=run-3",
    ]
    assert [one.run for one in copies.of_plan(vault.engine, PLAN, 9, FAR)] == ["run-3", "run-1"]


def test_what_retention_took_from_a_copy_is_not_copied_again(vault: SmallVault) -> None:
    vault = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    for number in (1, 2):
        saved(vault, f"run-{number}")
        copied(vault, f"run-{number}")
    done = retaining.retain(vault.engine, PLAN, Event())
    assert len(done.copies[FAR].forgotten.removed) == 1
    assert done.copies[FAR].keys is not None
    copied(vault, "run-2")
    assert len(copies.snapshots(vault.engine, PLAN, FAR)) == 1


def test_a_second_save_reads_the_source_again(vault: SmallVault) -> None:
    vault = vault.planned(copies_by="run")
    saved(vault, "run-1")
    # The first is damaged; nothing of that reaches the second.
    vault.packs()[-1].write_bytes(b"")
    made = copied(vault, "run-1")
    assert (made.way, made.state) == ("run", "done")
    vault.engine.restic.check(vault.engine.repository(FAR), read_all=True)
    assert copied(vault, "run-1").snapshot == made.snapshot
    assert len(copies.snapshots(vault.engine, PLAN, FAR)) == 1


def test_what_is_staged_anew_for_a_copy_says_nothing_of_the_first_snapshot(
    vault: SmallVault,
) -> None:
    """By the moment of its data it is told whether erasures have reached the first repository."""
    vault = vault.planned(copies_by="run")
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    run.stage(vault.engine, "run-1", Event())
    run.save(vault.engine, "run-1", vault.seen.append, Event())
    before = run.read_run(vault.engine, "run-1")
    vault.hands.seconds += 3_600
    # Another node goes on, which has not staged it.
    staging.clear_staging(vault.engine, PLAN)
    assert copied(vault, "run-1").state == "done"
    after = run.read_run(vault.engine, "run-1")
    assert (after.data_at, after.audit_size) == (before.data_at, before.audit_size)


def test_damage_in_the_first_is_found_and_not_copied(vault: SmallVault) -> None:
    saved(vault, "run-1")
    pack = vault.packs()[-1]
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    with pytest.raises(RepositoryDamaged):
        copied(vault, "run-1")
    (row,) = copies.of_run(vault.engine, "run-1")
    assert row.state == "failed"
    assert row.error is not None
    assert "damage" in row.error
    assert copies.snapshots(vault.engine, PLAN, FAR) == ()


def test_a_cancelled_copy_says_so_and_leaves_the_first_alone(vault: SmallVault) -> None:
    saved(vault, "run-1")
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        copied(vault, "run-1", stop)
    assert copies.of_run(vault.engine, "run-1")[0].state == "failed"
    assert copied(vault, "run-1").state == "done"


def test_only_a_saved_run_of_a_plan_that_names_the_copy_is_copied(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    with pytest.raises(Conflict, match="saved nothing yet"):
        copied(vault, "run-1")
    with pytest.raises(NotFound, match="keeps no copy"):
        copies.copy(vault.engine, "run-1", "elsewhere", Event())
    with pytest.raises(NotFound):
        copies.snapshots(vault.engine, PLAN, "elsewhere")


def test_retention_has_its_turn_in_the_copy_when_the_first_fails(vault: SmallVault) -> None:
    vault = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    for number in (1, 2):
        saved(vault, f"run-{number}")
        copied(vault, f"run-{number}")
    shutil.rmtree(vault.folder / "repository")
    with pytest.raises(SecvaultError):
        retaining.retain(vault.engine, PLAN, Event())
    assert len(copies.snapshots(vault.engine, PLAN, FAR)) == 1


@pytest.mark.slow
def test_a_repository_made_like_another_stores_equal_data_once(
    restic: Restic, tmp_path: Path, large_source: Path
) -> None:
    one = Repository(str(tmp_path / "one"), Secret.of("password of the first"))
    other = replace(one, location=str(tmp_path / "other"), password=Secret.of("of the other"))
    restic.init(one)
    restic_copies.init_like(restic.command, other, one)
    saved = restic.backup(one, [large_source], host="h", on_progress=lambda _: None)
    restic_copies.copy_snapshots(restic.command, other, one, [saved.snapshot_id], Event())
    again = restic.backup(other, [large_source], host="h", on_progress=lambda _: None)
    assert again.bytes_added < 100_000
    with pytest.raises(Conflict, match="already"):
        restic_copies.init_like(restic.command, other, one)

"""Which snapshot a run follows, and what it costs to know: each start of restic derives a key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from secvault.backup import run
from secvault.backup.steps import step
from secvault.store import tables
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

_COMMANDS = {"backup", "cat", "forget", "list", "prune", "snapshots", "unlock"}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made.planned(vault=False)


def noting(vault: SmallVault, started: list[list[str]]) -> SmallVault:
    """The same vault, which notes how restic was started."""
    command = vault.engine.restic.command

    def launch(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        started.append(list(argv))
        return command.launch(argv, **how)

    restic = replace(vault.engine.restic, command=replace(command, launch=launch))
    return replace(vault, engine=replace(vault.engine, restic=restic))


def commands(started: Sequence[Sequence[str]]) -> list[str]:
    return [next(word for word in words if word in _COMMANDS) for words in started]


def parents(started: Sequence[Sequence[str]]) -> list[str]:
    return [word for words in started for word in words if word.startswith("--parent=")]


def test_a_run_starts_restic_as_often_as_one_would_by_hand(
    vault: SmallVault,
) -> None:
    started: list[list[str]] = []
    first, _ = noting(vault, started).back_up("run-1")
    # The first of all made the repository.
    assert commands(started)[-2:] == ["backup", "forget"]
    assert parents(started) == []

    started.clear()
    noting(vault, started).back_up("run-2")
    assert commands(started) == ["backup", "forget"]
    assert parents(started) == [f"--parent={first.snapshot}"]


def test_a_snapshot_that_somebody_removed_keeps_no_run_from_saving(
    vault: SmallVault, tmp_path: Path
) -> None:
    first, _ = vault.back_up("run-1")
    second, _ = vault.back_up("run-2")
    (vault.folder / "repository" / "snapshots" / str(second.snapshot)).unlink()
    started: list[list[str]] = []
    done, _ = noting(vault, started).back_up("run-3")

    assert done.state == "done"
    assert done.snapshot in {one.id for one in vault.snapshots()}
    assert parents(started)[-1] in {
        f"--parent={first.snapshot}",
        # restic that has it in its cache follows it all the same.
        f"--parent={second.snapshot}",
    }


def test_a_run_that_is_done_again_looks_for_what_it_made_before(vault: SmallVault) -> None:
    vault.back_up("run-1")
    engine = vault.engine
    run.begin(engine, PLAN, "run-2", "user:thu")
    run.stage(engine, "run-2", Event())
    with step(engine, "run-2", "save"):
        run.save(engine, "run-2", vault.seen.append, Event())
    made = run.read_run(engine, "run-2").snapshot
    # As if its process had been killed before it wrote down which one it had made.
    engine.mark(tables.backup_run, "run-2", snapshot=None)
    with step(engine, "run-2", "save"):
        run.save(engine, "run-2", vault.seen.append, Event())

    of_it = [one.id for one in vault.snapshots() if "run=run-2" in (one.tags or ())]
    assert of_it == [run.read_run(engine, "run-2").snapshot]
    assert of_it != [made]

"""The steps of a run in their order: hooks and copies among them, limits, what a failure does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from sqlalchemy import update

from secvault.backup import in_order, run
from secvault.backup.sources.faults import HookFailed
from secvault.backup.steps import Step, steps
from secvault.config.backup import HookSettings
from secvault.errors import Cancelled
from secvault.store import tables
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


def hook(vault: SmallVault, when: str, status: int = 0) -> HookSettings:
    """A hook that writes down when it was called, and what it was told."""
    told = vault.folder / "hooks"
    code = (
        "import json, os, sys; "
        f"open({str(told)!r}, 'a').write(json.dumps({{n: v for n, v in os.environ.items() "
        f"if n.startswith('SECVAULT_')}}) + '\\n'); sys.exit({status})"
    )
    return HookSettings(when=when, command=(sys.executable, "-c", code))  # type: ignore[arg-type]


def called(vault: SmallVault) -> list[dict[str, str]]:
    file = vault.folder / "hooks"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def steps_of(vault: SmallVault, run_id: str = "run-1") -> dict[str, Step]:
    with vault.engine.store.read() as connection:
        return {one.name: one for one in steps(connection, run_id)}


def test_a_run_has_its_steps_in_order_with_the_hooks_around_them(vault: SmallVault) -> None:
    whens = ("before", "after", "failed", "end")
    hooked = vault.planned(hooks={when: hook(vault, when) for when in whens})
    done, _ = hooked.back_up()

    found = steps_of(vault)
    assert list(found) == [
        *("before", "stage", "save", "copy", "retain", "after", "conclude", "end")
    ]
    assert {one.state for one in found.values()} == {"done"}
    assert [one["SECVAULT_WHEN"] for one in called(vault)] == ["before", "after", "end"]
    assert called(vault)[-1]["SECVAULT_SNAPSHOT"] == done.snapshot
    assert (done.state, done.phase, done.bytes_done) == ("done", "done", None)


def test_a_hook_that_fails_before_a_run_keeps_it_from_starting(vault: SmallVault) -> None:
    hooked = vault.planned(
        hooks={
            "mount": hook(vault, "before", 3),
            "tell": hook(vault, "failed"),
            "unmount": hook(vault, "end"),
        }
    )
    with pytest.raises(HookFailed):
        hooked.back_up()

    assert {name: one.state for name, one in steps_of(vault).items()} == {
        "before": "failed",
        "failed": "done",
        "end": "done",
    }
    assert not (vault.folder / "repository").exists()
    before, failed, end = called(vault)
    assert (before["SECVAULT_WHEN"], end["SECVAULT_WHEN"]) == ("before", "end")
    assert "mount" in failed["SECVAULT_ERROR"]
    assert run.read_run(vault.engine, "run-1").state == "failed"
    assert vault.left_in_scratch() == []


def test_a_run_ends_soon_after_its_row_says_so_and_saves_nothing(vault: SmallVault) -> None:
    slow = HookSettings(when="before", command=("sleep", "60"))
    hooked = vault.planned(hooks={"slow": slow})

    def ask() -> None:
        table = tables.backup_run
        with vault.engine.store.write() as connection:
            connection.execute(update(table).values(cancel_by="user:an"))

    timer = Timer(0.7, ask)
    timer.start()
    with pytest.raises(Cancelled, match="cancelled by user:an"):
        hooked.back_up()
    timer.join()

    found = run.read_run(vault.engine, "run-1")
    assert (found.state, found.cancel_by) == ("cancelled", "user:an")
    assert "user:an" in (found.error or "")
    assert not (vault.folder / "repository").exists()
    assert vault.left_in_scratch() == []


def test_every_restic_of_a_run_is_limited_as_the_plan_says(vault: SmallVault) -> None:
    argvs: list[tuple[str, ...]] = []

    def launch(argv: Any, **how: Any) -> subprocess.Popen[bytes]:
        argvs.append(tuple(argv))
        return subprocess.Popen(argv, **how)

    command = replace(vault.engine.restic.command, launch=launch)
    watched = replace(
        vault, engine=replace(vault.engine, restic=replace(vault.engine.restic, command=command))
    ).planned(upload_kib=5000, download_kib=7000)
    watched.back_up()

    assert len(argvs) > 5
    for argv in argvs:
        assert {"--limit-upload=5000", "--limit-download=7000"} <= {*argv}, argv
    limited = [one for one in argvs if "--limit-upload=5000" in one]
    watched.planned(upload_kib=0, download_kib=0).back_up("run-2")
    assert [one for one in argvs if any("--limit" in word for word in one)] == limited


def test_the_run_of_a_plan_that_is_not_there_touches_nothing(vault: SmallVault) -> None:
    with pytest.raises(Exception, match="weekly"):
        in_order.run_backup(
            vault.engine,
            "weekly",
            "run-9",
            requested_by="user:thu",
            on_progress=vault.seen.append,
            cancel=Event(),
        )
    assert run.find_run(vault.engine, "run-9") is None
    assert vault.engine.plan(PLAN).vault

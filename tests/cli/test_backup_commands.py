"""Backups and drills from the command line, with the real restic."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.program import Program

pytestmark = pytest.mark.real


@pytest.fixture
def planned(vault: Program) -> Program:
    """The program with a plan that saves a folder beside the vault and keeps one snapshot."""
    folder = vault.folder / "folder"
    folder.mkdir()
    (folder / "contract.txt").write_text("hợp đồng", "utf-8")
    config = vault.folder / "mine.toml"
    config.write_text(f'[backup.plans.nightly]\nfolders = ["{folder}"]\nkeep_last = 1\n'
                      "keep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n")  # fmt: skip
    return vault.with_(SECVAULT_CONFIG=str(config))


def test_a_backup_is_run_listed_and_restored_with_every_file_checked(
    planned: Program, tmp_path: Path
) -> None:
    first = planned.ok("backup", "run", "--json").json
    assert (first["state"], first["retention"]["kept"]) == ("done", 1)
    assert first["bytes_added"] > 0
    second = planned.ok("backup", "run", "nightly", "--json").json
    assert second["retention"]["removed"] == [first["snapshot"]]
    runs = planned.ok("backup", "list", "--json").json["runs"]
    assert [run["id"] for run in runs] == [second["id"], first["id"]]
    snapshots = planned.ok("backup", "snapshots", "--json").json["snapshots"]
    assert [one["id"] for one in snapshots] == [second["snapshot"]]
    target = tmp_path / "restored"
    restored = planned.ok("backup", "restore", "--target", str(target), "--json").json
    assert restored["files_checked"] > 1
    contract = target / str(planned.folder / "folder" / "contract.txt").lstrip("/")
    assert contract.read_text("utf-8") == "hợp đồng"
    assert Path(restored["copy_of_secvault"], "manifest.json").exists()
    again = planned("backup", "restore", "--target", str(target))
    assert again.code == 2
    assert "empty" in again.err


def test_what_a_person_sees_of_a_backup_names_snapshot_sizes_and_retention(
    planned: Program,
) -> None:
    said = planned.ok("backup", "run")
    for word in ("snapshot", "saved", "new in the repository", "1 snapshots kept, 0 removed"):
        assert word in said.out
    assert "secvault drill run nightly" in said.err


def test_lists_name_snapshots_as_restic_does_and_sizes_by_their_units(planned: Program) -> None:
    snapshot = planned.ok("backup", "run", "--json").json["snapshot"]
    for command in ("list", "runs"):
        shown = planned.ok("backup", command).out
        assert snapshot[:8] in shown
        assert snapshot not in shown
        assert planned.ok("backup", command, "--json").json["runs"][0]["snapshot"] == snapshot
    assert "MiB" in planned.ok("backup", "list").out


def test_data_keys_that_are_not_there_are_wrong_usage(planned: Program, tmp_path: Path) -> None:
    said = planned("backup", "rejoin", str(tmp_path / "nothing.jsonl"))
    assert said.code == 2
    # The frame around it breaks the sentence where the path's length has it.
    assert "doesnotexist" in "".join(said.err.replace("│", "").split())


def test_a_plan_or_snapshot_that_is_not_there_is_said_so(planned: Program, tmp_path: Path) -> None:
    said = planned("backup", "run", "weekly")
    assert said.code == 1
    assert "nightly" in said.err
    planned.ok("backup", "run")
    missing = planned(
        "backup", "restore", "--snapshot", "ffffffff", "--target", str(tmp_path / "r")
    )
    assert missing.code == 1
    assert not (tmp_path / "r").exists()


def test_a_drill_on_a_damaged_repository_does_not_end_with_0(planned: Program) -> None:
    planned.ok("backup", "run")
    packs = sorted(Path(f"{planned.data}-backups", "data").glob("*/*"))
    for pack in packs:
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)
    shutil.rmtree(planned.data / "restic-cache", ignore_errors=True)
    assert planned("drill", "run").code == 5


def big_plan(planned: Program, megabytes: int) -> None:
    """Make the plan's folder big enough that saving it takes a moment."""
    with (planned.folder / "folder" / "big").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))


@pytest.mark.slow
def test_ctrl_c_at_a_terminal_ends_a_backup_cleanly_and_the_next_one_runs(
    planned: Program,
) -> None:
    big_plan(planned, 250)
    environment: Any = {**planned.environment, "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "secvault.cli", "backup", "run"],
        env=environment,
        encoding="utf-8",
        timeout=300,
        dimensions=(40, 140),
    )
    child.expect(r"Backup nightly.*files")
    child.sendintr()
    child.expect("Stopping")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert "Traceback" not in str(child.before)
    (planned.folder / "folder" / "big").unlink()
    run = planned.ok("backup", "list", "--json").json["runs"][0]
    assert run["state"] == "cancelled"
    planned.ok("backup", "run")


@pytest.mark.slow
def test_a_terminal_shows_progress_and_a_pipe_does_not(planned: Program) -> None:
    big_plan(planned, 60)
    environment: Any = {**planned.environment, "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "secvault.cli", "backup", "run"],
        env=environment,
        encoding="utf-8",
        timeout=300,
        dimensions=(40, 140),
    )
    child.expect(r"Backup nightly.*MiB")
    child.expect("1 snapshots kept")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    piped = planned.in_a_process().ok("backup", "run")
    assert "MiB/s" not in piped.err
    assert "\x1b" not in piped.err + piped.out


@pytest.mark.slow
def test_sigterm_ends_a_backup_as_ctrl_c_does(planned: Program) -> None:
    big_plan(planned, 150)
    process = subprocess.Popen(
        [sys.executable, "-m", "secvault.cli", "backup", "run"],
        env=planned.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    repository = Path(f"{planned.data}-backups", "data")
    deadline = time.monotonic() + 150
    while not list(repository.glob("*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    try:
        _, err = process.communicate(timeout=150)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(30)
        raise
    assert process.returncode == 1
    assert "Stopping" in err
    assert "Traceback" not in err

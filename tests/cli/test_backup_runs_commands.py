"""Runs, their watching and cancelling, checks and retention from the command line."""

from __future__ import annotations

import json

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


def test_runs_are_listed_watched_and_checked(planned: Program) -> None:
    assert planned.ok("backup", "runs", "--json").json == {"runs": []}
    first = planned.ok("backup", "run", "--json").json
    (row,) = planned.ok("backup", "runs", "--plan", "nightly", "--json").json["runs"]
    assert (row["id"], row["state"], row["snapshot"]) == (first["id"], "done", first["snapshot"])
    assert planned.ok("backup", "runs", "--state", "failed", "--json").json == {"runs": []}
    assert planned("backup", "runs", "--state", "odd").code == 2

    watched = planned.ok("backup", "watch", first["id"], "--json")
    last = json.loads(watched.out.splitlines()[-1])
    assert (last["state"], [one["name"] for one in last["steps"]]) == (
        "done",
        ["before", "stage", "save", "copy", "retain", "after", "conclude"],
    )
    assert "step save" in planned.ok("backup", "watch", first["id"]).out
    assert planned("backup", "watch", "nothing").code == 1
    late = planned("backup", "cancel", first["id"])
    assert (late.code, "ended already" in late.err) == (1, True)

    checked = planned.ok("backup", "check", "--read-data", "--json").json
    assert (checked["passed"], {one["read"] for one in checked["repositories"]}) == (True, {"all"})
    assert planned("backup", "check", "--read-data", "--structure").code == 2
    (found,) = planned.ok("backup", "checks", "--json").json["checks"]
    assert found == checked
    assert "local: all" in planned.ok("backup", "checks").out

    kept = planned.ok("backup", "forget", "--json").json["retention"]
    assert (kept["kept"], kept["removed"]) == (1, [])


def test_damage_is_told_with_its_own_exit_code(planned: Program) -> None:
    planned.ok("backup", "run")
    packs = (planned.folder / "vault" / "repository").glob("data/*/*")
    repositories = [*packs] or [*planned.folder.glob("**/data/??/*")]
    largest = max(repositories, key=lambda file: file.stat().st_size)
    largest.chmod(0o600)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    said = planned("backup", "check", "--read-data")
    assert said.code == 5
    assert "damage" in said.err
    assert "DAMAGED" in planned.ok("backup", "checks").out

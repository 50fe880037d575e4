"""What there is to bring back, and how plans stand, from the command line with the real restic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Program

pytestmark = pytest.mark.real


@pytest.fixture
def saved(vault: Program) -> Program:
    """The program with a plan that saved a folder twice, to which a file came in between."""
    folder = vault.folder / "folder"
    folder.mkdir()
    (folder / "contract.txt").write_text("hợp đồng", "utf-8")
    config = vault.folder / "mine.toml"
    config.write_text(f'[backup.plans.nightly]\nfolders = ["{folder}"]\n', "utf-8")
    program = vault.with_(SECVAULT_CONFIG=str(config))
    program.ok("backup", "run")
    (folder / "letter.txt").write_text("thư", "utf-8")
    program.ok("backup", "run")
    return program


def test_snapshots_folders_names_and_differences_are_shown(saved: Program) -> None:
    folder = str(saved.folder / "folder")
    listed = saved.ok("backup", "snapshots", "--measure", "--json").json
    first, second = listed["snapshots"]
    assert (first["run"] == second["run"], listed["trouble"]) == (False, "")
    assert second["grown"] == second["bytes"] - first["bytes"]
    assert listed["measures"][0]["stored_bytes"] > 0
    entries = saved.ok("backup", "ls", folder, "--json").json["entries"]
    assert [entry["name"] for entry in entries] == ["contract.txt", "letter.txt"]
    found = saved.ok("backup", "find", "LETTER*", "--json").json["versions"]
    assert [(one["path"], one["snapshots"]) for one in found] == [(f"{folder}/letter.txt", 1)]
    changes = saved.ok("backup", "diff", "--json").json
    assert {"change": "+", "path": f"{folder}/letter.txt"} in changes["changes"]
    assert (changes["before"], changes["after"]) == (first["id"], second["id"])

    said = saved.ok("backup", "snapshots", "nightly")
    assert second["id"][:8] in said.out
    assert "Together:" in said.err
    assert "0644" in saved.ok("backup", "ls", folder, "--plan", "nightly").out
    more = saved.ok("backup", "ls", folder, "--limit", "1")
    assert "--after 'contract.txt'" in more.err
    assert "letter.txt" in saved.ok("backup", "find", "letter.txt").out
    assert "added 1 files" in saved.ok("backup", "diff").err
    status = saved.ok("backup", "status")
    assert "good" in status.out
    (plan,) = saved.ok("backup", "status", "--json").json["plans"]
    assert (plan["state"], plan["newest_snapshot"]) == ("good", second["id"])

    # The catalogue tells also while the repository is out of reach, and says so.
    repository = Path(f"{saved.data}-backups")
    repository.rename(repository.with_name("away"))
    gone = saved("backup", "snapshots", "--refresh")
    assert gone.code == 1
    assert [one["id"] for one in saved.ok("backup", "snapshots", "--json").json["snapshots"]] == [
        first["id"],
        second["id"],
    ]
    unseen = saved("backup", "ls", folder)
    assert unseen.code == 1
    assert "Traceback" not in unseen.err


def test_the_status_says_how_often_a_plan_failed_that_never_went_well(vault: Program) -> None:
    config = vault.folder / "mine.toml"
    missing = vault.folder / "missing"
    config.write_text(f'[backup.plans.nightly]\nvault = false\nfolders = ["{missing}"]\n')
    failing = vault.with_(SECVAULT_CONFIG=str(config))
    assert failing("backup", "run").code == 1
    assert "nightly: failed once in all, and none went well: " in failing.ok("backup", "status").err


def test_a_vault_without_any_backup_says_what_to_do(vault: Program) -> None:
    assert "no snapshot yet" in vault.ok("backup", "snapshots").err
    assert "new" in vault.ok("backup", "status").out
    for words in (("ls",), ("diff",)):
        said = vault("backup", *words)
        assert said.code == 1
        assert "secvault backup run" in said.err
    wrong = vault("backup", "ls", "documents")
    assert wrong.code in (1, 2)
    assert "Traceback" not in wrong.err

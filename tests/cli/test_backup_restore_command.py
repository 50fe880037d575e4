"""`secvault backup restore` of parts, its dry run and its old form; and `backup programs`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.program import Program

pytestmark = pytest.mark.real


@pytest.fixture
def planned(vault: Program) -> Program:
    """The program with a plan that saves two files of a folder, without secvault itself."""
    folder = vault.folder / "folder"
    folder.mkdir()
    (folder / "contract.txt").write_text("hợp đồng", "utf-8")
    (folder / "other.txt").write_text("other")
    config = vault.folder / "mine.toml"
    config.write_text(f'[backup.plans.nightly]\nvault = false\nfolders = ["{folder}"]\n')
    return vault.with_(SECVAULT_CONFIG=str(config))


def test_parts_are_seen_beforehand_restored_elsewhere_and_put_back(
    planned: Program, tmp_path: Path
) -> None:
    snapshot = planned.ok("backup", "run", "--json").json["snapshot"]
    folder = planned.folder / "folder"
    contract = folder / "contract.txt"
    back = ("--path", str(contract), "--original", "--snapshot", snapshot)
    contract.write_text("changed since")
    seen = planned.ok("backup", "restore", *back, "--dry-run")
    assert f"there already: {contract}" in seen.out
    assert "--overwrite replaces it" in seen.err
    elsewhere = ("--path", str(contract), "--target", str(tmp_path / "r"))
    done = planned.ok("backup", "restore", *elsewhere, "--json").json
    assert (done["checked"], done["tally"]["placed"]) == (1, 1)
    restored = tmp_path / "r" / str(contract).lstrip("/")
    assert restored.read_text("utf-8") == "hợp đồng"
    assert not restored.with_name("other.txt").exists()
    refused = planned("backup", "restore", *back)
    assert refused.code == 1
    assert "nothing was restored" in refused.err
    assert contract.read_text() == "changed since"
    said = planned.ok("backup", "restore", *back, "--overwrite")
    assert "of them replaced" in said.out
    free = planned.ok("backup", "restore", *elsewhere[:2], "--dry-run", "--original", *back[3:])
    assert "secvault --ask REASON" not in free.err
    contract.unlink()
    asks = planned.ok("backup", "restore", *back, "--dry-run")
    assert "secvault --ask REASON" in asks.err
    planned.ok("backup", "restore", *back)
    assert contract.read_text("utf-8") == "hợp đồng"
    asked = planned.ok("backup", "restore", "--worker", "--no-wait", "--json").json
    (listed,) = planned.ok("backup", "restores", "--json").json["restores"]
    assert (listed["id"], listed["state"]) == (asked["id"], "requested")
    planned.ok("backup", "stop-restore", asked["id"])
    assert planned.ok("backup", "restores", "--json").json["restores"][0]["state"] == "stopping"


def test_the_old_form_restores_a_plan_without_secvault_too_and_speaks_of_no_vault(
    planned: Program, tmp_path: Path
) -> None:
    planned.ok("backup", "run")
    said = planned.ok("backup", "restore", "nightly", "--target", str(tmp_path / "r"))
    assert "every hash as it was" in said.out
    assert "copy of secvault" not in said.out
    assert "rejoin" not in said.err


@pytest.fixture
def noted(vault: Program) -> Program:
    """The program with a plan that saves a SQLite database, which may be restored into another."""
    notes = vault.folder / "notes.db"
    with closing(sqlite3.connect(notes)) as database:
        database.execute("CREATE TABLE note (words TEXT)")
        database.commit()
    config = vault.folder / "mine.toml"
    config.write_text(
        "[backup.plans.nightly]\nvault = false\n"
        f'[backup.plans.nightly.sources.notes]\nkind = "sqlite"\nfiles = ["{notes}"]\n'
        f'[backup.restore_into.copy]\nkind = "sqlite"\nfiles = ["{vault.folder / "copy.db"}"]\n'
    )
    return vault.with_(SECVAULT_CONFIG=str(config))


def test_what_was_loaded_is_told_without_files_and_what_is_there_with_the_ways_out(
    noted: Program,
) -> None:
    noted.ok("backup", "run")
    renamed = f"{noted.folder / 'notes.db'}={noted.folder / 'copy.db'}"
    into = ("--source", "notes", "--into", "copy", "--rename", renamed)
    done = noted.ok("backup", "restore", *into)
    assert "loaded notes into sqlite" in done.out
    assert "put in place" not in done.out
    seen = noted.ok("backup", "restore", *into, "--dry-run")
    assert "not there yet" not in seen.out.partition("notes:")[0]
    assert "--rename NAME=NEW" in seen.err
    assert noted("backup", "restore", *into).code == 1


UNCLEAR = (
    ((), "say where"),
    (("--original", "--path", "/x"), "name it for the original place"),
    (("--target", "/r", "--keep", "--overwrite"), "say one of them"),
    (("--target", "/r", "--rename", "x"), "NAME=NEW"),
    (("--original", "--path", "/x", "--snapshot", "ffffffff"), "no repository"),
)


def test_what_cannot_be_meant_is_said_and_nothing_done(planned: Program) -> None:
    for arguments, words in UNCLEAR:
        said = planned("backup", "restore", *arguments)
        assert said.code in (1, 2)
        assert words in said.err
        assert "Traceback" not in said.err


def test_programs_are_found_with_their_version_or_what_to_do_is_said(
    planned: Program, tmp_path: Path
) -> None:
    found = planned.ok("backup", "programs", "--json").json
    restic = found["programs"][0]
    assert restic["path"].endswith("restic")
    assert tuple(map(int, restic["version"].split("."))) >= (0, 14, 0)
    assert found["cache"]["folder"] == str(planned.data / "restic-cache")
    assert found["complete"]
    missing = planned.with_(SECVAULT_BACKUP__RESTIC=str(tmp_path / "no-restic"))(
        "backup", "programs"
    )
    assert missing.code == 1
    assert "install the package restic" in missing.err
    old = tmp_path / "old-restic"
    old.write_text("#!/bin/sh\necho restic 0.9.6 compiled with go\n")
    old.chmod(0o755)
    said = planned.with_(SECVAULT_BACKUP__RESTIC=str(old))("backup", "programs", "--json")
    assert said.code == 1
    assert "0.9.6 is too old" in said.json["programs"][0]["fault"]

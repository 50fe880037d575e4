"""`secvault backup repository`: what a person sees, and that no secret is among it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.service.approvals.by_policy import ByPolicy
from tests.cli.program import Program
from tests.cli.test_approvals_commands import _refused
from tests.quick_repository import made_quickly

SECRET, PRUNING = "cAnary-saving-secret", "cAnary-pruning-secret"
PLACE = "s3:https://s3.example.com/company/secvault"
ADD = ("backup", "repository", "add", "offsite", PLACE, "--access-key-id", "AKSAVES")


@pytest.fixture
def quick() -> Iterator[None]:
    with made_quickly():
        yield


def test_a_repository_is_added_listed_shown_and_removed(vault: Program) -> None:
    said = vault.ok(*ADD, "--prune-access-key-id", "AKPRUNES", stdin=f"{SECRET}\n{PRUNING}\n")
    assert "secvault backup repository check-access offsite" in said.err
    listed = vault.ok("backup", "repository", "list", "--json").json["repositories"]
    assert [(one["name"], one["kind"]) for one in listed] == [
        ("local", "declared"),
        ("offsite", "added"),
    ]
    shown = vault.ok("backup", "repository", "show", "offsite")
    assert PLACE in shown.out
    assert f"{PLACE}-data-keys" in shown.out
    assert vault(*ADD, stdin=f"{SECRET}\n").code == 1
    vault.ok("backup", "repository", "remove", "offsite")
    gone = vault("backup", "repository", "show", "offsite")
    assert gone.code == 1
    for one in (said, shown, gone):
        assert "cAnary" not in one.out + one.err


def test_what_cannot_be_added_is_refused_with_the_field_and_the_mend(vault: Program) -> None:
    folder = vault("backup", "repository", "add", "disk", "/srv/elsewhere")
    assert folder.code == 2
    assert "backup.repository_folders" in folder.err
    keyless = vault("backup", "repository", "add", "offsite", PLACE)
    assert keyless.code == 2
    assert "access_key_id" in keyless.err


@pytest.mark.real
@pytest.mark.usefixtures("quick")
def test_passwords_are_escrowed_changed_and_escrowed_again(vault: Program, tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    nothing = vault("backup", "repository", "escrow", "--out", str(file))
    assert (nothing.code, file.exists()) == (1, False)
    with vault.opened() as service:
        service.backups.ready_repository("local")
    said = vault.ok("backup", "repository", "escrow", "--out", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (kept,) = json.loads(file.read_text())["repositories"]
    assert (kept["name"], kept["data_keys"]) == ("local", False)
    assert kept["password"] not in said.out + said.err
    show = ("backup", "repository", "show", "local", "--json")
    assert vault.ok(*show).json["escrowed"] is True

    changed = vault.ok("backup", "repository", "rotate-password", "local", "--json")
    assert changed.json["passwords"][0]["old_opens"] is False
    assert "secvault backup repository escrow" in changed.err
    assert vault.ok(*show).json["escrowed"] is False
    again = vault("backup", "repository", "escrow", "--out", str(file))
    assert again.code == 2
    vault.ok("backup", "repository", "escrow", "--out", str(file), "--force")
    (new,) = json.loads(file.read_text())["repositories"]
    assert new["password"] != kept["password"]
    old = vault("backup", "repository", "set-password", "local", stdin=f"{kept['password']}\n")
    assert old.code == 1
    vault.ok("backup", "repository", "set-password", "local", stdin=f"{new['password']}\n")

    seen = vault.ok("backup", "repository", "check-access", "local")
    assert "note: the repository is a folder" in seen.out
    assert "keep a copy in a bucket with Object Lock" in seen.out
    looked = vault.ok("backup", "bucket", "--json").json["repositories"]
    assert [one["repository"] for one in looked] == ["local", "local/data-keys"]
    assert vault.ok("backup", "copies", "--json").json == {"copies": []}


def test_without_an_approval_no_password_leaves(
    vault: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vault.opened() as service:
        service.backups.repository("local")
    file = tmp_path / "passwords.json"
    monkeypatch.setattr(ByPolicy, "grant", _refused)
    said = vault("backup", "repository", "escrow", "--out", str(file))
    assert (said.code, file.exists()) == (3, False)
    assert "second person must approve" in said.err
    assert not [one for one in tmp_path.iterdir() if "passwords" in one.name]


def test_bringing_back_names_a_moment_and_a_bucket(vault: Program) -> None:
    bring = ("backup", "repository", "bring-back", "local", "--as-of")
    for moment, word in (("yesterday", "--as-of"), ("", "--as-of"), ("2020-01-01", "folder")):
        said = vault(*bring, moment)
        assert said.code == 2
        assert word in said.err

"""`secvault recovery kit`: issued, printed, checked; its shares are seen once and nowhere else."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from secvault.recovery import codes
from tests.cli.program import Program
from tests.recovery.a_kit import SECRETS, made_kit

ISSUE = ("recovery", "kit", "issue")


def issued(vault: Program) -> dict[str, Any]:
    """A kit that was issued, as a document with the words of its shares."""
    document: dict[str, Any] = vault.ok(*ISSUE, "--json").json
    return document


def test_shares_are_shown_once_and_the_kit_opens_with_them(vault: Program) -> None:
    said = vault.ok(*ISSUE)
    assert said.out.count("Share ") == 5
    lines = said.out.splitlines()
    shares = [lines[at + 1] for at, line in enumerate(lines) if line.startswith("Share ")]
    again = vault.ok(*ISSUE)
    assert "Share 1" not in again.out
    assert "The shares stay what they are." in again.err
    kit = vault.data / "recovery" / "kit.json"
    opened = vault.ok(
        "recovery", "kit", "passwords", str(kit), "--json", stdin="\n".join(shares[:3]) + "\n"
    )
    assert opened.json == {"passwords": []}
    other = vault(
        "recovery", "kit", "passwords", str(kit), stdin="\n".join([*shares[:2], "academic acid"])
    )
    assert other.code == 2
    assert "these words are not a share" in other.err


def test_with_sheets_no_share_is_shown_and_each_is_a_file_for_its_owner_alone(
    vault: Program, tmp_path: Path
) -> None:
    sheets = tmp_path / "sheets"
    said = vault.ok(*ISSUE, "--sheets", str(sheets), "--language", "vi")
    assert "Share" not in said.out
    files = sorted(sheets.iterdir())
    assert [one.name for one in files] == [f"share-{number}.pdf" for number in range(1, 6)]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    refused = vault(*ISSUE, "--new-shares", "--sheets", str(sheets))
    assert refused.code == 2
    assert "holds sheets already" in refused.err


def test_the_status_says_what_to_do_next_until_there_is_nothing(
    vault: Program, tmp_path: Path
) -> None:
    before = vault.ok("recovery", "status")
    assert "missing" in before.out
    assert "secvault recovery kit issue" in before.err
    assert "recovery kit: missing" in vault.ok("backup", "status").err
    issued(vault)
    stale = vault.ok("recovery", "kit", "status")
    assert "Nobody has taken it out yet" in stale.err
    out = tmp_path / "kit.pdf"
    vault.ok("recovery", "kit", "show", "--out", str(out), "--language", "vi")
    assert out.read_bytes().startswith(b"%PDF-")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    good = vault.ok("recovery", "kit", "status", "--json").json
    assert (good["state"], good["taken_kit"]) == ("good", good["kit"])
    assert vault.ok("backup", "status", "--json").json["recovery_kit"] == "good"
    changed = vault.with_(SECVAULT_RECOVERY__CONTACTS='["hosting: +84 1"]')
    behind = changed.ok("recovery", "status")
    assert "behind" in behind.out
    assert "since it was issued, whom to call changed" in behind.err


def test_a_file_is_checked_by_the_vault_and_without_one(vault: Program, tmp_path: Path) -> None:
    issued(vault)
    kit = tmp_path / "kit.json"
    vault.ok("recovery", "kit", "show", "--out", str(kit))
    found = vault.ok("recovery", "kit", "verify", str(kit), "--json").json
    assert found["newest"]
    assert found["changes"] == []
    key = json.loads(kit.read_text())["head"]["evidence_key"]
    elsewhere = Program(tmp_path / "nothing")
    assert elsewhere.ok("recovery", "kit", "verify", str(kit), "--key", key).code == 0
    foreign = tmp_path / "foreign.json"
    foreign.write_bytes(made_kit().file)
    assert elsewhere("recovery", "kit", "verify", str(foreign), "--key", key).code == 5
    assert vault("recovery", "kit", "verify", str(foreign)).code == 5
    kit.write_bytes(kit.read_bytes().replace(b'"seal":"file"', b'"seal":"none"'))
    said = vault("recovery", "kit", "verify", str(kit))
    assert said.code == 5
    assert "was changed after it was issued" in said.err
    junk = tmp_path / "junk"
    junk.write_text("[]")
    assert vault("recovery", "kit", "verify", str(junk)).code == 2
    vault.ok("keys", "rotate-root")
    old = tmp_path / "old.json"
    vault.ok("recovery", "kit", "show", "--out", str(old))
    stale = vault("recovery", "kit", "verify", str(old))
    assert stale.code == 5
    assert "the root key was rotated" in stale.err


def test_a_holder_checks_a_share_without_a_vault_and_nothing_of_it_is_said(
    secvault: Program, tmp_path: Path
) -> None:
    kit = made_kit(2, 3)
    file = tmp_path / "kit.json"
    file.write_bytes(kit.file)
    check = ("recovery", "kit", "share-check")
    words = kit.words[1].text()
    said = secvault.ok(*check, "--kit", str(file), "--json", stdin=words + "\n")
    assert said.json["number"] == 2
    assert said.json["of_the_kit"] is True
    assert said.json["holder"] == "Holder 2"
    assert not set(words.split()) & set((said.out + said.err).replace('"', " ").split())
    other = made_kit(2, 3).words[0].text()
    assert secvault(*check, "--kit", str(file), stdin=other + "\n").code == 5
    mistyped = secvault(*check, stdin=f"{words} acid\n")
    assert mistyped.code == 2
    assert "check their spelling" in mistyped.err


def test_scanned_codes_are_joined_and_passwords_come_out_for_bare_restic(
    secvault: Program, tmp_path: Path
) -> None:
    kit = made_kit(2, 3)
    out = tmp_path / "kit.json"
    text = "\n".join(reversed(codes.lines(kit.file)))
    secvault.ok("recovery", "kit", "join", "-", "--out", str(out), stdin=text)
    assert out.read_bytes() == kit.file
    given = "\n".join(words.text() for words in kit.words[1:]) + "\n"
    said = secvault.ok("recovery", "kit", "passwords", str(out), "--json", stdin=given)
    assert said.json["passwords"] == [
        {
            "repository": "local",
            "location": "/srv/backup",
            "password": SECRETS.passwords[0].password,
        },
        {
            "repository": "local/data-keys",
            "location": "/srv/backup-keys",
            "password": SECRETS.passwords[1].password,
        },
    ]
    few = secvault("recovery", "kit", "passwords", str(out), stdin=kit.words[0].text() + "\n")
    assert few.code == 1
    assert "the input ended" in few.err
    assert SECRETS.passwords[0].password not in few.out + few.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "--out", "kit.txt"),
        ("show", "--out", "kit.pdf", "--language", "fr"),
        ("issue", "--language", "fr"),
        ("verify", "nothing-there.json"),
        ("join", "nothing-there.txt", "--out", "kit.json"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_done(
    vault: Program, arguments: tuple[str, ...]
) -> None:
    said = vault("recovery", "kit", *arguments)
    assert said.code == 2
    assert vault.ok("recovery", "kit", "status", "--json").json["state"] == "missing"

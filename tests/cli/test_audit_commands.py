"""The audit log from the command line: read, verified, and damage found."""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.note import take_apart
from secvault.crypto.secret import Secret
from tests.cli.program import Program


def copy_of(vault: Program, folder: Path) -> Path:
    """A copy of the vault's database, as an auditor takes it away."""
    file = folder / "copy.db"
    with (
        closing(sqlite3.connect(vault.data / "secvault.db")) as live,
        closing(sqlite3.connect(file)) as other,
    ):
        live.backup(other)
    return file


def tamper(file: Path, statement: str) -> None:
    """Change the database past its triggers, as somebody with the file can."""
    with closing(sqlite3.connect(file)) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(statement)


def test_the_log_of_a_new_vault_is_whole(vault: Program) -> None:
    assert "the audit log is whole" in vault.ok("audit", "verify").out
    report = vault.ok("audit", "verify", "--json").json
    assert report["ok"] is True
    assert report["size"] > 0
    assert report["problems"] == []


def test_a_changed_event_is_found_and_named_with_exit_code_5(vault: Program) -> None:
    tamper(
        vault.data / "secvault.db",
        "UPDATE audit_event SET body = replace(body, 'ok', 'no') WHERE seq = 2",
    )
    said = vault("audit", "verify")
    assert said.code == 5
    assert "DAMAGED" in said.out
    assert re.search(r"^event 2: ", said.out, re.M)
    report = vault("audit", "verify", "--json")
    assert report.code == 5
    assert report.json["first_bad_seq"] == 2


def test_an_auditor_verifies_a_copy_with_the_public_key_alone(
    vault: Program, tmp_path: Path
) -> None:
    vault.ok("audit", "checkpoint")
    key = vault.ok("audit", "keys", "--json").json["audit"]
    file = copy_of(vault, tmp_path)
    elsewhere = vault.with_(SECVAULT_DATA=str(tmp_path / "nowhere"))
    elsewhere.ok("audit", "verify", "--copy", str(file), "--key", key)
    tamper(file, "DELETE FROM audit_event WHERE seq = 1")
    assert elsewhere("audit", "verify", "--copy", str(file), "--key", key).code == 5


@pytest.mark.parametrize(
    ("content", "codes"), [(None, {2}), (b"not a database", {1, 4, 5}), (b"", {1, 4, 5})]
)
def test_a_copy_that_is_no_database_is_said_so(
    vault: Program, tmp_path: Path, content: bytes | None, codes: set[int]
) -> None:
    key = vault.ok("audit", "keys", "--json").json["audit"]
    file = tmp_path / "copy.db"
    if content is not None:
        file.write_bytes(content)
    assert vault("audit", "verify", "--copy", str(file), "--key", key).code in codes


def test_a_copy_needs_its_key_and_the_key_must_be_one(vault: Program, tmp_path: Path) -> None:
    file = copy_of(vault, tmp_path)
    assert vault("audit", "verify", "--copy", str(file)).code == 2
    assert vault("audit", "verify", "--copy", str(file), "--key", "nonsense").code == 2


def test_events_are_filtered_and_paged(vault: Program) -> None:
    vault("keys", "export", "nothing", "--yes")
    denied = vault.ok("audit", "events", "--outcome", "denied", "--json").json["events"]
    assert [one["kind"] for one in denied] == ["key.export"]
    first = vault.ok("audit", "events", "--limit", "2", "--json").json
    assert len(first["events"]) == 2
    older = vault.ok("audit", "events", "--after", str(first["next"]), "--json").json["events"]
    assert max(one["seq"] for one in older) < min(one["seq"] for one in first["events"])
    nothing = vault.ok("audit", "events", "--until", "2020-01-01", "--json").json
    assert nothing["events"] == []
    assert "key.export" in vault.ok("audit", "events", "--actor", "local:operator").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--limit", "0"),
        ("--outcome", "fine"),
    ],
)
def test_a_question_that_cannot_be_is_wrong_usage(
    vault: Program, arguments: tuple[str, str]
) -> None:
    assert vault("audit", "events", *arguments).code == 2


def test_a_checkpoint_is_a_signed_note_on_stdout_or_in_a_file(
    vault: Program, tmp_path: Path
) -> None:
    origin = vault.ok("audit", "keys", "--json").json["audit"].partition("+")[0]
    note = vault.ok("audit", "checkpoint").out
    assert note.startswith(f"{origin}\n")
    assert f"\n\n— {origin} " in note
    file = tmp_path / "today.note"
    vault.ok("audit", "checkpoint", "--out", str(file))
    assert file.read_text("utf-8").startswith(f"{origin}\n")
    assert vault("audit", "checkpoint", "--out", str(tmp_path / "no" / "x")).code == 2


def test_an_event_is_proven_and_checked_with_the_public_key_alone(
    vault: Program, tmp_path: Path
) -> None:
    key = vault.ok("audit", "keys", "--json").json["audit"]
    file = tmp_path / "event.json"
    vault.ok("audit", "prove", "2", "--out", str(file))
    elsewhere = vault.with_(SECVAULT_DATA=str(tmp_path / "nowhere"))
    found = elsewhere.ok("audit", "check", str(file), "--key", key, "--json").json
    assert found["seq"] == 2
    assert "has this event" in elsewhere.ok("audit", "check", str(file), "--key", key).out
    document = file.read_text()
    file.write_text(document.replace("local", "locaI", 1))
    assert elsewhere("audit", "check", str(file), "--key", key).code == 5
    file.write_text("{}")
    assert elsewhere("audit", "check", str(file), "--key", key).code == 2
    assert vault("audit", "prove", "99999").code == 1
    size = found["size"]
    assert "continues" in vault.ok("audit", "consistency", str(size)).out
    assert vault("audit", "consistency", str(size + 1)).code == 1


def test_the_log_is_exported_as_tiles_and_verified_without_the_vault(
    vault: Program, tmp_path: Path
) -> None:
    note, folder = tmp_path / "early.note", tmp_path / "log"
    vault.ok("audit", "checkpoint", "--out", str(note))
    key = vault.ok("audit", "keys", "--json").json["audit"]
    size = vault.ok("audit", "tiles", str(folder), "--json").json["size"]
    elsewhere = vault.with_(SECVAULT_DATA=str(tmp_path / "nowhere"))
    check = ("audit", "verify", "--export", str(folder), "--key", key, "--earlier", str(note))
    assert elsewhere.ok(*check, "--json").json["entries"] == size
    vault.ok("audit", "tiles", str(folder))
    assert "whole" in elsewhere.ok(*check).out
    (folder / "checkpoint").write_bytes(b"x")
    assert elsewhere(*check).code == 5
    assert elsewhere(*check, "--copy", "x").code == 2


def test_one_event_is_shown_and_of_the_operator_the_network_alone(vault: Program) -> None:
    vault.ok("audit", "keys")
    (newest,) = vault.ok(
        "audit", "events", "--kind", "audit.verify", "--limit", "1", "--json"
    ).json["events"]
    assert newest["actor"] == "local:operator"
    assert newest["personal"] == {
        "state": "masked",
        "address": "",
        "agent": "",
        "name": "",
        "reason": "",
    }
    one = vault.ok("audit", "event", str(newest["seq"]), "--json").json
    assert one == newest
    said = vault.ok("audit", "event", str(newest["seq"])).out
    assert re.search(r"^kind +audit\.verify$", said, re.M)
    missing = vault("audit", "event", "99999")
    assert (missing.code, "no event 99999" in missing.err) == (1, True)


def test_what_is_erased_from_the_log_is_named_by_who_acted(vault: Program) -> None:
    wrong = vault("records", "erase", "--actor", "svc:pay", "--reason", "left", "--yes")
    assert wrong.code == 2
    both = vault("records", "erase", "nv-1", "--actor", "user:x", "--reason", "left", "--yes")
    assert (both.code, "--actor" in both.err) == (2, True)


def test_archiving_says_what_to_set_and_what_it_did(vault: Program, tmp_path: Path) -> None:
    said = vault("audit", "archive")
    assert said.code != 0
    assert "audit.retention.place" in said.err
    assert "all are in the store" in vault.ok("audit", "archives").err
    folder = tmp_path / "archives"
    folder.mkdir()
    placed = vault.with_(SECVAULT_AUDIT__RETENTION__PLACE=str(folder))
    assert "nothing is old enough" in placed.ok("audit", "archive").out
    assert placed.ok("audit", "archives", "--json").json == {"archives": [], "live_from": 0}


def test_less_than_a_year_in_the_store_takes_a_reason(vault: Program) -> None:
    short = vault.with_(SECVAULT_AUDIT__RETENTION__MONTHS="6")
    said = short("audit", "archives")
    assert said.code == 2
    assert "shorter_because" in said.err
    reasoned = short.with_(SECVAULT_AUDIT__RETENTION__SHORTER_BECAUSE="a test system")
    reasoned.ok("audit", "archives")


def test_a_period_is_exported_and_verified_without_the_vault(
    vault: Program, tmp_path: Path
) -> None:
    pack, note = tmp_path / "pack.zip", tmp_path / "early.note"
    vault.ok("audit", "checkpoint", "--out", str(note))
    key = vault.ok("audit", "keys", "--json").json["audit"]
    said = vault.ok("audit", "export", "--format", "csv", "--format", "ocsf", "--out", str(pack))
    assert "entries are in" in said.out
    assert vault("audit", "export", "--out", str(pack)).code == 2
    elsewhere = vault.with_(SECVAULT_DATA=str(tmp_path / "nowhere"))
    check = ("audit", "verify", "--export", str(pack), "--key", key, "--earlier", str(note))
    assert "whole" in elsewhere.ok(*check).out
    found = elsewhere.ok(*check, "--json").json
    assert (found["intact"], found["complete"], found["first_bad"]) == (True, True, None)
    assert elsewhere("audit", "verify", "--export", str(pack), "--key", f"{key}x").code == 2
    [event] = vault.ok(
        "audit", "events", "--kind", "audit.export", "--outcome", "ok", "--json"
    ).json["events"]
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        manifest = archive.read("manifest.json")
    assert {"events.csv", "events.ocsf.jsonl", "verify.py", "README.vi.txt"} <= {*names}
    assert event["detail"]["digest"] == sha256(manifest).hexdigest()
    assert event["count"] == json.loads(manifest)["events"]
    pack.write_bytes(pack.read_bytes()[:-100])
    assert elsewhere(*check).code == 5


def test_a_filtered_or_pseudonymised_export_says_what_its_proof_rests_on(
    vault: Program, tmp_path: Path
) -> None:
    key = vault.ok("audit", "keys", "--json").json["audit"]
    for options in (("--kind", "vault."), ("--pseudonyms",)):
        pack = tmp_path / f"{options[0]}.zip"
        made = vault.ok("audit", "export", *options, "--out", str(pack), "--json").json
        assert made["manifest"]["pseudonymised"] is ("--pseudonyms" in options)
        found = vault.ok("audit", "verify", "--export", str(pack), "--key", key, "--json").json
        assert found["notes"]
    for wrong in (("--format", "pdf"), ("--pseudonyms", "--format", "jsonl"), ("--since", "x")):
        assert vault("audit", "export", *wrong, "--out", str(tmp_path / "no.zip")).code == 2
    assert not (tmp_path / "no.zip").exists()
    assert vault("audit", "export", "--out", str(tmp_path / "no" / "no.zip")).code == 2


def test_a_stretch_of_the_log_is_proven_whole(vault: Program) -> None:
    found = vault.ok("audit", "range", "1", "4", "--json").json
    assert len(found["leaves"]) == 3
    assert "no others there" in vault.ok("audit", "range", "1", "4").out
    assert vault("audit", "range", "4", "4").code == 2
    assert vault("audit", "range", "1", "999999").code == 2


def test_a_proof_is_checked_by_a_policy_that_names_the_log_and_a_quorum(
    vault: Program, tmp_path: Path
) -> None:
    proof, policy = tmp_path / "event.json", tmp_path / "policy.txt"
    vault.ok("audit", "prove", "1", "--out", str(proof))
    key = vault.ok("audit", "keys", "--json").json["audit"]
    policy.write_text(f"log {key}\nquorum none\n")
    checked = vault.ok("audit", "check", str(proof), "--policy", str(policy), "--json").json
    assert (checked["seq"], checked["cosigned"]) == (1, {})
    signer = WitnessSigner("witness.example.com", Secret(bytes(32)))
    policy.write_text(f"log {key}\nwitness w {signer.verifier().vkey}\nquorum w\n")
    few = vault("audit", "check", str(proof), "--policy", str(policy))
    assert (few.code, "too few" in few.err) == (5, True)
    document = json.loads(proof.read_text())
    note = document["proof"].partition("\n\n")[2].encode()
    line = signer.cosign(take_apart(note)[0], 1_790_000_000).format()
    proof.write_text(json.dumps({**document, "proof": document["proof"] + line}))
    cosigned = vault.ok("audit", "check", str(proof), "--policy", str(policy))
    assert "co-signed by w" in cosigned.out
    assert vault("audit", "check", str(proof), "--key", key).code == 0
    both = vault("audit", "check", str(proof), "--key", key, "--policy", str(policy))
    assert (both.code, vault("audit", "check", str(proof)).code) == (2, 2)
    policy.write_text("quorum w\n")
    wrong = vault("audit", "check", str(proof), "--policy", str(policy))
    assert (wrong.code, "policy line 1" in wrong.err) == (2, True)


def test_declared_witnesses_are_shown_before_they_were_asked(vault: Program) -> None:
    assert "No witness is declared" in vault.ok("audit", "witnesses").err
    vkey = WitnessSigner("witness.example.com", Secret(bytes(32))).verifier().vkey
    declared = vault.with_(
        SECVAULT_AUDIT__WITNESSES__HCM__URL="https://witness.example.com/",
        SECVAULT_AUDIT__WITNESSES__HCM__VKEY=vkey,
    )
    (one,) = declared.ok("audit", "witnesses", "--json").json["witnesses"]
    assert (one["name"], one["url"], one["size"]) == ("hcm", "https://witness.example.com", 0)
    plain = declared.with_(SECVAULT_AUDIT__WITNESSES__HCM__URL="http://witness.example.com")
    refused = plain("audit", "witnesses")
    assert (refused.code, "https" in refused.err) == (2, True)


def test_a_timeline_and_the_standing_tell_how_much_came_and_what_is_known(vault: Program) -> None:
    size = vault.ok("audit", "standing", "--json").json["size"]
    found = vault.ok("audit", "timeline", "--parts", "3", "--json").json
    # Each look is an event, too.
    later = vault.ok("audit", "standing", "--json").json["size"]
    assert size < sum(part["events"] for part in found["parts"]) < later
    assert (len(found["parts"]), found["archived"], found["partial"]) == (3, False, False)
    shown = vault.ok("audit", "timeline", "--kind", "audit.verify", "--parts", "1")
    # The two looks at the standing, which only those take who may verify.
    assert shown.out.split()[-1] == "2"
    vault.ok("audit", "verify")
    assert "it passed then" in vault.ok("audit", "standing").out
    for wrong in (("--parts", "0"), ("--since", "2026-11-02", "--until", "2026-11-01")):
        refused = vault("audit", "timeline", *wrong)
        assert (refused.code, "Traceback" in refused.err) == (2, False)

"""The evidence of a drill from the command line: reported and verified, also without a vault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.program import Program
from tests.cli.test_backup_commands import planned

__all__ = ["planned"]


def drilled(planned: Program) -> dict[str, str]:
    """The files of the evidence of a drill that passed, its id, and the key that verifies it."""
    planned.ok("backup", "run")
    said = planned.ok("drill", "run", "--json").json
    assert said["passed"] is True, said
    key = planned.ok("audit", "keys", "--json").json["evidence"]
    return {**said["evidence"], "id": said["id"], "key": key}


def test_a_drill_leaves_evidence_from_which_reports_are_made_and_verified_anywhere(
    planned: Program, tmp_path: Path
) -> None:
    made = drilled(planned)
    shown = planned.ok("drill", "show", made["id"], "--json").json
    assert shown["evidence"]["document"] == made["document"]
    assert made["document"] in planned.ok("drill", "show", made["id"]).out
    assert "Diễn tập khôi phục" in Path(made["page_vi"]).read_text("utf-8")

    # Of this vault: the newest, or one by its id.
    pdf = tmp_path / "bao-cao.pdf"
    options = ("--format", "pdf", "--language", "vi", "--out", str(pdf))
    assert planned.ok("drill", "report", *options).out.strip() == str(pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_mode & 0o777 == 0o600
    assert planned("drill", "report", *options).code == 2
    planned.ok("drill", "report", made["id"], *options, "--force")
    assert (
        f"drill {made['id']} of plan nightly passed"
        in planned.ok("drill", "verify", made["id"]).out
    )

    # Of files, where no vault is.
    offline = planned.with_(SECVAULT_DATA=str(tmp_path / "nowhere"))
    given = ("--document", made["document"], "--key", made["key"])
    assert "genuine" in offline.ok("drill", "verify", *given).out
    page = tmp_path / "report.html"
    offline.ok("drill", "report", *given, "--out", str(page))
    assert page.read_bytes() == Path(made["page_en"]).read_bytes()
    verifier = Path(made["document"]).with_name("verify.py")
    command = (sys.executable, "-I", str(verifier), made["document"], "--key", made["key"])
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={})
    assert f"evidence: restore-drill {made['id']}, passed" in said.stdout

    document = Path(made["document"])
    document.write_bytes(document.read_bytes().replace(b'"passed":true', b'"passed":null', 1))
    assert offline("drill", "verify", *given).code == 5
    assert offline("drill", "report", *given, "--out", str(tmp_path / "x")).code == 5
    assert not (tmp_path / "x").exists()
    found = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert (found.returncode, "unchanged: NO" in found.stdout) == (5, True)


def test_evidence_is_named_by_id_or_by_files_and_key(planned: Program, tmp_path: Path) -> None:
    assert planned("drill", "verify").code == 2
    assert planned("drill", "verify", "--key", "x").code == 2
    assert planned("drill", "verify", "no-such-drill").code == 1
    assert planned("drill", "report").code == 1
    assert planned("drill", "report", "no-such-drill").code == 1
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"kind": "access-review"}), "utf-8")
    assert planned("drill", "report", "--document", str(file)).code == 2
    assert planned("drill", "report", "a-drill", "--document", str(file), "--key", "x").code == 2

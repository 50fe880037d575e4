"""`secvault audit report`, and the report in a package."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from pathlib import Path

from tests.cli.program import Program


def test_a_report_is_written_once_and_is_on_record(vault: Program, tmp_path: Path) -> None:
    pdf, book = tmp_path / "september.pdf", tmp_path / "september.xlsx"
    said = vault.ok("audit", "report", "--month", "2026-09", "--language", "vi", "--out", str(pdf))
    digest = sha256(pdf.read_bytes()).hexdigest()
    assert digest in said.out
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_mode & 0o077 == 0
    made = vault.ok(
        "audit",
        "report",
        "--since",
        "2026-09-01",
        "--department",
        "hr",
        "--out",
        str(book),
        "--json",
    ).json
    assert made["sha256"] == sha256(book.read_bytes()).hexdigest()
    found = vault.ok("audit", "events", "--kind", "audit.report", "--outcome", "ok", "--json").json
    assert [one["detail"]["digest"] for one in found["events"]] == [made["sha256"], digest]
    assert vault("audit", "report", "--month", "2026-09", "--out", str(pdf)).code == 2
    assert vault("audit", "report", "--month", "2026-09", "--out", str(pdf), "--force").code == 0


def test_what_cannot_be_writes_nothing(vault: Program, tmp_path: Path) -> None:
    out = tmp_path / "no.pdf"
    for wrong in (
        ("--out", str(out)),
        ("--month", "2026-13", "--out", str(out)),
        ("--month", "2026-09", "--since", "2026-09-01", "--out", str(out)),
        ("--month", "2026-09", "--language", "fr", "--out", str(out)),
        ("--month", "2026-09", "--department", "nowhere", "--out", str(out)),
        ("--month", "2026-09", "--out", str(tmp_path / "no.docx")),
    ):
        refused = vault("audit", "report", *wrong)
        assert refused.code == 2
        assert "Traceback" not in refused.err
    assert [*tmp_path.glob("no*")] == []


def test_a_package_takes_the_report_along(vault: Program, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    both = ("--language", "vi", "--language", "en")
    vault.ok("audit", "export", "--report", *both, "--out", str(pack))
    with zipfile.ZipFile(pack) as archive:
        names = {*archive.namelist()}
    assert {"report.vi.pdf", "report.en.pdf", "report.vi.xlsx", "report.en.xlsx"} <= names
    key = vault.ok("audit", "keys", "--json").json["audit"]
    assert "whole" in vault.ok("audit", "verify", "--export", str(pack), "--key", key).out
    refused = vault(
        "audit", "export", "--report", "--pseudonyms", "--out", str(tmp_path / "no.zip")
    )
    assert refused.code == 2

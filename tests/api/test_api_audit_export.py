"""Evidence packages of the audit log over HTTP."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from secvault.audit import verify_export
from tests.running_service import Api

EXPORTS = "/api/v1/audit/exports"


def test_an_auditor_takes_a_period_away_and_checks_it_by_the_key_alone(
    api: Api, tmp_path: Path
) -> None:
    key = api.ok("GET", "/api/v1/audit/keys", "auditor")["audit"]
    asked = {"kind": "auth.", "since": "2020-01-01T07:00:00+07:00", "formats": ["csv", "cef"]}
    answer = api("POST", EXPORTS, "auditor", asked)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    file = tmp_path / "pack.zip"
    file.write_bytes(answer.content)
    found = verify_export.verify(file, key, [])
    assert (found["intact"], found["complete"], found["problems"]) == (True, True, [])
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        manifest = archive.read("manifest.json")
        assert {"events.csv", "events.cef"} <= {*archive.namelist()}
    told = json.loads(manifest)
    assert told["question"] == {"kind": "auth.", "since": 1_577_836_800_000_000}
    listed = api.ok("GET", "/api/v1/audit/events?kind=audit.export", "auditor")["events"]
    assert [one["outcome"] for one in listed[:2]] == ["ok", "intent"]
    assert listed[0]["detail"]["digest"] == sha256(manifest).hexdigest()
    assert listed[0]["count"] == told["events"]


@pytest.mark.parametrize(
    "asked",
    [
        {"formats": ["pdf"]},
        {"since": "2026-01-01"},
        {"outcome": "maybe"},
        {"where": "all"},
        {"pseudonyms": True, "formats": ["jsonl"]},
    ],
)
def test_a_question_that_cannot_be_is_refused_before_anything_leaves(
    api: Api, asked: dict[str, Any]
) -> None:
    answer = api("POST", EXPORTS, "auditor", asked)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_nobody_takes_the_log_away_who_may_not_read_it(api: Api) -> None:
    assert api("POST", EXPORTS, "clerk", {}).status_code == 403
    assert api("POST", EXPORTS, "admin", {}).status_code == 403
    assert api("POST", EXPORTS, None, {}).status_code == 401

"""The recovery kit over HTTP: who may have what of it, and that shares come once."""

from __future__ import annotations

import pytest

from secvault.crypto.secret import Secret
from secvault.recovery.opening import open_kit
from tests.running_service import Api

HERE = "/api/v1/recovery/kit"


def test_it_is_issued_once_with_shares_and_then_without(api: Api) -> None:
    assert api("GET", HERE, "admin").json()["state"] == "missing"
    first = api("POST", HERE, "admin", {"new_shares": False})
    assert first.status_code == 201, first.text
    assert first.headers["Cache-Control"] == "no-store"
    shares = [Secret.of(words) for words in first.json()["shares"]]
    assert len(shares) == 5
    second = api("POST", HERE, "admin", {})
    assert second.status_code == 201
    assert second.json()["shares"] == []
    file = api("GET", f"{HERE}/file", "admin")
    assert file.headers["Content-Type"] == "application/json"
    head, _ = open_kit(file.content, shares[:3])
    assert head.kit == second.json()["kit"]
    found = api("GET", HERE, "admin").json()
    assert (found["state"], found["taken_kit"]) == ("good", head.kit)
    for form, start in (("pdf", b"%PDF-"), ("html", b"<!doctype html>")):
        pages = api("GET", f"{HERE}/file?format={form}&language=vi", "admin")
        assert pages.content.startswith(start)
    checked = api("POST", f"{HERE}/verification", "auditor", {"kit": file.text}).json()
    assert (checked["newest"], checked["changes"]) == (True, [])


def test_auditors_see_how_it_stands_and_others_nothing(api: Api) -> None:
    assert api("GET", f"{HERE}/file", "admin").status_code == 404
    api("POST", HERE, "admin", {})
    assert api("GET", HERE, "auditor").status_code == 200
    for who in ("auditor", "clerk", "system"):
        assert api("POST", HERE, who, {}).status_code == 403
        assert api("POST", HERE, who, {"new_shares": True}).status_code == 403
        assert api("GET", f"{HERE}/file", who).status_code == 403
    assert api("GET", HERE, "clerk").status_code == 403


@pytest.mark.parametrize("kit", ["", "{}", "[]", '{"head": {"format": "x"}}', "\ud7ff"])
def test_what_is_no_kit_is_said_to_be_none(api: Api, kit: str) -> None:
    said = api("POST", f"{HERE}/verification", "admin", {"kit": kit})
    assert said.status_code == 422
    assert "no recovery kit" in said.json()["detail"]

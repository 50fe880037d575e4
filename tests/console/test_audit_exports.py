"""The log taken along from pages, and its integrity looked at and proven there."""

from __future__ import annotations

import zipfile

import pytest

from secvault.audit import verify_export
from secvault.crypto.checkpoint import verify_by_name
from secvault.crypto.note import NoteVerifier
from tests.audit.tampering import change, intrusion
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api

FORMS = {
    "/audit/exports": {"formats": "csv"},
    "/audit/reports": {"month": "2026-08", "in_language": "en", "file": "xlsx"},
    "/audit/integrity/verification": {},
    "/audit/integrity/checkpoint": {},
    "/audit/integrity/publications/place": {},
    "/audit/integrity/streams/siem/test": {},
}


@pytest.fixture
def auditor(api: Api) -> Browsing:
    """The auditor's browser."""
    return signed_in(api, "auditor")


@pytest.mark.parametrize("path", FORMS)
def test_forms_need_the_token_and_the_right(api: Api, auditor: Browsing, path: str) -> None:
    assert auditor.submit(path, **FORMS[path]).status_code == 403
    clerk = signed_in(api, "clerk")
    answer = clerk.submit(path, csrf=clerk.csrf(), **FORMS[path])
    assert answer.status_code == 403
    assert "content-disposition" not in answer.headers


def test_a_package_is_taken_along_and_checked_with_the_key_alone(
    api: Api, auditor: Browsing
) -> None:
    keys = api.ok("GET", "/api/v1/audit/keys", "auditor")
    answer = auditor.submit(
        "/audit/exports", csrf=auditor.csrf(), formats="csv", what="auth.", department="it"
    )
    assert answer.headers["content-type"] == "application/zip"
    place = api.house.folder / "taken.zip"
    place.write_bytes(answer.content)
    with zipfile.ZipFile(place) as package:
        assert any(name.endswith(".csv") for name in package.namelist())
    found = verify_export.verify(place, f"{keys['audit']} {keys['evidence']}", [])
    assert found["intact"], found
    assert found["complete"], found


def test_what_cannot_be_exported_is_told_beside_the_form(auditor: Browsing) -> None:
    answer = auditor.submit(
        "/audit/exports", csrf=auditor.csrf(), reports="en", pseudonyms="true", formats="csv"
    )
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'name="pseudonyms" value="true" checked' in answer.text
    wrong = auditor.submit("/audit/reports", csrf=auditor.csrf(), month="soon")
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("language", "file", "magic"), [("en", "pdf", b"%PDF"), ("vi", "xlsx", b"PK")]
)
def test_the_report_on_a_month_is_made(
    auditor: Browsing, language: str, file: str, magic: bytes
) -> None:
    auditor.submit("/language", language=language)
    page = auditor.get("/audit/exports").text
    month = page.split('name="month"')[1].split('<option value="')[1].split('"')[0]
    answer = auditor.submit(
        "/audit/reports",
        csrf=auditor.csrf(),
        month=month,
        in_language=language,
        file=file,
        names="true",
    )
    assert answer.status_code == 200
    assert answer.content.startswith(magic)
    assert f"{month}.{language}.{file}" in answer.headers["content-disposition"]


@pytest.mark.parametrize("who", ["auditor", "admin"])
@pytest.mark.parametrize(
    ("language", "said"), [("en", "Verified just now"), ("vi", "Vừa kiểm tra")]
)
def test_the_log_is_verified_from_the_page(api: Api, who: str, language: str, said: str) -> None:
    browser = signed_in(api, who)
    browser.submit("/language", language=language)
    assert said not in browser.get("/audit/integrity").text
    page = browser.submit("/audit/integrity/verification", csrf=browser.csrf())
    assert page.status_code == 200
    assert said in page.text


def test_damage_is_told_with_what_to_do(api: Api, auditor: Browsing) -> None:
    with api.house.open() as service, intrusion(service.store) as connection:
        change(connection, 1, leaf_hash=bytes(32))
    page = auditor.submit("/audit/integrity/verification", csrf=auditor.csrf()).text
    assert "The log is damaged" in page
    assert "Touch nothing" in page
    assert "it was not whole" in auditor.get("/audit/integrity").text


def test_a_checkpoint_is_taken_along(api: Api, auditor: Browsing) -> None:
    answer = auditor.submit("/audit/integrity/checkpoint", csrf=auditor.csrf())
    assert ".note" in answer.headers["content-disposition"]
    key = NoteVerifier.from_vkey(api.ok("GET", "/api/v1/audit/keys", "auditor")["audit"])
    assert verify_by_name(answer.content, [key]).size > 0
    assert key.vkey in auditor.get("/audit/integrity").text

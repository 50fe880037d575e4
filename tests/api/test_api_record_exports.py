"""Exports over HTTP: a zip with the file, its manifest and the signature, or a clear no."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import update

from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier
from secvault.store import tables
from tests.running_service import Api, join, payslip
from tests.service.policy_house import forced, more

PLACE = "/api/v1/exports"
PAYROLL = {"collection": "payroll", "format": "jsonl", "reason": "the audit of 2026"}


def opened(content: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def key(api: Api) -> NoteVerifier:
    """The public key that evidence is signed with."""
    with api.house.open() as service:
        return service.signing.evidence.verifier()


@pytest.mark.parametrize("format_", ["csv", "xlsx", "jsonl", "parquet"])
def test_a_head_takes_the_payroll_away_with_a_signed_manifest(api: Api, format_: str) -> None:
    answer = api("POST", PLACE, "head", {**PAYROLL, "format": format_})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    files = opened(answer.content)
    (name,) = {*files} - {"manifest.json", "manifest.note"}
    assert name.startswith("payroll-")
    assert name.endswith(f".{format_}")
    assert f'filename="{name}.zip"' in answer.headers["content-disposition"]
    manifest: Any = verify_evidence(files["manifest.json"], files["manifest.note"], key(api))
    assert manifest["records"] == 1
    assert manifest["file"]["bytes"] == len(files[name])


def test_a_clerk_is_refused_with_the_reason_and_a_stale_head_asked_for_a_factor(api: Api) -> None:
    answer = api("POST", PLACE, "clerk", PAYROLL)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:secvault:problem:refused"
    api.house.hands.seconds += 901
    answer = api("POST", PLACE, "head", PAYROLL)
    assert answer.json()["type"] == "urn:secvault:problem:step-up-required"


def test_nobody_searches_by_what_they_do_not_see_in_clear(api: Api) -> None:
    with api.house.open() as service:
        forced(service, more("p,role:hr.clerk,hr,*,*,record.export,always,allow,clerk-export\n"))
    for where in ({"bank_account": "0071000123456"}, {"net_salary": {"from": None, "to": None}}):
        answer = api("POST", PLACE, "clerk", {**PAYROLL, "where": where})
        assert answer.status_code in (403, 422)
    answer = api("POST", PLACE, "clerk", {**PAYROLL, "where": {"bank_account": "0071000123456"}})
    assert answer.status_code == 403
    assert "0071000123456" not in answer.text
    found = api("POST", PLACE, "clerk", {**PAYROLL, "where": {"employee": "nv-0042"}})
    assert b"31500000" not in found.content
    assert len(opened(found.content)) == 3


def test_damage_at_the_beginning_is_an_answer_and_no_broken_file(api: Api) -> None:
    with api.house.open() as service, service.store.write() as connection:
        connection.execute(update(tables.record_field).values(envelope=b"\x01" + bytes(60)))
    answer = api("POST", PLACE, "head", PAYROLL)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:secvault:problem:damaged"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"collection": "Payroll"}, "collection"),
        ({"format": "pdf"}, "format"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"language": "english"}, "language"),
        ({"where": {"month": 5}}, "month"),
        ({"where": {"paid_on": {"from": "2026-13-01"}}}, "paid_on"),
        ({"where": []}, "where"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(
    api: Api, change: dict[str, Any], field: str
) -> None:
    answer = api("POST", PLACE, "head", {**PAYROLL, **change})
    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


def test_an_analyst_gets_rows_without_names_and_a_clear_no_where_too_few_are_alike(
    api: Api,
) -> None:
    with api.house.open() as service:
        join(service, api.house, "phuc", ("role:hr.researcher", "hr"))
    body = {**PAYROLL, "project": "pay-2026"}
    answer = api("POST", f"{PLACE}/deidentified", "phuc", body)
    assert answer.status_code == 409
    for number in range(6):
        api.ok(
            "POST", "/api/v1/records/payroll", "head",
            {"id": f"s-{number}", "fields": payslip(employee=f"nv-{number}")},
        )  # fmt: skip
    answer = api("POST", f"{PLACE}/deidentified", "phuc", body)
    assert answer.status_code == 200, answer.text
    files = opened(answer.content)
    (name,) = {*files} - {"manifest.json", "manifest.note"}
    rows = [json.loads(line) for line in files[name].splitlines()]
    assert len(rows) == 7
    assert b"Oanh" not in files[name]
    assert api("POST", f"{PLACE}/deidentified", "head", body).status_code == 403
    assert api("POST", PLACE, "phuc", PAYROLL).status_code == 403
    again = {**body, "k": 8, "small_groups": "refuse"}
    assert api("POST", f"{PLACE}/deidentified", "phuc", again).status_code == 409
    weaker: list[dict[str, Any]] = [
        {"k": 2}, {"project": "Pay"}, {"small_groups": "keep"}, {"where": {}},
    ]  # fmt: skip
    for weak in weaker:
        assert api("POST", f"{PLACE}/deidentified", "phuc", {**body, **weak}).status_code == 422

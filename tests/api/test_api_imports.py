"""Imports over HTTP: a file is sent in parts, looked at, started, watched; its faults as CSV."""

from __future__ import annotations

import csv
import io
from threading import Event

import httpx2
import pytest

from secvault.service.record_imports.running import do_import
from tests.running_service import Api
from tests.service.record_imports.files import as_csv, payroll_row

IMPORTS = "/api/v1/imports"
PAYROLL = {"collection": "payroll", "format": "csv"}


def _send(api: Api, place: str, content: bytes, who: str = "head") -> httpx2.Response:
    return api("PUT", place, who, content=content)


def _sent(api: Api, content: bytes, **how: object) -> str:
    made = api("POST", IMPORTS, "head", {**PAYROLL, **how})
    assert made.status_code == 201, made.text
    place = f"{IMPORTS}/{made.json()['id']}"
    middle = len(content) // 2
    for number, part in enumerate((content[:middle], content[middle:]), 1):
        answer = _send(api, f"{place}/parts/{number}", part)
        assert (answer.status_code, answer.json()["parts"]) == (200, number), answer.text
    return place


def _work(api: Api, place: str) -> None:
    """What the worker does."""
    with api.house.open() as service:
        do_import(service, place.rpartition("/")[2], Event())


def test_a_file_is_sent_checked_started_and_its_records_are_there(api: Api) -> None:
    content = as_csv(payroll_row(number) for number in range(20))
    place = _sent(api, content)
    asked = api("POST", f"{place}/check", "head")
    assert (asked.status_code, asked.json()["state"]) == (202, "checking")
    _work(api, place)
    checked = api.ok("GET", place, "head")
    assert (checked["state"], checked["total"], checked["created"]) == ("checked", 20, 0)
    assert api("GET", "/api/v1/records/payroll/pr-00001", "head").status_code == 404
    assert api("POST", f"{place}/start", "head").json()["goal"] == "import"
    _work(api, place)
    done = api.ok("GET", place, "head")
    assert (done["state"], done["created"], done["bytes"]) == ("done", 20, len(content))
    assert done["ended_at"] is not None
    assert api.ok("GET", IMPORTS, "clerk")["imports"] == [done]
    shown = api.ok("GET", "/api/v1/records/payroll/pr-00001", "head")
    assert shown["fields"]["net_salary"] == {"amount": "10705001", "currency": "VND"}
    assert api("POST", f"{place}/resume", "head").status_code == 409


@pytest.mark.parametrize(
    "kind",
    ["application/octet-stream", "application/json", "application/x-www-form-urlencoded", None],
)
def test_a_part_is_taken_as_it_is_whatever_its_type_is_said_to_be(
    api: Api, kind: str | None
) -> None:
    made = api.ok("POST", IMPORTS, "head", {**PAYROLL, "format": "xlsx"})
    content = bytes(range(256)) * 4
    headers = {} if kind is None else {"Content-Type": kind}
    answer = api("PUT", f"{IMPORTS}/{made['id']}/parts/1", "head", content=content, headers=headers)
    assert (answer.status_code, answer.json().get("bytes")) == (200, len(content)), answer.text


def test_faults_are_told_by_row_and_field_and_as_a_sheet_without_formulas(api: Api) -> None:
    rows = [payroll_row(1, gross_salary="=1+1"), payroll_row(2, id="=NV 2", status="")]
    place = _sent(api, as_csv(rows))
    assert api("POST", f"{place}/start", "head").status_code == 202
    _work(api, place)
    assert api.ok("GET", place, "head")["state"] == "faulty"
    told = api.ok("GET", f"{place}/faults", "head")
    assert told["complete"] is True
    assert [(one["row"], one["field"]) for one in told["faults"]] == [
        (2, "gross_salary"),
        (3, "id"),
        (3, "status"),
    ]
    sheet = api("GET", f"{place}/faults.csv", "head")
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    written = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert written[0] == ["row", "field", "problem"]
    assert [row[:2] for row in written[1:]] == [["2", "gross_salary"], ["3", "id"], ["3", "status"]]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in written for cell in row)
    assert "NV 2" not in sheet.text


def test_an_import_is_cancelled_and_its_file_is_gone(api: Api) -> None:
    place = _sent(api, as_csv([payroll_row(1)]))
    assert api("DELETE", place, "head").json()["state"] == "cancelled"
    assert api("POST", f"{place}/start", "head").status_code == 409
    assert _send(api, f"{place}/parts/1", b"x").status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({**PAYROLL, "format": "xls"}, 422),
        ({**PAYROLL, "more": 1}, 422),
        ({**PAYROLL, "on_conflict": "replace"}, 422),
        ({**PAYROLL, "mapping": {"a": "no_such_field"}}, 422),
        ({**PAYROLL, "mapping": {"a": 5}}, 422),
        ({**PAYROLL, "time_zone": "../../etc/passwd"}, 422),
        ({**PAYROLL, "collection": "payments"}, 403),
        ({**PAYROLL, "collection": "no_such"}, 404),
    ],
)
def test_what_cannot_be_imported_is_refused_before_the_file_is_sent(
    api: Api, body: object, status: int
) -> None:
    assert api("POST", IMPORTS, "head", body).status_code == status
    assert api.ok("GET", IMPORTS, "head") == {"imports": []}


def test_others_and_what_is_not_there_are_refused(api: Api) -> None:
    place = _sent(api, as_csv([payroll_row(1)]))
    assert api("GET", f"{IMPORTS}/{'0' * 32}", "head").status_code == 404
    assert api("GET", f"{IMPORTS}/nothing", "head").status_code == 422
    for method, path in (
        ("GET", place),
        ("GET", f"{place}/faults"),
        ("GET", f"{place}/faults.csv"),
        ("POST", f"{place}/start"),
        ("DELETE", place),
        ("GET", IMPORTS),
    ):
        assert api(method, path, "auditor").status_code == 403, path
        assert api(method, path).status_code == 401, path
    assert api("POST", f"{place}/start", "clerk").status_code == 403
    assert _send(api, f"{place}/parts/3", b"x", "clerk").status_code == 403
    assert _send(api, f"{place}/parts/0", b"x").status_code == 422
    assert _send(api, f"{place}/parts/1", b"").status_code == 422
    assert api.ok("GET", place, "head")["parts"] == 2

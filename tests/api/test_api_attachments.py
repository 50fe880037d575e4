"""Attachments over HTTP: in and out by rights, ranges, tags, names; nothing but what was stored."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import httpx2
import pytest

from secvault.crypto.streaming import SEGMENT_BYTES
from tests.running_service import Api

RECORD = "/api/v1/records/contracts/ct-1"
PLACE = f"{RECORD}/fields/document/content"
NAME = "Hợp đồng lao động.pdf"
SAYS = "attachment; filename*=UTF-8''H%E1%BB%A3p%20%C4%91%E1%BB%93ng%20lao%20%C4%91%E1%BB%99ng.pdf"
PDF = b"%PDF-1.7\nsalary 28750000\n%%EOF\n"
LONG = b"%PDF-1.7\n" + bytes(at % 253 for at in range(2 * SEGMENT_BYTES + 99))
NEW = {"If-None-Match": "*"}
CONTRACT = {
    "employee": "nv-0042",
    "kind": "indefinite",
    "position": "Accountant",
    "signed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "weekly_hours": 40,
    "base_salary": {"amount": "28750000", "currency": "VND"},
    "workplace": "Hà Nội",
    "status": "in_force",
}


@pytest.fixture
def office(api: Api) -> Api:
    """A department with a contract that has no document yet."""
    api.ok("POST", "/api/v1/records/contracts", "head", {"id": "ct-1", "fields": CONTRACT})
    return api


def put(office: Api, content: Any = PDF, who: str = "head", **headers: str) -> httpx2.Response:
    said = {"Content-Type": "application/pdf", "Content-Disposition": SAYS, **headers}
    return office("PUT", PLACE, who, content=content, headers=said)


def get(office: Api, who: str = "head", **headers: str) -> httpx2.Response:
    return office("GET", PLACE, who, headers=headers)


def files(office: Api) -> list[Path]:
    """What lies in the folder of contents."""
    folder = office.house.settings.data_folder / "attachments"
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def stored(office: Api) -> Api:
    """The same with a long document."""
    answer = put(office, LONG, **NEW)
    assert answer.status_code == 201, answer.text
    return office


def test_a_file_comes_back_as_it_was_sent(office: Api) -> None:
    made = put(office, **NEW)
    assert made.status_code == 201, made.text
    digest = hashlib.sha256(PDF)
    assert made.json() == {
        "name": NAME,
        "size": len(PDF),
        "type": "application/pdf",
        "sha256": digest.hexdigest(),
        "version": 2,
    }
    seen = get(office)
    assert seen.status_code == 200
    assert seen.content == PDF
    assert seen.headers["etag"] == made.headers["etag"]
    assert seen.headers["content-type"] == "application/pdf"
    assert seen.headers["content-length"] == str(len(PDF))
    assert seen.headers["content-disposition"].endswith(SAYS.removeprefix("attachment"))
    assert seen.headers["content-disposition"].startswith('attachment; filename="')
    assert seen.headers["x-content-type-options"] == "nosniff"
    assert seen.headers["cache-control"] == "no-store"
    assert seen.headers["accept-ranges"] == "bytes"
    told = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert seen.headers["repr-digest"] == told
    looked = office("HEAD", PLACE, "head")
    assert looked.content == b""
    for name in ("etag", "content-length", "content-type", "content-disposition", "repr-digest"):
        assert looked.headers[name] == seen.headers[name]
    assert office.ok("GET", RECORD, "head")["fields"]["document"]["name"] == NAME


def test_neither_name_nor_content_lies_anywhere_in_clear(office: Api) -> None:
    put(office, **NEW)
    assert len(files(office)) == 1
    for file in office.house.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"salary 28750000" not in content, file
            assert NAME.encode() not in content, file


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=-7", slice(len(LONG) - 7, None)),
        (
            f"bytes={SEGMENT_BYTES - 50}-{SEGMENT_BYTES + 50}",
            slice(SEGMENT_BYTES - 50, SEGMENT_BYTES + 51),
        ),
        ("bytes=100-", slice(100, None)),
    ],
)
def test_a_part_comes_with_where_it_lies(stored: Api, asked: str, part: slice) -> None:
    answer = get(stored, Range=asked)
    assert answer.status_code == 206
    assert answer.content == LONG[part]
    first, stop, _ = part.indices(len(LONG))
    assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(LONG)}"


def test_a_part_of_what_was_replaced_is_not_mixed_with_the_new(stored: Api) -> None:
    tag = get(stored, Range="bytes=0-9").headers["etag"]
    assert get(stored, **{"Range": "bytes=10-19", "If-Range": tag}).content == LONG[10:20]
    assert put(stored, **{"If-Match": tag}).status_code == 200
    after = get(stored, **{"Range": "bytes=10-19", "If-Range": tag})
    assert (after.status_code, after.content) == (200, PDF)


def test_a_range_outside_says_how_long_it_is(stored: Api) -> None:
    answer = get(stored, Range=f"bytes={len(LONG)}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(LONG)}"
    assert answer.json()["type"] == "urn:secvault:problem:range-not-satisfiable"


def test_what_one_has_already_is_not_sent_again(stored: Api) -> None:
    tag = get(stored).headers["etag"]
    again = get(stored, **{"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert get(stored, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_change_says_what_it_expects_and_comes_too_late_when_somebody_was_faster(
    office: Api,
) -> None:
    assert put(office).status_code == 428
    assert put(office, **{"If-Match": "*"}).status_code == 404
    tag = put(office, **NEW).headers["etag"]
    assert put(office, LONG, **NEW).status_code == 409
    second = put(office, LONG, **{"If-Match": tag})
    assert second.status_code == 200
    assert second.headers["etag"] != tag
    assert put(office, **{"If-Match": tag}).status_code == 412
    assert office("DELETE", PLACE, "head", headers={"If-Match": tag}).status_code == 412
    assert office("DELETE", PLACE, "head").status_code == 428
    assert get(office).content == LONG
    assert office("DELETE", PLACE, "head", headers={"If-Match": "*"}).status_code == 204
    assert get(office).status_code == 404
    assert "document" not in office.ok("GET", RECORD, "head")["fields"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "named"),
    [
        (b"MZ\x90\x00", {}, 422, "document"),
        (b"", {}, 422, "document"),
        (PDF, {"Content-Type": "image/png"}, 422, "document"),
        (PDF, {"Content-Type": "text/html"}, 422, "Content-Type"),
        (PDF, {"Content-Type": ""}, 422, "Content-Type"),
        (PDF, {"Content-Disposition": "attachment"}, 422, "Content-Disposition"),
        (
            PDF,
            {"Content-Disposition": 'attachment; filename="../../etc/x.pdf"'},
            422,
            "document.name",
        ),
        (
            PDF,
            {"Content-Disposition": "attachment; filename*=UTF-8''a%00b.pdf"},
            422,
            "document.name",
        ),
        (
            PDF,
            {"Content-Disposition": "attachment; filename*=UTF-8''a%E2%80%AEfdp.exe"},
            422,
            "document.name",
        ),
        (PDF, {"Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}, 422, "Repr-Digest"),
        (PDF, {"Repr-Digest": "sha-256=:x:"}, 422, "Repr-Digest"),
    ],
)
def test_what_is_not_right_is_refused_and_leaves_nothing(
    office: Api, content: bytes, headers: dict[str, str], status: int, named: str
) -> None:
    answer = put(office, content, **NEW, **headers)
    assert answer.status_code == status, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [named]
    assert files(office) == []
    assert office.ok("GET", RECORD, "head")["version"] == 1
    assert get(office).status_code == 404


def test_the_digest_that_a_sender_gives_is_compared(office: Api) -> None:
    digest = base64.b64encode(hashlib.sha256(PDF).digest()).decode()
    said = {"Repr-Digest": f"sha-512=:x:, sha-256=:{digest}:"}
    assert put(office, **NEW, **said).status_code == 201


def test_a_file_may_be_larger_than_other_bodies_but_not_than_its_limit(
    front: Any, house: Any
) -> None:
    house = type(house)(
        house.folder,
        house.hands,
        house.tokens,
        house.seeds,
        {"SECVAULT_ATTACHMENTS__MAX_BYTES": str(len(LONG))},
    )
    with front.serving(house) as office:
        office.ok("POST", "/api/v1/records/contracts", "head", {"id": "ct-1", "fields": CONTRACT})
        for content in (LONG + b"x", iter([LONG, b"x"])):
            answer = put(office, content, **NEW)
            assert answer.status_code == 413, answer.text
            assert answer.json()["type"] == "urn:secvault:problem:content-too-large"
            assert files(office) == []
        assert put(office, iter([LONG[:70_000], LONG[70_000:]]), **NEW).status_code == 201
        assert get(office).content == LONG


@pytest.mark.parametrize("who", ["auditor", "admin", "system"])
def test_who_may_not_see_the_field_neither_reads_nor_writes_its_content(
    stored: Api, who: str
) -> None:
    tag = get(stored).headers["etag"]
    for method in ("GET", "HEAD", "DELETE"):
        assert stored(method, PLACE, who, headers={"If-Match": tag}).status_code == 403
    assert put(stored, who=who, **{"If-Match": tag}).status_code == 403
    assert stored("GET", PLACE).status_code == 401
    assert get(stored).content == LONG


def test_a_field_that_holds_no_files_or_is_not_there_is_not_found(office: Api) -> None:
    for path in (
        f"{RECORD}/fields/position/content",
        f"{RECORD}/fields/nothing/content",
        "/api/v1/records/contracts/ct-9/fields/document/content",
        "/api/v1/records/nothing/ct-1/fields/document/content",
    ):
        assert office("GET", path, "head").status_code == 404, path
        said = {"Content-Type": "application/pdf", "Content-Disposition": SAYS, **NEW}
        assert office("PUT", path, "head", content=PDF, headers=said).status_code == 404, path
    assert files(office) == []


def test_the_value_of_the_field_is_written_by_no_other_way(stored: Api) -> None:
    other = stored.ok("GET", RECORD, "head")
    value = other["fields"]["document"]
    changed = stored(
        "PATCH", RECORD, "head", {"fields": {"document": value}}, headers={"If-Match": '"2"'}
    )
    assert changed.status_code == 422
    stolen = {"id": "ct-2", "fields": {**CONTRACT, "document": value}}
    assert stored("POST", "/api/v1/records/contracts", "head", stolen).status_code == 422
    emptied = stored(
        "PATCH", RECORD, "head", {"fields": {"document": None}}, headers={"If-Match": '"2"'}
    )
    assert emptied.status_code == 200
    assert get(stored).status_code == 404


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def test_damage_at_the_beginning_is_a_problem_and_never_data(stored: Api, log: io.StringIO) -> None:
    flip(files(stored)[0], 1000)
    answer = get(stored)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:secvault:problem:damaged"
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"%PDF" not in answer.content


def test_damage_behind_the_beginning_cuts_the_answer_off(stored: Api, log: io.StringIO) -> None:
    flip(files(stored)[0], SEGMENT_BYTES + 1000)
    answer = get(stored)
    # The server ends the connection, as the answer never came to its end.
    assert answer.headers["content-length"] == str(len(LONG))
    assert len(answer.content) < len(LONG)
    assert LONG.startswith(answer.content)
    assert "answer_cut_off" in log.getvalue()
    assert "Traceback" not in log.getvalue()
    # What lies before it is whole.
    assert get(stored, Range="bytes=0-99").content == LONG[:100]


def test_a_file_that_is_gone_or_another_ones_is_a_problem(stored: Api) -> None:
    (file,) = files(stored)
    kept = file.read_bytes()
    for content in (None, b"", kept[:-1], kept[:SEGMENT_BYTES], bytes(len(kept))):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        answer = get(stored)
        assert answer.status_code == 500
        assert answer.json()["type"] == "urn:secvault:problem:damaged"


INSURANCE = {
    "employee": "nv-0042",
    "social_insurance_number": "0123456789",
    "health_card": "DN4790123456789",
    "hospital": "Bạch Mai",
    "insured_salary": {"amount": "28750000", "currency": "VND"},
    "employee_rate": "10.5",
    "employer_rate": "21.5",
    "since": "2026-02-01",
    "status": "active",
}


def test_a_masked_file_is_revealed_for_a_reason_and_not_else(office: Api) -> None:
    made = {"id": "in-1", "fields": INSURANCE}
    office.ok("POST", "/api/v1/records/insurance", "head", made)
    place = "/api/v1/records/insurance/in-1/fields/medical_paper/content"
    said = {"Content-Type": "application/pdf", "Content-Disposition": SAYS, **NEW}
    assert office("PUT", place, "head", content=PDF, headers=said).status_code == 201
    assert NAME not in office("GET", "/api/v1/records/insurance/in-1", "head").text
    refused = office("GET", place, "head")
    assert refused.status_code == 403
    assert b"%PDF" not in refused.content
    assert office("HEAD", place, "head").status_code == 403
    why = {"X-Reveal-Reason": "b%E1%BB%93i th%C6%B0%E1%BB%9Dng"}
    shown = office("GET", place, "head", headers={**why, "Range": "bytes=0-7"})
    assert (shown.status_code, shown.content) == (206, PDF[:8])
    assert office("GET", place, "clerk", headers=why).status_code == 403
    assert office("GET", place, "head", headers={"X-Reveal-Reason": "%ff"}).status_code == 422
    history = office.ok("GET", "/api/v1/records/insurance/in-1/history", "head")
    assert "bồi thường" in str(history)

"""Around every request: limits of size and kind, the headers that keep an answer private."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_service import MAX_BODY, Api, payslip

RECORDS = "/api/v1/records/payroll"
ENCRYPT = "/v1/transit/encrypt/x"


def _in_pieces(total: int) -> Iterator[bytes]:
    sent = 0
    while sent < total:
        piece = min(10_000, total - sent)
        yield b" " * piece
        sent += piece


@pytest.mark.parametrize("pieces", [False, True], ids=["with a length", "without a length"])
@pytest.mark.parametrize(("path", "who"), [(RECORDS, "head"), (ENCRYPT, "system"), (RECORDS, None)])
def test_a_body_over_the_limit_is_refused(
    api: Api, path: str, who: str | None, pieces: bool
) -> None:
    content = _in_pieces(MAX_BODY + 1) if pieces else b" " * (MAX_BODY + 1)
    answer = api("POST", path, who, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["x-request-id"]
    if path.startswith("/v1/"):
        (reason,) = answer.json()["errors"]
        assert "larger" in reason
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:secvault:problem:content-too-large"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_body_at_the_limit_is_read(api: Api) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = api("POST", RECORDS, "head", content=_in_pieces(MAX_BODY), headers=json_type)
    assert answer.status_code == 422


def test_a_request_without_use_for_a_body_has_the_same_limit(api: Api) -> None:
    assert api("GET", "/health/live", content=b" " * (MAX_BODY + 1)).status_code == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""]
)
def test_a_body_of_another_kind_is_told_to_be_json(api: Api, kind: str) -> None:
    content = b'{"fields": {}}'
    answer = api("POST", RECORDS, "head", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_json_by_another_name_is_json(api: Api) -> None:
    content = b'{"id": "new", "fields": {}}'
    for kind in ("application/json; charset=utf-8", "application/merge-patch+json"):
        answer = api("POST", RECORDS, "head", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 422
        assert "month" in {fault["field"] for fault in answer.json()["errors"]}


def test_unknown_names_in_a_body_are_refused_by_name(api: Api) -> None:
    body = {"fields": payslip(), "overwrite": True}
    answer = api("POST", RECORDS, "head", body)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["body.overwrite"]


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/people", "/v1/sys/health", "/nowhere"])
def test_no_answer_is_kept_framed_or_guessed_at(api: Api, path: str) -> None:
    headers = api("GET", path, "admin").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_every_request_has_an_id_of_its_own_which_the_caller_cannot_choose(api: Api) -> None:
    given = {"X-Request-Id": "mine"}
    ids = {api("GET", "/health/live", headers=given).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
    assert "mine" not in ids


def test_readiness_says_which_part_does_not_work(api: Api) -> None:
    assert api.ok("GET", "/health/ready") == {
        "ready": True, "database": True, "audit": True, "unsealed": True,
        "notifications": True, "streams": True, "policy_files": True, "witnesses": True,
        "publications": True,
    }  # fmt: skip
    assert api.ok("GET", "/health/live") == {"live": True}

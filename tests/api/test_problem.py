"""Every error has the one form of its path, a request id, and no secret."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection
from starlette.requests import Request

from secvault.access import Policy
from secvault.access.in_force import InForce
from secvault.api.problem import problem_response
from secvault.errors import (
    Damaged,
    Sealed,
    SecvaultError,
    StepUpRequired,
    TooManyAttempts,
    Unavailable,
)
from secvault.service import Service
from tests.running_service import PAYSLIP, Api, Front, House, payslip

PROBLEM = "application/problem+json"
JSON_TYPE = {"Content-Type": "application/json"}
CASES = [
    ("GET", "/api/v1/nowhere", "head", 404),
    ("PUT", "/api/v1/people", "admin", 405),
    ("GET", "/api/v1/people", None, 401),
    ("GET", "/api/v1/people", "svs_nothing", 401),
    ("GET", "/api/v1/people", "clerk", 403),
    ("GET", "/api/v1/records/nothing", "head", 404),
    ("GET", "/api/v1/records/payroll/none", "head", 404),
    ("GET", "/api/v1/records/payroll?limit=0", "head", 422),
    ("GET", "/api/v1/records/payroll?limit=x", "head", 422),
    ("GET", "/api/v1/records/payroll?after=%00", "head", 422),
    ("GET", "/api/v1/records/NO", "head", 422),
    ("GET", "/api/v1/audit/events?outcome=maybe", "auditor", 422),
    ("DELETE", f"/api/v1/records/payroll/{PAYSLIP}", "head", 428),
]


class _Failing(Policy):
    """Stands where the policy does; what is in force, collections and all, raises an error."""

    def __init__(self, policy: Policy, error: Exception) -> None:
        vars(self).update(vars(policy))
        self._error = error

    def in_force(self, connection: Connection | None = None) -> InForce:
        raise self._error


def _with_collections_that_raise(error: Exception) -> Callable[[Service], Service]:
    return lambda service: replace(service, policy=_Failing(service.policy, error))


@pytest.mark.parametrize(("method", "path", "who", "status"), CASES)
def test_an_error_is_a_problem_document_with_the_request_id(
    api: Api, method: str, path: str, who: str | None, status: int
) -> None:
    answer = api(method, path, who)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:secvault:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(("path", "status"), [("/api/v1/x", 401), ("/v1/transit/encrypt/x", 403)])
def test_a_stale_second_factor_is_told_what_is_needed(path: str, status: int) -> None:
    """RFC 9470, 3; the transit engine's clients know no 401."""
    request = Request({"type": "http", "path": path, "headers": [], "state": {}})
    answer = problem_response(request, StepUpRequired("show a factor again", max_age=300))
    assert answer.status_code == status
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", '
        'error_description="A second factor must be shown again", max_age="300"'
    )


def test_a_fault_names_its_field_and_the_mend(api: Api) -> None:
    answer = api("GET", "/api/v1/records/payroll?limit=501&after=UPPER", "head")
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "query.limit"
    assert "500" in fault["detail"]
    answer = api("GET", "/api/v1/records/payroll?after=UPPER", "head")
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "after"


def test_every_field_at_fault_is_named_at_once(api: Api) -> None:
    wrong = payslip(gross_salary=12.5, status="lost", bonus=1)
    del wrong["month"]
    answer = api("POST", "/api/v1/records/payroll", "head", {"fields": wrong})
    assert answer.status_code == 422
    named = {fault["field"] for fault in answer.json()["errors"]}
    assert named == {"gross_salary", "status", "bonus", "month"}


def test_no_error_repeats_a_value_that_was_sent(api: Api) -> None:
    secret = "s3cr3t-that-nobody-sees"
    bodies: list[tuple[str, Any]] = [
        ("/api/v1/sessions", {"name": "head", "password": [secret], "code": {"x": secret}}),
        ("/api/v1/sessions", {"name": [secret], "password": secret * 100, "code": secret}),
        ("/api/v1/records/payroll", {"fields": payslip(status=secret, bank_account=secret)}),
        ("/api/v1/records/payroll", {"fields": [secret]}),
        ("/v1/transit/encrypt/x", {"plaintext": {"not": secret}}),
        ("/v1/transit/decrypt/x", {"ciphertext": secret}),
    ]
    for path, body in bodies:
        answer = api("POST", path, "system" if path.startswith("/v1/") else "head", body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert secret not in answer.text


def test_on_the_transit_paths_an_error_is_what_vault_clients_expect(api: Api) -> None:
    for method, path, who, status in [
        ("GET", "/v1/nowhere", "system", 404),
        ("GET", "/v1/transit/keys/none", "system", 404),
        ("GET", "/v1/nothing/keys/none", "system", 404),
        ("GET", "/v1/transit/keys/none", None, 403),
        ("GET", "/v1/transit/keys/none", "svt_nothing", 403),
        ("GET", "/v1/transit/keys/none", "clerk", 403),
        ("POST", "/v1/transit/keys/bad~name", "system", 400),
    ]:
        answer = api(method, path, who)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["errors"]
        (text,) = answer.json()["errors"]
        assert text
        assert answer.headers["x-request-id"]


def test_a_wrong_json_body_is_told_so(api: Api) -> None:
    digits = b'{"fields": ' + b"9" * 10_000 + b', "plaintext": ' + b"9" * 10_000 + b"}"
    for body in (b"{", b"\xff\xfe", b"[" * 10_000, digits, b"\x00", b'{"a": "\\ud8"}'):
        for path, who in (("/api/v1/records/payroll", "head"), ("/v1/transit/encrypt/x", "system")):
            answer = api("POST", path, who, content=body, headers=JSON_TYPE)
            assert answer.status_code in (400, 422), (path, body[:10], answer.text)
            assert "json" in answer.text.lower() or "body" in answer.text


def test_an_unexpected_failure_shows_its_request_id_and_nothing_else(
    front: Front, house: House, log: io.StringIO
) -> None:
    message = "the password of the database is hunter2"
    with front.serving(house, _with_collections_that_raise(RuntimeError(message))) as api:
        answer = api("GET", f"/api/v1/records/payroll/{PAYSLIP}", "head")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["type"] == "urn:secvault:problem:internal"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" not in json.dumps(dict(answer.headers)) + answer.text
    (entry,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert entry["event"] == "unexpected_error"
    assert "hunter2" not in log.getvalue()
    assert "RuntimeError at " in entry["exception"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Sealed("the root key is not available"), 503, "sealed"),
        (Unavailable("the database cannot be reached"), 503, "unavailable"),
        (Damaged("version 1 of the key is damaged"), 500, "damaged"),
        (TooManyAttempts("wait a little", retry_after=7), 429, "too-many-attempts"),
    ],
)
def test_what_cannot_be_done_now_says_why(
    front: Front, house: House, error: SecvaultError, status: int, kind: str
) -> None:
    with front.serving(house, _with_collections_that_raise(error)) as api:
        answer = api("GET", f"/api/v1/records/payroll/{PAYSLIP}", "head")
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:secvault:problem:{kind}"
    assert answer.json()["detail"] == error.detail
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)


def test_a_name_in_the_body_that_is_no_text_is_named_without_repeating_it(api: Api) -> None:
    for name in (b"\\ud800", b"\\u0000", b"n" * 50_000):
        body = b'{"name": "a", "password": "b", "code": "1", "' + name + b'": 1}'
        answer = api("POST", "/api/v1/sessions", content=body, headers=JSON_TYPE)
        assert answer.status_code == 422
        (fault,) = answer.json()["errors"]
        assert fault["field"] in ("body", "body.(unreadable name)")
        assert len(answer.content) < 1_000


def test_a_host_header_that_is_no_host_is_no_reason_to_fail(api: Api) -> None:
    for host in ("[", "a b", "x" * 5_000, ""):
        answer = api("GET", "/api/v1/nowhere", headers={"Host": host})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == PROBLEM


def test_a_secret_that_has_no_bytes_is_refused_by_name(api: Api) -> None:
    half = "\ud800"
    signing_in = {"name": "head", "password": half * 20, "code": half}
    answer = api("POST", "/api/v1/sessions", content=json.dumps(signing_in), headers=JSON_TYPE)
    assert answer.status_code == 422
    named = [fault["field"] for fault in answer.json()["errors"]]
    assert named == ["body.password", "body.code"]

"""The description of the interface is complete enough to make a client of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from secvault.store.tables import metadata
from tests.running_service import Front

Operations = list[tuple[str, str, dict[str, Any]]]
METHODS = {"get", "head", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def description(front: Front) -> dict[str, Any]:
    """The OpenAPI document."""
    return front.openapi()


@pytest.fixture(scope="module")
def operations(description: dict[str, Any]) -> Operations:
    """Every operation with its path and method."""
    return [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def _references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_references(value) for value in part.values()))
    if isinstance(part, list):
        return set[str]().union(*(_references(value) for value in part))
    return set()


def test_operation_ids_are_clean_names_and_each_stands_once(operations: Operations) -> None:
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids)) > 45
    for name in ids:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name), name
    assert {"record_create", "session_open", "data_encrypt", "key_rotate", "audit_verify"} <= {*ids}


def test_every_operation_has_a_summary_of_its_own(operations: Operations) -> None:
    for path, method, operation in operations:
        assert method in METHODS
        summary = operation["summary"]
        assert 8 <= len(summary) <= 100, (path, summary)
        assert summary[0].isupper()
        assert not summary.endswith(".")
        assert summary.lower() != operation["operationId"].replace("_", " ")
        assert operation["tags"]


def test_native_errors_are_problem_documents_and_transit_errors_are_the_engines(
    operations: Operations,
) -> None:
    for path, method, operation in operations:
        for status, answer in operation["responses"].items():
            # Of health checks the status is the answer, and the body says the rest.
            if path.startswith("/health") or path == "/v1/sys/health" or int(status) < 400:
                continue
            if path.startswith("/v1/"):
                form = answer["content"]["application/json"]["schema"]
                forms = form.get("anyOf", [form])
                assert forms[0] == {"$ref": "#/components/schemas/VaultErrors"}, (path, status)
                takes_a_batch = operation["operationId"] in ("data_encrypt", "data_decrypt")
                assert (len(forms) > 1) == (takes_a_batch and status == "400")
            elif path.startswith(("/access/v1/", "/.well-known/")):
                assert answer["content"] == {"text/plain": {"schema": {"type": "string"}}}
            else:
                (kind,) = answer["content"]
                assert kind == "application/problem+json", (path, method, status)
                form = answer["content"][kind]["schema"]
                assert form == {"$ref": "#/components/schemas/Problem"}


def test_the_frameworks_own_form_of_an_invalid_request_is_never_promised(
    description: dict[str, Any], operations: Operations
) -> None:
    assert "HTTPValidationError" not in str(description)
    for path, _, operation in operations:
        assert ("422" in operation["responses"]) == path.startswith("/api/v1/")


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert _references(description) <= known


def test_every_operation_that_is_not_open_names_its_credential(operations: Operations) -> None:
    without = {path for path, _, operation in operations if not operation.get("security")}
    assert without == {
        "/.well-known/authzen-configuration",
        "/api/v1/activation/begin",
        "/api/v1/activation/complete",
        "/api/v1/activation/look",
        "/api/v1/devices/first-confirmation",
        "/api/v1/password/redemption",
        "/api/v1/devices/resync",
        "/api/v1/leaked-tokens",
        "/api/v1/sessions",
        "/api/v1/sessions/passkey",
        "/api/v1/sessions/passkey/challenge",
        "/api/v1/sessions/recovery",
        "/api/v1/sign-in/oidc",
        "/api/v1/sign-in/oidc/second-factor",
        "/api/v1/sign-in/oidc/{provider}",
        "/api/v1/sign-in/oidc/{provider}/back-channel-logout",
        "/api/v1/sign-in/oidc/{provider}/callback",
        "/health/live",
        "/health/ready",
        "/v1/auth/approle/login",
        "/v1/auth/userpass/login/{name}",
        "/v1/sys/health",
        "/v1/sys/init",
        "/v1/sys/leader",
        "/v1/sys/mfa/validate",
        "/v1/sys/seal-status",
        "/v1/sys/unseal",
    }


def test_nowhere_is_a_hint_or_a_question_asked_for(description: dict[str, Any]) -> None:
    fields = {
        field
        for schema in description["components"]["schemas"].values()
        for field in schema.get("properties", {})
    }
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    assert {"password", "name"} <= fields
    assert "password_hash" in columns
    asked_for = re.compile(r"hint|question|maiden|birth|mother")
    assert [name for name in fields | columns if asked_for.search(name)] == []


def test_a_change_that_needs_a_version_says_so(operations: Operations) -> None:
    for _, method, operation in operations:
        if method in ("patch", "delete") and "record" in operation["operationId"]:
            names = {parameter["name"].lower() for parameter in operation["parameters"]}
            assert "if-match" in names
            assert {"412", "428"} <= set(operation["responses"])

"""Every route says what it does, and does no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from secvault.api.app import Answering, routes
from secvault.api.caller import caller
from secvault.api.declared import (
    declarations,
    open_to_all,
    operation,
    require_declared,
)
from secvault.errors import ConfigurationError
from secvault.service import Service, records
from secvault.service.spine import Caller
from tests.running_service import MAX_BODY, PAYSLIP, House

OPEN = {
    "/.well-known/authzen-configuration",
    "/api/v1/activation/begin",
    "/api/v1/activation/complete",
    "/api/v1/activation/look",
    "/api/v1/openapi.json",
    "/api/v1/devices/first-confirmation",
    "/api/v1/devices/resync",
    "/api/v1/leaked-tokens",
    "/api/v1/password/redemption",
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
    "/unseal",
    "/v1/auth/approle/login",
    "/v1/auth/userpass/login/{name}",
    "/v1/sys/health",
    "/v1/sys/init",
    "/v1/sys/leader",
    "/v1/sys/mfa/validate",
    "/v1/sys/seal-status",
    "/v1/sys/unseal",
}


def _no_answer() -> str:
    return "never called"


def _reads_a_field(at: Annotated[tuple[Service, Caller], Depends(caller)]) -> object:
    service, who = at
    return records.read_field(service, who, "payroll", PAYSLIP, "bank_account")


def _declared(app: FastAPI) -> None:
    require_declared(app)


def test_every_route_declares_its_action_and_resource_or_why_it_is_open(house: House) -> None:
    found = list(declarations(routes(house.open, MAX_BODY)))
    assert len(found) > 50
    for path, declared in found:
        assert declared is not None, path
        if declared.open_because:
            assert not declared.actions
            assert len(declared.open_because) > 20, path
        else:
            assert declared.actions, path
            assert all("." in action for action in declared.actions), path
            assert "/" in declared.resource, path


def test_only_these_paths_answer_everybody(house: House) -> None:
    found = declarations(routes(house.open, MAX_BODY))
    open_paths = [(path, it) for path, it in found if it and it.open_because]
    assert {path for path, _ in open_paths} == OPEN


def test_every_open_path_is_in_the_document_of_the_ways_in() -> None:
    document = Path(__file__).parents[2] / "docs" / "explanation" / "authentication.md"
    text = document.read_text("utf-8")
    section = text.split("## The ways in\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(/[^` ]+)`", section))
    assert named == OPEN


def test_every_declared_action_is_one_that_the_policy_knows(house: House) -> None:
    actions = {
        action
        for _, declared in declarations(routes(house.open, MAX_BODY))
        if declared
        for action in declared.actions
    }
    rows = (house.settings.policy_folder / "roles.csv").read_text().splitlines()
    known = {row.split(",")[5].strip() for row in rows if row.startswith("p,")}
    assert actions <= known


def test_an_application_with_a_route_that_declares_nothing_does_not_start(house: House) -> None:
    app = routes(house.open, MAX_BODY)
    app.get("/api/v1/forgotten")(_no_answer)
    with pytest.raises(ConfigurationError, match="/api/v1/forgotten declares no action"):
        _declared(app)


def test_a_forgotten_route_is_found_among_those_of_an_included_router() -> None:
    inner, app = (
        FastAPI(openapi_url=None, docs_url=None, redoc_url=None),
        FastAPI(openapi_url=None, docs_url=None, redoc_url=None),
    )
    inner.get("/deep")(_no_answer)
    app.include_router(inner.router, prefix="/api")
    with pytest.raises(ConfigurationError, match="/api/deep declares no action"):
        _declared(app)


def test_a_mounted_application_cannot_be_declared_and_is_refused() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/elsewhere", Starlette())
    with pytest.raises(ConfigurationError, match="/elsewhere declares no action"):
        _declared(app)


def test_neither_no_action_nor_no_reason_is_a_declaration() -> None:
    for mark in (operation("hr/payroll"), open_to_all("")):
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

        def endpoint() -> None:
            """Nothing."""

        app.get("/x")(mark(endpoint))
        with pytest.raises(ConfigurationError):
            _declared(app)


def test_a_route_that_does_more_than_it_declares_gives_nothing_out(house: House) -> None:
    app = routes(house.open, MAX_BODY)
    app.get("/api/v1/too-much")(operation("hr/payroll", "record.list")(_reads_a_field))
    headers = {"Authorization": f"Bearer {house.tokens['head']}"}
    with TestClient(Answering(app, 60)) as client:
        answer = client.get("/api/v1/too-much", headers=headers)
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "0071000123456" not in answer.text
        assert "record.read" not in answer.text

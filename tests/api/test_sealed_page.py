"""While the vault is sealed, people get a page and programs an error, and nobody anything else."""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from secvault.api.answering import Answering
from secvault.api.gate import Gate, Passage

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
INSIDE = "what only an open vault answers"


async def _inside(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(INSIDE)(scope, receive, send)


@asynccontextmanager
async def _lifespan(_root: Any) -> Any:
    yield


def _no_follower(_gate: Gate) -> Any:
    raise AssertionError("nobody follows")


@pytest.fixture
def passage() -> Passage:
    return Passage()


@pytest.fixture
def client(passage: Passage) -> TestClient:
    gate = Gate(_inside, _lifespan, _no_follower, lambda _root: None, passage)
    return TestClient(Answering(gate, 60.0))


@pytest.mark.parametrize("path", ["/", "/records/payroll/pay-1", "/assets/console.css", "/keys"])
def test_a_browser_gets_a_small_page_in_both_languages(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Accept": BROWSER})
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "The vault is sealed" in answer.text
    assert "Kho đang được niêm phong" in answer.text
    assert len(answer.content) < 3_000
    assert INSIDE not in answer.text
    assert path == "/" or path not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_may_have_its_own_style_and_do_nothing(client: TestClient) -> None:
    answer = client.post("/sign-in", headers={"Accept": BROWSER})
    assert answer.status_code == 503
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "form-action 'none'" in policy
    found = re.search(r"<style>(.*?)</style>", answer.text, re.S)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    for other in ("<script", "<form", "<img", "<link", "http:", "https:", " style="):
        assert other not in answer.text


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain, text/htmlx"])
def test_programs_are_answered_as_before(client: TestClient, accept: str | None) -> None:
    answer = client.get("/api/v1/people", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:secvault:problem:sealed"


def test_what_answers_always_answers_browsers_too_and_an_open_vault_all(
    client: TestClient, passage: Passage
) -> None:
    assert client.get("/health/live", headers={"Accept": BROWSER}).text == INSIDE
    passage.is_open = True
    assert client.get("/", headers={"Accept": BROWSER}).text == INSIDE

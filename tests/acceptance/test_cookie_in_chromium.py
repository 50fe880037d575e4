"""A session in a cookie, in a real Chromium: kept, hidden from scripts, useless to other pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from secvault.api.browser import COOKIE_NAME
from tests.acceptance.furnished import answering
from tests.acceptance.installation import Installation, code_of, new_installation
from tests.running_service import PASSWORD, add_person

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

CALL = """async ([method, path, csrf, body]) => {
  const headers = {'Content-Type': 'application/json'};
  if (csrf) headers['X-CSRF-Token'] = csrf;
  const answer = await fetch('/api/v1' + path,
    {method, headers, body: body === null ? undefined : JSON.stringify(body)});
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
}"""
# What a page can send to another site without that site's consent; the answer is kept from it.
FORGE = """async (address) => {
  await fetch(address, {method: 'POST', mode: 'no-cors', credentials: 'include',
    headers: {'Content-Type': 'text/plain'}, body: '{}'}).catch(() => null);
}"""
SUBMIT = """(address) => {
  const form = document.createElement('form');
  form.method = 'POST'; form.action = address;
  document.body.append(form); form.submit();
}"""


@dataclass(frozen=True)
class Running:
    """A vault with people, served in plain HTTP on this machine. seeds: of their devices."""

    installation: Installation
    seeds: dict[str, str]

    @property
    def port(self) -> int:
        return self.installation.port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With one person for each address, because a code works once."""
    installation = new_installation(tmp_path_factory.mktemp("cookies"))
    with installation.opened() as service:
        seeds = {name: add_person(service, name, "hr") for name in ("an", "lan")}
    with answering(installation):
        yield Running(installation, seeds)


def page_of(context: BrowserContext, origin: str) -> Page:
    """A page of this origin; the service has none yet, so it is answered for it."""
    page = context.new_page()

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body="<!doctype html><title>page</title><p>")

    page.route(f"{origin}/", answer)
    page.goto(f"{origin}/")
    return page


def call(page: Page, method: str, path: str, body: Any = None, csrf: str = "") -> tuple[int, Any]:
    status, content = page.evaluate(CALL, [method, path, csrf, body])
    return status, content


@pytest.mark.parametrize(("host", "name"), [("localhost", "an"), ("127.0.0.1", "lan")])
def test_chromium_keeps_the_cookie_on_this_machine_and_shows_it_to_no_script_and_no_other_page(
    running: Running, browser: Browser, host: str, name: str
) -> None:
    ours = f"http://{host}:{running.port}"
    other = f"http://{'127.0.0.1' if host == 'localhost' else 'localhost'}:{running.port}"
    context = browser.new_context()
    context.set_default_timeout(150_000)
    page = page_of(context, ours)
    given = {
        "name": name,
        "password": PASSWORD,
        "code": code_of(running.seeds[name]),
        "cookie": True,
    }
    status, opened = call(page, "POST", "/sessions", given)
    assert (status, opened["token"]) == (201, None), opened
    (kept,) = context.cookies()
    # Chromium takes `Secure` cookies over plain HTTP from this machine: docs/reference/sessions.md.
    assert (kept["name"], kept["secure"], kept["httpOnly"], kept["sameSite"]) == (
        COOKIE_NAME,
        True,
        True,
        "Strict",
    )
    assert page.evaluate("document.cookie") == ""
    status, who = call(page, "GET", "/sessions/self")
    assert (status, who["name"], who["csrf_token"]) == (200, name, opened["csrf_token"])

    assert _forged(context, ours, other) == {401}
    status, refused = call(page, "DELETE", "/sessions/self")
    assert (status, refused["type"]) == (403, "urn:secvault:problem:foreign-page")
    assert call(page, "GET", "/sessions/self")[0] == 200

    assert call(page, "DELETE", "/sessions/self", csrf=who["csrf_token"])[0] == 204
    assert context.cookies() == []
    assert call(page, "GET", "/sessions/self")[0] == 401
    context.close()


def _forged(context: BrowserContext, ours: str, other: str) -> set[int]:
    """How our service answers what a page of another site has this browser send."""
    evil = page_of(context, other)
    answered: list[int] = []
    evil.on("response", lambda one: answered.append(one.status) if one.url.startswith(ours) else 0)
    target = f"{ours}/api/v1/sessions/self/step-up/challenge"
    evil.evaluate(FORGE, target)
    with evil.expect_navigation():
        evil.evaluate(SUBMIT, target)
    evil.close()
    return set(answered)

"""Single sign-on by a real identity provider (Canaille), in a real Chromium and at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from secvault.api.browser import COOKIE_NAME
from tests.acceptance import identity_provider as idp
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    PROGRAM,
    SEED,
    Installation,
    code_of,
    free_port,
    new_installation,
)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

CALLBACK = "/api/v1/sign-in/oidc/corp/callback"
SETTINGS = """
[identity.oidc.corp]
issuer = "{issuer}/"
client_id = "secvault"
client_secret_file = "{secret}"
scopes = ["openid", "profile", "groups"]
groups = ["Payroll = hr.clerk@hr"]
second_factor = "provider"
amr_values = ["pwd"]
max_age_minutes = 60
unknown_people = "create"
department = "hr"
loopback_port = {loopback}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A vault that trusts a provider, both running."""
    folder = tmp_path_factory.mktemp("sso")
    made = new_installation(folder)
    ours, loopback = f"http://localhost:{made.port}", free_port()
    made = made.with_(SECVAULT_SERVER__PUBLIC_ORIGIN=ours)
    back = (f"{ours}{CALLBACK}", f"http://127.0.0.1:{loopback}/callback")
    with subprocess.Popen(
        [sys.executable, idp.__file__, *back],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as provider:
        assert provider.stdout
        assert provider.stdin
        issuer = provider.stdout.readline().strip()
        assert issuer
        secret = folder / "client-secret"
        secret.write_text(idp.SECRET)
        with (folder / "secvault.toml").open("a") as file:
            file.write(SETTINGS.format(issuer=issuer, secret=secret, loopback=loopback))
        with made.serving():
            yield made
        provider.stdin.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nobody yet."""
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(150_000)
    yield context.new_page()
    context.close()


def _at_the_provider(page: Page) -> None:
    """Sign in at the provider's own pages, and consent where it asks."""
    page.fill("input[name=login]", idp.NAME)
    page.click("button[type=submit]")
    page.fill("input[name=password]", idp.PASSWORD)
    page.click("button[type=submit]")
    consent = page.locator("button[name=answer][value=accept]")
    if consent.count():
        consent.click()


def _own_cookies(page: Page) -> list[Any]:
    # Those of the provider are there, too: cookies do not know ports.
    return [
        each
        for each in page.context.cookies()
        if each.get("name", "").startswith("__Host-secvault-oidc-")
    ]


def _why(running: Installation) -> str:
    """Why nobody was let in last, from the audit log: the answers say it to nobody."""
    newest = running.json("audit", "events", "--kind", "auth.sign_in")["events"][0]
    return str(newest["detail"].get("reason"))


def _shown(page: Page) -> Any:
    return json.loads(page.inner_text("body"))


def test_a_person_signs_in_at_the_provider_and_has_the_roles_of_their_groups(
    running: Installation, page: Page
) -> None:
    ours = f"http://localhost:{running.port}"
    page.goto(f"{ours}/api/v1/sign-in/oidc/corp")
    _at_the_provider(page)
    page.wait_for_url(f"{ours}{CALLBACK}*")
    session = _shown(page)
    assert session.get("name") == idp.NAME, _why(running)
    who = running.call("GET", "/api/v1/sessions/self", session["token"]).json()
    assert who["factors"] == ["oidc", "oidc_mfa"]
    listed = running.json("grants", "list")["grants"]
    mine = [(each["role"], each["source"]) for each in listed if each["subject"] == who["subject"]]
    assert mine == [("role:hr.clerk", "oidc:corp")]
    # The cookie that bound the browser is gone, and the answer is of no use a second time.
    assert not _own_cookies(page)
    used = page.url
    page.goto(used)
    assert _shown(page)["type"] == "urn:secvault:problem:not-authenticated"
    # The provider still knows the browser, and asks for nothing.
    page.goto(f"{ours}/api/v1/sign-in/oidc/corp")
    page.wait_for_url(f"{ours}{CALLBACK}*")
    assert _shown(page)["subject"] == session["subject"]
    signing_out = running.call("POST", "/api/v1/sessions/self/sign-out", session["token"]).json()
    assert "/oauth/end_session?client_id=secvault" in signing_out["url"]


def test_chromium_keeps_the_session_as_a_cookie_in_the_place_of_the_one_before(
    running: Installation, page: Page
) -> None:
    ours = f"http://localhost:{running.port}"
    kept = []
    for _ in range(2):
        page.goto(f"{ours}/api/v1/sign-in/oidc/corp?cookie=true")
        if not kept:
            _at_the_provider(page)
        page.wait_for_url(f"{ours}{CALLBACK}*")
        assert _shown(page).get("token", "") is None, _why(running)
        (cookie,) = [each for each in page.context.cookies() if each.get("name") == COOKIE_NAME]
        assert (cookie["sameSite"], cookie["httpOnly"], cookie["secure"]) == ("Strict", True, True)
        kept.append(cookie["value"])
        page.goto(f"{ours}/api/v1/sessions")
        by_cookie = [each["id"] for each in _shown(page)["sessions"] if each["carrier"] == "cookie"]
        assert by_cookie == [kept[-1].split("_")[1]]
    assert kept[0] != kept[1]


def test_a_browser_that_did_not_begin_signs_nobody_in(running: Installation, page: Page) -> None:
    ours = f"http://localhost:{running.port}"
    page.goto(f"{ours}/api/v1/sign-in/oidc/corp")
    (cookie,) = _own_cookies(page)
    page.context.clear_cookies(name=cookie["name"])
    _at_the_provider(page)
    page.wait_for_url(f"{ours}{CALLBACK}*")
    assert _shown(page)["type"] == "urn:secvault:problem:not-authenticated"


def test_a_terminal_signs_in_by_a_browser_on_the_same_machine(
    running: Installation, page: Page
) -> None:
    with subprocess.Popen(
        [*PROGRAM, "sign-in", "--provider", "corp"],
        env=running.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stderr
        try:
            url = next(line for line in program.stderr if line.startswith("http"))
            page.goto(url.strip())
            _at_the_provider(page)
            page.wait_for_url("http://127.0.0.1:*/callback*")
            assert "go back to the terminal" in page.inner_text("body")
            said, _ = program.communicate(timeout=300)
        finally:
            # It would wait for the browser for as long as a sign-in may take.
            program.kill()
    assert program.returncode == 0, _why(running)
    token = said.strip()
    assert token.startswith("svs_")
    who = running.call("GET", "/api/v1/sessions/self", token).json()
    assert who["name"] == idp.NAME


def test_nothing_that_completes_a_sign_in_lies_in_the_database_or_the_log(
    running: Installation, page: Page
) -> None:
    ours = f"http://localhost:{running.port}"
    page.goto(f"{ours}/api/v1/sign-in/oidc/corp")
    (cookie,) = _own_cookies(page)
    assert cookie["secure"]
    assert cookie["httpOnly"]
    _at_the_provider(page)
    page.wait_for_url(f"{ours}{CALLBACK}*")
    token = _shown(page).get("token")
    assert token, _why(running)
    brought = page.url.partition("?")[2]
    state, code = (
        next(part.partition("=")[2] for part in brought.split("&") if part.startswith(name))
        for name in ("state", "code")
    )
    kept = b"".join(file.read_bytes() for file in _files(running.data)) + running.log().encode()
    for secret in (cookie["value"], state, code, idp.SECRET, token):
        assert secret.encode() not in kept


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and os.access(file, os.R_OK)]


def test_an_administrator_cannot_sign_in_by_a_provider_that_does_not_know_them(
    running: Installation,
) -> None:
    given = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
    token = running.call("POST", "/api/v1/sessions", "", given).json()["token"]
    assert running.call("GET", "/api/v1/identities", token).json() == {"identities": []}

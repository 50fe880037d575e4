"""A passkey in a real Chromium with a virtual authenticator: registered, and used to sign in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.acceptance.furnished import answering
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    SEED,
    Installation,
    code_of,
    new_installation,
)

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

PAGE = "<!doctype html><title>passkeys</title>"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# What a page of ours does; arguments come from the test.
CALL = """async ([method, path, token, body]) => {
  const headers = {'Content-Type': 'application/json'};
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch('/api/v1' + path, {method, headers, body: JSON.stringify(body)});
  return [answer.status, await answer.json()];
}"""
CREATE = """async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({publicKey})).toJSON();
}"""
GET = """async (options) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({publicKey})).toJSON();
}"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A vault with an administrator, served."""
    installation = new_installation(tmp_path_factory.mktemp("passkeys"))
    with answering(installation):
        yield installation


class Browsing:
    """A page on the service's origin, with a virtual authenticator."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self.page: Page = browser.new_context().new_page()
        self.page.set_default_timeout(150_000)
        # The service has no pages yet: this one is answered for it, everything else by itself.
        self.page.route(f"{origin}/", self._answer)
        self.page.goto(f"{origin}/")
        self.devtools = self.page.context.new_cdp_session(self.page)
        self.devtools.send("WebAuthn.enable")
        added = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.authenticator = added["authenticatorId"]

    @staticmethod
    def _answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body=PAGE)

    def call(self, method: str, path: str, body: Any, token: str = "") -> tuple[int, Any]:
        """A request of the page to the service."""
        status, content = self.page.evaluate(CALL, [method, path, token, body])
        return status, content

    def ok(self, method: str, path: str, body: Any, token: str = "") -> Any:
        """The same, which must succeed."""
        status, content = self.call(method, path, body, token)
        assert status in (200, 201), (path, content)
        return content

    def create(self, options: Any) -> Any:
        """A new passkey."""
        return self.page.evaluate(CREATE, options)

    def get(self, options: Any) -> Any:
        """A passkey's answer."""
        return self.page.evaluate(GET, options)


def test_a_passkey_is_registered_and_signs_in_with_and_without_the_password(
    running: Installation, browser: Browser
) -> None:
    browsing = Browsing(browser, f"http://localhost:{running.port}")
    signing_in = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
    token = browsing.ok("POST", "/sessions", signing_in)["token"]
    new = {"name": "laptop", "password": PASSWORD}
    options = browsing.ok("POST", "/factors/passkeys/challenge", new, token)
    made = browsing.create(options["public_key"])
    kept = browsing.ok("POST", "/factors/passkeys", {"credential": made}, token)
    assert kept["name"] == "laptop"

    asked = browsing.ok("POST", "/sessions/passkey/challenge", {})
    shown = browsing.get(asked["public_key"])
    session = browsing.ok("POST", "/sessions/passkey", {"credential": shown})
    assert _who(running, session["token"]) == (ADMINISTRATOR, ["passkey"])
    assert browsing.call("POST", "/sessions/passkey", {"credential": shown})[0] == 401

    first = {"name": ADMINISTRATOR, "password": PASSWORD}
    asked = browsing.ok("POST", "/sessions/passkey/challenge", first)
    shown = browsing.get(asked["public_key"])
    session = browsing.ok("POST", "/sessions/passkey", {"credential": shown})
    assert _who(running, session["token"]) == (ADMINISTRATOR, ["password", "passkey"])

    asked = browsing.ok("POST", "/sessions/self/step-up/challenge", {}, session["token"])
    shown = {"credential": browsing.get(asked["public_key"])}
    renewed = browsing.ok("POST", "/sessions/self/step-up", shown, session["token"])
    assert _who(running, renewed["token"]) == (ADMINISTRATOR, ["password", "passkey"])

    _copy_of_the_key_is_noticed(browsing)


def _copy_of_the_key_is_noticed(browsing: Browsing) -> None:
    """An authenticator whose count went back, as that of a copied key does."""
    named = {"authenticatorId": browsing.authenticator}
    (credential,) = browsing.devtools.send("WebAuthn.getCredentials", named)["credentials"]
    assert credential["isResidentCredential"]
    browsing.devtools.send("WebAuthn.clearCredentials", named)
    copy = {**credential, "signCount": 0}
    browsing.devtools.send("WebAuthn.addCredential", {**named, "credential": copy})
    asked = browsing.ok("POST", "/sessions/passkey/challenge", {})
    shown = browsing.get(asked["public_key"])
    status, said = browsing.call("POST", "/sessions/passkey", {"credential": shown})
    assert (status, said["type"]) == (401, "urn:secvault:problem:not-authenticated")


def _who(running: Installation, token: str) -> tuple[str, list[str]]:
    who = running.call("GET", "/api/v1/sessions/self", token).json()
    return who["name"], who["factors"]

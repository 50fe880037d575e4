"""Sessions that a browser keeps: the cookie, what it is good for, and the proof beside it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from secvault.api.browser import COOKIE_NAME, LOOKING
from secvault.api.declared import declaration_of
from tests.running_service import PASSWORD, STEP, Api, Front
from tests.software_authenticator import ORIGIN, SoftwareAuthenticator

V1 = "/api/v1"
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}
ATTRIBUTES = {"Path=/", "Secure", "HttpOnly", "SameSite=strict"}
FOREIGN = "urn:secvault:problem:foreign-page"


@dataclass
class Browser:
    """A browser with a session. headers: what it says of the page that asks."""

    api: Api
    cookie: str
    csrf: str

    def __call__(
        self, method: str, path: str, body: Any = None, page: Mapping[str, str] = OURS, **more: Any
    ) -> Any:
        headers = {**page, "Cookie": f"{COOKIE_NAME}={self.cookie}", **more.pop("headers", {})}
        return self.api(method, path, None, body, headers=headers)

    def proving(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The same with the CSRF token."""
        return self(method, path, body, headers={"X-CSRF-Token": self.csrf}, **more)


def credentials(api: Api, who: str = "clerk") -> dict[str, Any]:
    api.house.hands.seconds += STEP
    code = api.house.hands.code(api.house.seeds[who])
    return {"name": who, "password": PASSWORD, "code": code, "cookie": True}


def kept(response: Any) -> str:
    """The value of the cookie that was set, and nothing about it that is not meant."""
    (line,) = response.headers.get_list("set-cookie")
    pair, *attributes = line.split("; ")
    assert set(attributes) == ATTRIBUTES
    name, _, value = pair.partition("=")
    assert name == COOKIE_NAME
    return str(value)


def signed_in(api: Api, who: str = "clerk", cookie: str = "") -> Browser:
    headers = {**OURS, **({"Cookie": f"{COOKIE_NAME}={cookie}"} if cookie else {})}
    opened = api("POST", f"{V1}/sessions", None, credentials(api, who), headers=headers)
    assert opened.status_code == 201, opened.text
    assert opened.json()["token"] is None
    assert "svs_" not in opened.text
    return Browser(api, kept(opened), opened.json()["csrf_token"])


@pytest.fixture
def browser(api: Api) -> Browser:
    """The clerk's browser."""
    return signed_in(api)


def rows(api: Api) -> list[tuple[Any, ...]]:
    """All that is stored but the audit log and the moments of last use."""
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = []
        for (table,) in tables:
            if table.startswith("audit"):
                continue
            found += [(table, *row) for row in database.execute(f'SELECT * FROM "{table}"')]
        return found


def unsafe_routes(front: Front) -> Iterator[tuple[str, str]]:
    """Method and path of every route that may change something and is not open to everybody."""
    for route in iter_route_contexts(front.routes.routes):
        declared = declaration_of(route.endpoint)
        if isinstance(route.route, APIRoute) and declared and declared.actions:
            for method in set(route.methods or ()) - LOOKING:
                yield method, re.sub(r"\{[^}]*\}", "x", str(route.path))


def test_a_session_in_a_cookie_is_its_persons_and_its_token_is_shown_to_no_script(
    api: Api, browser: Browser
) -> None:
    assert re.fullmatch(r"svs_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", browser.cookie)
    who = browser("GET", f"{V1}/sessions/self").json()
    assert (who["name"], who["factors"]) == ("clerk", ["password", "totp"])
    assert who["csrf_token"] == browser.csrf
    assert api.ok("GET", f"{V1}/sessions/self", "clerk")["csrf_token"] is None
    (listed,) = [each for each in browser("GET", f"{V1}/sessions").json()["sessions"]
                 if each["present"]]  # fmt: skip
    assert listed["carrier"] == "cookie"
    assert api.house.tokens["clerk"]  # the one from before is still open, in a header


def test_the_token_of_a_cookie_is_good_in_nothing_else_and_no_other_is_good_in_it(
    api: Api, browser: Browser
) -> None:
    assert api("GET", f"{V1}/sessions/self", browser.cookie).status_code == 401
    planted = Browser(api, api.house.tokens["clerk"], browser.csrf)
    assert planted("GET", f"{V1}/sessions/self").status_code == 401
    system = Browser(api, api.house.tokens["system"], browser.csrf)
    assert system("GET", f"{V1}/sessions/self").status_code == 401


def test_a_cookie_and_a_header_together_are_refused(api: Api, browser: Browser) -> None:
    for who in ("clerk", "admin", "nonsense"):
        token = api.house.tokens.get(who, who)
        both = {"Authorization": f"Bearer {token}"}
        answer = browser("GET", f"{V1}/sessions/self", headers=both)
        assert answer.status_code == 401
        assert "not both" in answer.json()["detail"]


def test_the_paths_of_vaults_clients_look_at_no_cookie(api: Api, browser: Browser) -> None:
    assert browser.proving("GET", "/v1/sys/capabilities-self").status_code in (403, 405)
    assert browser.proving("POST", "/v1/transit/encrypt/k", {"plaintext": ""}).status_code == 403
    headers = {"X-Vault-Token": api.house.tokens["system"]}
    sealed = browser("POST", "/v1/transit/encrypt/k", {"plaintext": "YQ=="}, headers=headers)
    assert sealed.status_code == 200, sealed.text


def test_every_route_that_changes_something_refuses_a_cookie_without_the_proof(
    api: Api, front: Front
) -> None:
    browser = signed_in(api, "admin")
    tried = list(unsafe_routes(front))
    native = [path for _, path in tried if path.startswith(V1)]
    assert len(native) > 30
    before = rows(api)
    for method, path in tried:
        for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": browser.csrf[:-1] + "-"}):
            answer = browser(method, path, {}, headers=wrong)
            assert answer.status_code == 403, (method, path, answer.status_code)
            if path.startswith(V1):
                assert answer.json()["type"] == FOREIGN, (method, path)
    assert rows(api) == before


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.com"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8201"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-origin, cross-site", "Origin": ORIGIN},
    ],
)
def test_a_page_of_another_origin_changes_nothing_even_with_the_token(
    api: Api, browser: Browser, page: Mapping[str, str]
) -> None:
    before = rows(api)
    refused = browser.proving("DELETE", f"{V1}/sessions/self", page=page)
    assert (refused.status_code, refused.json()["type"]) == (403, FOREIGN)
    assert rows(api) == before
    events = api.ok("GET", f"{V1}/audit/events?kind=access.refused", "auditor")["events"]
    assert [each["detail"]["reason"] for each in events] == ["foreign-page"]


@pytest.mark.parametrize(
    "page",
    [
        OURS,
        {"Sec-Fetch-Site": "same-origin"},
        # A form of a page whose Referrer-Policy is no-referrer, as ours is.
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        # A browser that says less.
        {"Origin": ORIGIN},
        {"Origin": "http://127.0.0.1:8200"},
    ],
)
def test_a_page_of_ours_with_the_token_signs_out(
    api: Api, browser: Browser, page: Mapping[str, str]
) -> None:
    done = browser.proving("DELETE", f"{V1}/sessions/self", page=page)
    assert done.status_code == 204, done.text
    (line,) = done.headers.get_list("set-cookie")
    assert line.startswith(f'{COOKIE_NAME}=""; ')
    assert {"Max-Age=0", *ATTRIBUTES} < set(line.split("; "))
    assert done.headers["clear-site-data"] == '"cache", "storage"'
    assert browser("GET", f"{V1}/sessions/self").status_code == 401


def test_looking_needs_no_token_but_no_page_of_another_origin_may(browser: Browser) -> None:
    path = f"{V1}/sessions/self"
    assert browser("GET", path, page={}).status_code == 200
    assert browser("GET", path, page={"Sec-Fetch-Site": "none"}).status_code == 200
    for site in ("cross-site", "same-site", ""):
        assert browser("GET", path, page={"Sec-Fetch-Site": site}).status_code == 403


def test_the_token_of_one_session_is_of_no_use_in_another(api: Api, browser: Browser) -> None:
    other = signed_in(api, "head")
    mixed = Browser(api, browser.cookie, other.csrf)
    assert mixed.proving("DELETE", f"{V1}/sessions/self").status_code == 403


def test_a_page_of_another_origin_cannot_sign_its_visitor_in(api: Api) -> None:
    before = rows(api)
    for page in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = api("POST", f"{V1}/sessions", None, credentials(api), headers=page)
        assert (answer.status_code, answer.json()["type"]) == (403, FOREIGN)
        assert "set-cookie" not in answer.headers
    assert rows(api) == before


def test_signing_in_and_stepping_up_give_a_new_cookie_and_end_the_old_session(api: Api) -> None:
    first = signed_in(api)
    second = signed_in(api, cookie=first.cookie)
    assert first.cookie != second.cookie
    assert first("GET", f"{V1}/sessions/self").status_code == 401
    api.house.hands.seconds += STEP
    code = {"code": api.house.hands.code(api.house.seeds["clerk"])}
    stepped = second.proving("POST", f"{V1}/sessions/self/step-up", code)
    assert stepped.status_code == 200, stepped.text
    assert stepped.json()["token"] is None
    third = Browser(api, kept(stepped), stepped.json()["csrf_token"])
    assert second("GET", f"{V1}/sessions/self").status_code == 401
    assert second.csrf != third.csrf
    assert third.proving("DELETE", f"{V1}/sessions/self").status_code == 204


def test_a_planted_cookie_does_not_become_the_session_of_who_signs_in(api: Api) -> None:
    planted = signed_in(api, "head")
    victim = signed_in(api, "clerk", cookie=planted.cookie)
    assert victim.cookie != planted.cookie
    assert planted("GET", f"{V1}/sessions/self").status_code == 401
    assert victim("GET", f"{V1}/sessions/self").json()["name"] == "clerk"


def test_a_passkey_and_a_recovery_code_open_sessions_in_cookies_too(
    api: Api, browser: Browser
) -> None:
    key = SoftwareAuthenticator()
    own = {"password": PASSWORD}
    begin = f"{V1}/factors/passkeys/challenge"
    options = browser.proving("POST", begin, {"name": "key", **own}).json()
    made = {"credential": key.create(options["public_key"])}
    assert browser.proving("POST", f"{V1}/factors/passkeys", made).status_code == 201
    codes = browser.proving("POST", f"{V1}/factors/recovery-codes", own).json()["codes"]
    asked = api.ok("POST", f"{V1}/sessions/passkey/challenge", None, {})["public_key"]
    shown = {"credential": key.get(asked), "cookie": True}
    by_key = api("POST", f"{V1}/sessions/passkey", None, shown, headers=OURS)
    assert by_key.json()["token"] is None
    kept(by_key)
    typed = {"name": "clerk", "password": PASSWORD, "code": codes[0], "cookie": True}
    recovered = api("POST", f"{V1}/sessions/recovery", None, typed, headers=OURS)
    assert (recovered.json()["token"], recovered.json()["codes_left"]) == (None, 9)
    again = Browser(api, kept(recovered), recovered.json()["csrf_token"])
    assert again("GET", f"{V1}/sessions/self").json()["factors"] == ["password", "recovery"]


def test_every_answer_keeps_browsers_strict(api: Api, browser: Browser) -> None:
    for answer in (
        api("POST", f"{V1}/sessions", None, credentials(api), headers=OURS),
        browser("GET", f"{V1}/sessions/self"),
        api("GET", "/nowhere"),
        api("GET", "/health/live"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        policy = set(answer.headers["content-security-policy"].split("; "))
        assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} < policy
        assert "access-control-allow-origin" not in answer.headers


def test_all_other_sessions_of_ones_own_end_at_once_after_a_fresh_factor(
    api: Api, browser: Browser
) -> None:
    other = signed_in(api)
    assert other.proving("DELETE", f"{V1}/sessions").json() == {"ended": 2}
    assert browser("GET", f"{V1}/sessions/self").status_code == 401
    assert api("GET", f"{V1}/sessions/self", "clerk").status_code == 401
    assert other("GET", f"{V1}/sessions/self").status_code == 200
    assert api("GET", f"{V1}/sessions/self", "head").status_code == 200
    api.house.hands.seconds += 301
    stale = other.proving("DELETE", f"{V1}/sessions")
    assert stale.status_code == 401
    assert stale.json()["type"] == "urn:secvault:problem:step-up-required"
    assert other.proving("DELETE", f"{V1}/sessions/self").status_code == 204

"""Into the console and out of it, without JavaScript."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
from fastapi.routing import iter_route_contexts

from secvault.api.browser import COOKIE_NAME
from secvault.api.declared import declaration_of
from secvault.console import assets
from secvault.console.page import POLICY, own_path
from tests.console.browsing import OWN, Browsing, signed_in
from tests.running_service import PASSWORD, Api, Front

FOREIGN = ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, {})


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(api: Api) -> None:
    browser = Browsing(api)
    sent = browser.get("/")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")
    assert browser.get("/sign-in").status_code == 200
    answer = browser.sign_in("clerk", next="/?from=mail")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?from=mail")
    assert "clerk" in browser.get("/").text
    again = browser.get("/sign-in")
    assert (again.status_code, again.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        # What is put on record by being asked for.
        "/api/v1/recovery/kit/file",
        "/./%61pi/v1/recovery/kit/file?format=json",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_than_to_a_page_after_signing_in(api: Api, to: str) -> None:
    assert own_path(to) == "/"
    assert Browsing(api).sign_in("clerk", next=to).headers["location"] == "/"


def test_a_wrong_password_a_wrong_code_and_nobody_look_the_same(api: Api) -> None:
    shown = set()
    for name, password, code in (
        ("clerk", "not the password", "123456"),
        ("clerk", PASSWORD, "000000"),
        ("nobody", PASSWORD, "123456"),
        ("", "", ""),
    ):
        browser = Browsing(api)
        answer = browser.submit("/sign-in", name=name, password=password, code=code)
        assert answer.status_code == 401
        assert COOKIE_NAME not in browser.cookies
        assert password not in answer.text or not password
        shown.add(answer.text.replace(f'value="{name}"', 'value=""').replace(" autofocus", ""))
    assert len(shown) == 1


@pytest.mark.parametrize("page", FOREIGN, ids=["another site's", "no browser's"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/language"])
def test_forms_of_other_pages_change_nothing(api: Api, page: dict[str, str], path: str) -> None:
    browser = signed_in(api, "clerk")
    fields = {"name": "clerk", "password": PASSWORD, "code": "123456", "language": "vi"}
    answer = browser.submit(path, page, **fields)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert browser.get("/").status_code == 200


def test_signing_out_needs_the_pages_own_token_and_ends_the_session(api: Api) -> None:
    browser = signed_in(api, "clerk")
    cookie, csrf = browser.cookies[COOKIE_NAME], browser.csrf()
    assert browser.submit("/sign-out").status_code == 403
    assert browser.submit("/sign-out", csrf="x" * len(csrf)).status_code == 403
    other = signed_in(api, "head")
    assert browser.submit("/sign-out", csrf=other.csrf()).status_code == 403
    assert browser.get("/").status_code == 200

    out = browser.submit("/sign-out", csrf=csrf)
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert '"cache"' in out.headers["clear-site-data"]
    assert COOKIE_NAME not in browser.cookies
    browser.cookies[COOKIE_NAME] = cookie
    assert browser.get("/").status_code == 303


def test_every_page_of_who_signed_in_lets_them_sign_out(api: Api, front: Front) -> None:
    browser = signed_in(api, "admin")
    pages = [
        str(route.path)
        for route in iter_route_contexts(front.routes.routes)
        if route.endpoint.__module__.startswith("secvault.console.")
        and "GET" in (route.methods or ())
        and declaration_of(route.endpoint).actions  # type: ignore[union-attr]
        and "{" not in str(route.path)
    ]
    assert "/" in pages
    for path in pages:
        shown = browser.get(path)
        if shown.status_code == HTTPStatus.SEE_OTHER:
            shown = browser.get(shown.headers["location"])
        assert 'action="/sign-out"' in shown.text, path


def test_pages_allow_nothing_inline_nothing_of_other_hosts_and_no_frames(api: Api) -> None:
    for answer in (Browsing(api).get("/sign-in"), signed_in(api, "admin").get("/")):
        assert answer.headers["content-security-policy"] == POLICY
        assert "unsafe" not in POLICY
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        for inline in ("<style", " style=", " onclick=", "http://", "https://"):
            assert inline not in answer.text
        # Scripts are files of this host.
        assert re.findall(r"<script[^>]*>(?!</script>)", answer.text) == []
        scripts = re.findall(r'<script src="([^"]*)"', answer.text)
        assert set(scripts) <= {assets.place_of("passkey.js")}


def test_programs_are_answered_as_before(api: Api) -> None:
    answer = api("GET", "/api/v1/sessions/self")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "script-src" not in answer.headers["content-security-policy"]


def test_what_does_not_fit_into_a_form_is_a_page_and_no_traceback(api: Api) -> None:
    answer = Browsing(api).submit("/sign-in", name="n" * 201)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "n" * 201 not in answer.text


def test_hostile_text_is_shown_as_text(api: Api) -> None:
    name = '"><script>alert(1)</script>'
    answer = Browsing(api).submit("/sign-in", OWN, name=name, password="x", code="1")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text

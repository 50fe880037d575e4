"""Calling systems in the console: made, given tokens that are shown once, and shut out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api

FORMS = (
    "/new-system",
    "/systems/system/tokens",
    "/systems/system/tokens/0000000000/rotate",
    "/systems/system/tokens/0000000000/revoke",
    "/systems/system/owner",
    "/systems/system/disable",
)


def sent(browser: Browsing, path: str, **fields: str) -> Any:
    """A form with the session's own token."""
    return browser.submit(path, csrf=browser.csrf(), **fields)


def shown_token(answer: Any) -> str:
    """The token of an answer that shows one."""
    assert answer.status_code == 200, answer.text
    found = re.search(r'<code class="code"[^>]*>(svt_\w+)</code>', answer.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/systems", "/systems/system", "/new-system"])
def test_the_pages_are_for_who_may_read_the_same_by_the_api(api: Api, path: str) -> None:
    assert Browsing(api).get(path).headers["location"] == f"/sign-in?next={path}"
    may_read = api("GET", "/api/v1/systems", "auditor").status_code == 200
    for who in ("admin", "auditor", "clerk"):
        allowed = who == "admin" or (who == "auditor" and may_read and path != "/new-system")
        answer = signed_in(api, who).get(path)
        assert answer.status_code == (200 if allowed else 403), who


def test_no_form_does_anything_without_the_right_and_the_sessions_own_token(api: Api) -> None:
    admin, clerk = signed_in(api, "admin"), signed_in(api, "clerk")
    before = api.ok("GET", "/api/v1/tokens", "admin"), api.ok("GET", "/api/v1/systems", "admin")
    csrf = clerk.csrf()
    for path in FORMS:
        assert admin.submit(path).status_code == 403, path
        assert clerk.submit(path, csrf=csrf).status_code == 403, path
    after = api.ok("GET", "/api/v1/tokens", "admin"), api.ok("GET", "/api/v1/systems", "admin")
    assert after == before


def test_a_system_is_added_and_its_token_shown_once(api: Api) -> None:
    admin = signed_in(api, "admin")
    wrong = sent(admin, "/new-system", name="payroll sync", department="hr", owner="admin")
    assert wrong.status_code == 422
    assert 'value="payroll sync"' in wrong.text
    new = {"name": "payroll-sync", "department": "hr", "owner": "admin", "role": "role:hr.clerk"}
    made = sent(admin, "/new-system", **new)
    assert (made.status_code, made.headers["location"]) == (303, "/systems/payroll-sync")
    page = admin.get("/systems/payroll-sync").text
    assert "hr.clerk" in page
    assert "this system cannot call" in page
    fields = {"display_name": '"><script>', "days": "7", "networks": "10.0.0.0/8 ::1"}
    issued = sent(admin, "/systems/payroll-sync/tokens", **fields)
    token = shown_token(issued)
    assert "<script" not in issued.text
    page = admin.get("/systems/payroll-sync").text
    assert token not in page
    assert token.split("_")[1] in page
    assert "<script" not in page
    assert "10.0.0.0/8" in page
    for bad in ({"days": "many"}, {"days": "9999"}, {"networks": "the office"}):
        answer = sent(admin, "/systems/payroll-sync/tokens", **{**fields, **bad})
        assert answer.status_code == 422, bad
        assert 'role="alert"' in answer.text
    assert "payroll-sync" in admin.get("/systems").text


def test_a_token_is_replaced_and_revoked(api: Api) -> None:
    admin = signed_in(api, "admin")
    old = api.house.tokens["system"]
    key_id = old.split("_")[1]
    new = shown_token(sent(admin, f"/systems/system/tokens/{key_id}/rotate"))
    for token in (old, new):
        assert api("GET", "/v1/auth/token/lookup-self", token).status_code == 200
    page = admin.get("/systems/system").text
    assert f"/tokens/{key_id}/rotate" not in page
    assert new not in page
    answer = sent(admin, f"/systems/system/tokens/{new.split('_')[1]}/revoke")
    assert (answer.status_code, answer.headers["location"]) == (303, "/systems/system")
    assert api("GET", "/v1/auth/token/lookup-self", new).status_code == 403
    assert "revoked" in admin.get("/systems/system").text


def test_a_system_is_handed_over_and_shut_out(api: Api) -> None:
    admin = signed_in(api, "admin")
    wrong = sent(admin, "/systems/system/owner", owner="nobody")
    assert wrong.status_code == 422
    assert 'value="nobody"' in wrong.text
    assert sent(admin, "/systems/system/owner", owner="head").status_code == 303
    assert "<bdi>head</bdi>" in admin.get("/systems/system").text
    sent(admin, "/people/head/disable")
    assert "is not active: hand it over" in admin.get("/systems").text
    assert sent(admin, "/systems/system/disable").status_code == 303
    page = admin.get("/systems/system").text
    assert '<dd class="disabled">' in page
    assert '/systems/system/tokens"' not in page
    assert admin.get("/systems/nothing").status_code == 404


def test_the_pages_of_systems_speak_vietnamese(api: Api) -> None:
    admin = signed_in(api, "admin")
    admin.submit("/language", language="vi")
    for path, said in (
        ("/systems", "Người chịu trách nhiệm"),
        ("/systems/system", "Cấp mã truy cập"),
        ("/new-system", "Thêm hệ thống"),
    ):
        assert said in admin.get(path).text, path

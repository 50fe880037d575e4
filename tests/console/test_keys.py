"""Keys on pages: their ages and uses, rotation, re-wrapping, and the seal over all of them."""

from __future__ import annotations

import base64

import pytest

from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api, join

DAY = 24 * 3600
KEY = "/keys/transit/payments"


@pytest.fixture
def used(api: Api) -> Api:
    """With a key that has a rule of 90 days and was used once."""
    api.ok("POST", "/v1/transit/keys/payments", "system", {"auto_rotate_period": "2160h"})
    text = base64.b64encode(b"a value").decode()
    api.ok("POST", "/v1/transit/encrypt/payments", "system", {"plaintext": text})
    return api


def test_keys_are_listed_with_their_ages_to_who_may_list_them(used: Api) -> None:
    for who in ("admin", "auditor"):
        page = signed_in(used, who).get("/keys").text
        assert f'href="{KEY}"' in page
        assert "No key is past its time." in page
        assert "of 90 days" in page
    clerk = signed_in(used, "clerk")
    assert clerk.get("/keys").status_code == 403
    assert clerk.get(KEY).status_code == 403
    assert 'href="/keys"' not in clerk.get("/").text
    assert Browsing(used).get("/keys").status_code == 303


def test_a_key_past_its_time_comes_first_and_is_rotated_with_one_button(used: Api) -> None:
    used.house.hands.seconds += 91 * DAY
    browser = signed_in(used, "admin")
    assert "One key wants to be rotated." in browser.get("/keys").text
    page = browser.get(KEY).text
    assert "past its time" in page
    done = browser.submit(f"{KEY}/rotate", csrf=browser.csrf(KEY))
    assert (done.status_code, done.headers["location"]) == (303, KEY)
    after = browser.get(KEY).text
    assert "Version 2" in after
    assert "past its time" not in after
    assert "No key is past its time." in browser.get("/keys").text


def test_who_only_looks_rotates_nothing(used: Api) -> None:
    browser = signed_in(used, "auditor")
    assert "/rotate" not in browser.get(KEY).text
    assert browser.submit(f"{KEY}/rotate", csrf=browser.csrf(KEY)).status_code == 403
    admin = signed_in(used, "admin")
    assert admin.submit(f"{KEY}/rotate").status_code == 403
    assert admin.get(f"{KEY}/rotate").status_code in (404, 405)
    assert "Version 2" not in admin.get(KEY).text
    assert admin.get("/keys/transit/none").status_code == 404
    assert admin.get("/keys/records/payroll").status_code == 404


def test_data_keys_are_re_wrapped_at_the_word_of_who_may(used: Api) -> None:
    with used.house.open() as service:
        join(service, used.house, "lan", *(("role:it.admin", where) for where in ("it", "hr")))
    assert 'action="/keys/rewraps"' not in signed_in(used, "admin").get("/keys").text
    browser = signed_in(used, "lan")
    page = browser.get("/keys").text
    assert 'value="payroll"' in page
    csrf = browser.csrf("/keys")
    asked = browser.submit("/keys/rewraps", csrf=csrf, collection="payroll", rotate="yes")
    assert (asked.status_code, asked.headers["location"]) == (303, "/keys#rewraps")
    (run,) = used.ok("GET", "/api/v1/keys/rewraps", "auditor")["rewraps"]
    page = browser.get("/keys").text
    assert "waits for the worker" in page
    assert "Payroll" in page
    stop = f"/keys/rewraps/{run['id']}/stop"
    assert stop in page
    auditor = signed_in(used, "auditor")
    seen = auditor.get("/keys").text
    assert "waits for the worker" in seen
    assert stop not in seen
    assert 'action="/keys/rewraps"' not in seen
    assert auditor.submit(stop, csrf=auditor.csrf("/keys")).status_code == 403
    assert browser.submit(stop, csrf=csrf).status_code == 303
    unknown = browser.submit("/keys/rewraps", csrf=csrf, collection="none")
    assert unknown.status_code == 404


def test_the_seal_is_told_without_anything_secret(used: Api) -> None:
    page = signed_in(used, "admin").get("/seal")
    assert page.status_code == 200
    assert "The vault is open." in page.text
    assert "A key file on the server" in page.text
    assert str(used.house.folder) not in page.text
    assert signed_in(used, "clerk").get("/seal").status_code == 200
    assert Browsing(used).get("/seal").status_code == 303


def test_keys_are_whole_in_vietnamese(used: Api) -> None:
    browser = signed_in(used, "admin")
    browser.submit("/language", language="vi")
    assert "Không có khóa nào quá hạn." in browser.get("/keys").text
    assert "Xoay khóa" in browser.get(KEY).text
    assert "Kho đang mở." in browser.get("/seal").text

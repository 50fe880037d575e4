"""From an invitation to an account, by three forms."""

from __future__ import annotations

import re

import pytest

from tests.console.browsing import Browsing
from tests.console.forms import admin_token, fields, seed_of, two
from tests.running_service import STEP, Api

PASSWORD = "a passphrase of one's own 42"
NAME = '<script>alert(1)</script> "Lan"'


@pytest.fixture
def code(api: Api) -> str:
    """The code of an invitation."""
    new = {"name": "lan.tran", "display_name": NAME, "department": "hr"}
    made = api.ok("POST", "/api/v1/people", admin_token(api), new)
    return str(made["invitation"]["code"])


def test_who_is_invited_chooses_a_password_enrols_a_device_and_signs_in(
    api: Api, code: str
) -> None:
    browser = Browsing(api)
    assert 'href="/join"' in browser.get("/sign-in").text
    assert browser.get("/join").status_code == 200
    greeted = browser.submit("/join", code=code)
    assert greeted.status_code == 200, greeted.text
    assert "lan.tran" in greeted.text
    assert "<script" not in greeted.text
    given = fields(greeted.text, "/join/password")
    easy = browser.submit("/join/password", **{**given, "password": "lan.tran"})
    assert easy.status_code == 422
    given = fields(easy.text, "/join/password")
    begun = browser.submit("/join/password", **{**given, "password": PASSWORD})
    assert begun.status_code == 200, begun.text
    assert PASSWORD not in begun.text
    assert "<svg " in begun.text
    seed = seed_of(begun.text)
    given = fields(begun.text, "/join/codes")
    unfit = browser.submit("/join/codes", **{**given, "first": "000000", "second": "000001"})
    assert unfit.status_code == 422
    assert seed not in unfit.text
    given = {**fields(unfit.text, "/join/codes"), **two(api, seed)}
    done = browser.submit("/join/codes", **given)
    assert done.status_code == 200, done.text
    assert len(re.findall(r'<code class="secret">', done.text)) == 10
    assert done.headers["cache-control"] == "no-store"
    api.house.hands.seconds += STEP
    signed = browser.submit(
        "/sign-in", name="lan.tran", password=PASSWORD, code=api.house.hands.code(seed)
    )
    assert signed.status_code == 303
    assert "You hold no role yet" in browser.get("/account").text
    assert browser.submit("/join", code=code).status_code == 401


def test_a_code_that_is_not_good_opens_nothing(api: Api, code: str) -> None:
    browser = Browsing(api)
    for wrong in ("", "sva_nonsense", code[:-1] + ("x" if code[-1] != "x" else "y")):
        for path in ("/join", "/join/password", "/join/codes"):
            given = {"code": wrong, "password": PASSWORD, "first": "1", "second": "2"}
            answer = browser.submit(path, **given)
            assert answer.status_code == 401, (path, wrong)
            assert "This code is not good" in answer.text
            assert "lan.tran" not in answer.text


@pytest.mark.parametrize("page", [{}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_of_another_origin_begins_nothing(api: Api, code: str, page: dict[str, str]) -> None:
    for path in ("/join", "/join/password", "/join/codes"):
        answer = Browsing(api).submit(path, page, code=code, password=PASSWORD)
        assert answer.status_code == 403


def test_the_pages_speak_vietnamese(api: Api) -> None:
    browser = Browsing(api)
    browser.submit("/language", language="vi", next="/join")
    assert "<h1>Nhận lời mời</h1>" in browser.get("/join").text
    wrong = browser.submit("/join/password", code="x")
    assert 'name="next" value="/join"' in wrong.text

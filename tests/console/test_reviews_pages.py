"""Access reviews in the console: begun, decided by who is asked, and ended."""

from __future__ import annotations

import re
from typing import Any

import pytest

from secvault.console import reviews
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api, House, join

ADMIN = ("role:it.admin", "it")


@pytest.fixture
def two(house: House) -> House:
    """With a second administrator, who begins reviews."""
    with house.open() as service:
        join(service, house, "binh", ADMIN)
    return house


def sent(browser: Browsing, path: str, **fields: str) -> Any:
    """A form with the session's own token."""
    return browser.submit(path, csrf=browser.csrf(), **fields)


def begun(browser: Browsing, **more: str) -> str:
    """The path of a new review of human resources."""
    new = {"name": "Q4", "department": "hr", "days": "5", **more}
    answer = sent(browser, "/new-review", **new)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_pages_are_for_who_may_read_the_same_by_the_api(two: House, api: Api) -> None:
    path = begun(signed_in(api, "binh"))
    for place, allowed in (
        ("/reviews", {"admin", "auditor", "clerk", "head"}),
        ("/new-review", {"admin", "auditor"}),
        (path, {"admin", "auditor"}),
    ):
        assert Browsing(api).get(place).status_code == 303
        for who in ("admin", "auditor", "clerk", "head"):
            answer = signed_in(api, who).get(place)
            assert answer.status_code == (200 if who in allowed else 403), (place, who)
    assert "All reviews" not in signed_in(api, "head").get("/reviews").text
    clerk = signed_in(api, "clerk")
    for form in ("/new-review", f"{path}/end"):
        assert sent(clerk, form, name="mine", days="5").status_code == 403
        assert signed_in(api, "admin").submit(form).status_code == 403


def test_a_head_decides_what_they_are_asked_and_nothing_else(two: House, api: Api) -> None:
    path = begun(signed_in(api, "binh"))
    head, clerk = signed_in(api, "head"), signed_in(api, "clerk")
    page = head.get("/reviews").text
    items = re.findall(r'action="(/reviews/items/\w{32})"', page)
    assert len(items) == 1
    assert "Clerk" in page
    assert "Nothing waits for you." in clerk.get("/reviews").text
    kept = {"verdict": "keep", "comment": "still there"}
    assert sent(clerk, items[0], **kept).status_code == 404
    assert head.submit(items[0], **kept).status_code == 403
    for wrong in ({"comment": ""}, {"verdict": "maybe"}, {"verdict": "shorten", "days": "x"}):
        answer = sent(head, items[0], **{**kept, **wrong})
        assert answer.status_code == 422, wrong
        assert 'role="alert"' in answer.text
    answer = sent(head, items[0], **kept)
    assert (answer.status_code, answer.headers["location"]) == (303, "/reviews")
    assert "Nothing waits for you." in head.get("/reviews").text
    shown = signed_in(api, "auditor").get(f"{path}?state=kept").text
    assert "still there" in shown
    assert sent(signed_in(api, "auditor"), f"{path}/end").status_code == 409


def test_a_review_is_paged_and_says_what_is_wrong_with_its_form(
    two: House, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    binh = signed_in(api, "binh")
    for wrong in ({"name": ""}, {"days": "many"}, {"department": "sales"}, {"fallback": "nobody"}):
        fields = {"name": '"><script>', "department": "hr", "days": "5", **wrong}
        answer = sent(binh, "/new-review", **fields)
        assert answer.status_code in (404, 422), wrong
        assert "<script" not in answer.text
    path = begun(binh, name='"><script>')
    monkeypatch.setattr(reviews, "PAGE", 2)
    first = binh.get(path).text
    assert "<script" not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = binh.get(following[1].replace("&amp;", "&")).text
    assert len(re.findall(r'scope="row"', first + second)) == 3
    assert binh.get(f"{path}?state=gone").status_code == 422
    binh.submit("/language", language="vi")
    assert "Rà soát quyền" in binh.get("/reviews").text
    assert "Hạn chót" in binh.get(path).text


def test_an_item_is_given_to_somebody_else_who_may_review_it(two: House, api: Api) -> None:
    admin = signed_in(api, "admin")
    path = begun(signed_in(api, "binh"))
    page = admin.get(path).text
    forms = re.findall(rf'action="({path}/items/\w{{32}}/reviewer)"', page)
    assert forms
    refused = signed_in(api, "clerk")
    assert sent(refused, forms[0], reviewer="auditor").status_code == 403
    assert admin.submit(forms[0], reviewer="auditor").status_code == 403
    assert sent(admin, forms[0], reviewer="nobody").status_code == 404
    # Whoever has begun it reviews nothing in it.
    answer = sent(admin, forms[0], reviewer="binh")
    assert answer.status_code == 409
    assert "That was not taken" in answer.text
    taken = [sent(admin, form, reviewer="auditor", state="open").status_code for form in forms]
    assert 303 in taken
    assert "<bdi>auditor</bdi>" in admin.get(path).text

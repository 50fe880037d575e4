"""People in the console: found, looked at, invited, given roles, and shut out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from secvault.console import people
from tests.console.browsing import Browsing, signed_in
from tests.running_service import PASSWORD, STEP, Api, add_person

HOSTILE = '"><script>alert(1)</script>'
FORMS = (
    "/people/clerk/disable",
    "/people/clerk/enable",
    "/people/clerk/unlock",
    "/people/clerk/change",
    "/people/clerk/sessions/end",
    "/people/clerk/sessions/0000000000/end",
    "/people/clerk/invitation",
    "/people/clerk/invitation/end",
    "/people/clerk/factors/reset",
    "/people/clerk/factors/0000000000/end",
    "/people/clerk/password/reset",
    "/people/clerk/grants",
    "/people/clerk/grants/g00000000000000000000/end",
    "/invite",
)


def sent(browser: Browsing, path: str, **fields: str) -> Any:
    """A form with the session's own token."""
    return browser.submit(path, csrf=browser.csrf(), **fields)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/people", {"admin", "auditor"}),
        ("/people/clerk", {"admin", "auditor"}),
        ("/invite", {"admin"}),
        ("/people/clerk/grants/new", {"admin"}),
    ],
)
def test_the_pages_are_for_who_may_read_the_same_by_the_api(
    api: Api, path: str, allowed: set[str]
) -> None:
    assert Browsing(api).get(path).headers["location"] == f"/sign-in?next={path}"
    for who in ("admin", "auditor", "clerk", "head"):
        answer = signed_in(api, who).get(path)
        assert answer.status_code == (200 if who in allowed else 403), who
        # Who may not still finds the menu and the way out.
        assert ("You may not do this" in answer.text) == (who not in allowed)


def test_no_form_does_anything_without_the_right_and_the_sessions_own_token(api: Api) -> None:
    admin, head = signed_in(api, "admin"), signed_in(api, "head")
    before = api.ok("GET", "/api/v1/people/clerk", "admin")
    csrf = head.csrf()
    for path in FORMS:
        assert admin.submit(path).status_code == 403, path
        assert head.submit(path, csrf=csrf).status_code in (403, 422), path
        assert head.get(path).status_code in (403, 404, 405), path
    assert api.ok("GET", "/api/v1/people/clerk", "admin") == before
    assert len(api.ok("GET", "/api/v1/people", "admin")["people"]) == 4


def test_people_are_filtered_and_paged_and_the_address_says_how(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in(api, "admin")
    page = browser.get("/people?department=hr&status=active&search=cle").text
    assert "Clerk" in page
    assert "/people/head" not in page
    assert 'value="cle"' in page
    assert '<option value="hr" selected>Human resources</option>' in page
    assert "Nobody fits" in browser.get("/people?search=nobody").text
    assert browser.get("/people?status=gone").status_code == 422
    monkeypatch.setattr(people, "PAGE", 3)
    first = browser.get("/people?status=active").text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = browser.get(following[1].replace("&amp;", "&")).text
    seen = re.findall(r'scope="row"><a href="/people/(\w+)"', first + second)
    assert sorted(seen) == ["admin", "auditor", "clerk", "head"]
    assert 'href="/people?status=active"' in second


def test_the_page_of_a_person_says_what_the_visitor_may_know_and_do(api: Api) -> None:
    admin, auditor = signed_in(api, "admin"), signed_in(api, "auditor")
    clerk = signed_in(api, "clerk")
    assert clerk.get("/people").status_code == 403
    page = admin.get("/people/head").text
    for said in ("Head", "hr.head", "hr.clerk", "brings", "End all now", "Give a role"):
        assert said in page, said
    assert "Refused lately" not in page
    page = auditor.get("/people/clerk").text
    assert "Refused lately" in page
    assert "person.read" in page
    assert re.search(r"/access\?decision=[0-9a-f]{32}", page)
    for form in ("/disable", "/sessions/end", "/grants/new", "/factors/reset"):
        assert form not in page
    own = admin.get("/people/admin").text
    for form in ("/disable", "/grants/new", "/factors/reset"):
        assert form not in own
    assert admin.get("/people/nobody").status_code == 404


def test_sessions_are_ended_one_by_one_and_all_at_once(api: Api) -> None:
    admin = signed_in(api, "admin")
    first, second = signed_in(api, "clerk"), signed_in(api, "clerk")
    page = admin.get("/people/clerk").text
    ends = re.findall(r'action="(/people/clerk/sessions/\w{10}/end)"', page)
    assert len(ends) == 3
    answer = sent(admin, ends[1])
    assert (answer.status_code, answer.headers["location"]) == (303, "/people/clerk")
    assert (first.get("/").status_code, second.get("/").status_code) == (303, 200)
    assert sent(admin, "/people/clerk/sessions/end").status_code == 303
    assert second.get("/").status_code == 303
    assert "Nowhere." in admin.get("/people/clerk").text


def test_a_lost_phone_is_ended_from_the_page_and_the_last_one_leads_to_the_reset(
    api: Api,
) -> None:
    admin, clerk = signed_in(api, "admin"), signed_in(api, "clerk")
    page = admin.get("/people/clerk").text
    assert "It is lost" not in page
    assert 'href="#why-factors"' in page
    hands = api.house.hands
    hands.seconds += STEP
    given = {"name": "tablet", "password": PASSWORD, "code": hands.code(api.house.seeds["clerk"])}
    begun = api.ok("POST", "/api/v1/devices", "clerk", given)
    codes = {"first": hands.code(begun["seed"], -1), "second": hands.code(begun["seed"])}
    api.ok("POST", f"/api/v1/devices/{begun['device']}/confirmation", "clerk", codes)
    page = admin.get("/people/clerk").text
    ends = re.findall(r'action="(/people/clerk/factors/\w{32}/end)"', page)
    assert len(ends) == 2
    assert f"/people/clerk/factors/{begun['device']}/end" in ends
    answer = sent(admin, f"/people/clerk/factors/{begun['device']}/end")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people/clerk")
    assert clerk.get("/").status_code == 303
    assert "It is lost" not in admin.get("/people/clerk").text
    assert "It is lost" not in admin.get("/people/admin").text
    [left] = [one for one in ends if begun["device"] not in one]
    assert sent(admin, left).status_code == 409


def test_somebody_is_shut_out_and_let_in_again(api: Api) -> None:
    admin, clerk = signed_in(api, "admin"), signed_in(api, "clerk")
    assert sent(admin, "/people/clerk/disable").status_code == 303
    assert clerk.get("/").status_code == 303
    page = admin.get("/people/clerk").text
    assert '<dd class="disabled">' in page
    assert "/people/clerk/enable" in page
    assert sent(admin, "/people/clerk/enable").status_code == 303
    assert clerk.sign_in("clerk").status_code == 303
    # Nobody shuts themselves out, by whichever form.
    assert sent(admin, "/people/admin/disable").status_code == 409


def test_failed_attempts_are_forgotten(api: Api) -> None:
    admin = signed_in(api, "admin")
    for _ in range(3):
        Browsing(api).submit("/sign-in", name="clerk", password="wrong", code="1")
    assert "/people/clerk/unlock" in admin.get("/people/clerk").text
    assert sent(admin, "/people/clerk/unlock").status_code == 303
    assert "/people/clerk/unlock" not in admin.get("/people/clerk").text


def test_what_is_said_of_a_person_is_changed_in_the_version_that_was_seen(api: Api) -> None:
    admin = signed_in(api, "admin")
    found = re.search(r'name="version" value="(\d+)"', admin.get("/people/clerk").text)
    assert found is not None
    changed = {"version": found[1], "display_name": HOSTILE, "department": "quality"}
    assert sent(admin, "/people/clerk/change", **changed).status_code == 303
    page = admin.get("/people/clerk").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Quality" in page
    assert sent(admin, "/people/clerk/change", **changed).status_code == 412


def test_somebody_is_invited_by_a_code_that_is_shown_once(api: Api) -> None:
    admin = signed_in(api, "admin")
    new = {"name": "mai.tran", "display_name": "Trần Thị Mai", "department": "hr"}
    shown = sent(admin, "/invite", **new)
    assert shown.status_code == 200
    code = re.search(r'<code class="code"[^>]*>([^<]+)</code>', shown.text)
    assert code is not None
    assert api.ok("POST", "/api/v1/activation/look", None, {"code": code[1]})
    page = admin.get("/people/mai.tran").text
    assert code[1] not in page
    assert "invited" in page
    again = sent(admin, "/people/mai.tran/invitation")
    assert again.status_code == 200
    assert code[1] not in again.text
    assert sent(admin, "/people/mai.tran/invitation/end").status_code == 303
    assert "invitation ran out" in admin.get("/people/mai.tran").text


def test_a_form_that_is_not_taken_says_why_and_repeats_what_was_typed(api: Api) -> None:
    admin = signed_in(api, "admin")
    typed = {"name": "with space", "display_name": HOSTILE, "department": "quality"}
    answer = sent(admin, "/invite", **typed)
    assert answer.status_code == 422
    assert 'value="with space"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert '<option value="quality" selected>' in answer.text
    assert "<script" not in answer.text
    taken = sent(admin, "/invite", name="clerk", display_name="Clerk", department="hr")
    assert taken.status_code == 409
    assert 'role="alert"' in taken.text


def test_a_role_is_given_until_a_day_and_ended(api: Api) -> None:
    with api.house.open() as service:
        api.house.seeds["lan"] = add_person(service, "lan", "hr")
    admin, lan = signed_in(api, "admin"), signed_in(api, "lan")
    form = admin.get("/people/lan/grants/new?role=role:hr.clerk&department=hr").text
    assert '<option value="role:hr.clerk" selected>hr.clerk' in form
    assert "any.signed_in" not in form
    for wrong in ({"days": "many"}, {"days": "0"}, {"department": "quality"}, {"role": "x"}):
        fields = {"role": "role:hr.clerk", "department": "hr", "days": "30", **wrong}
        answer = sent(admin, "/people/lan/grants", **fields)
        assert answer.status_code == 422, wrong
        assert 'aria-invalid="true"' in answer.text, wrong
    given = sent(admin, "/people/lan/grants", role="role:hr.clerk", department="hr", days="30")
    assert (given.status_code, given.headers["location"]) == (303, "/people/lan")
    page = admin.get("/people/lan").text
    assert "hr.clerk" in page
    assert "in 4 weeks" in page or "in 1 month" in page
    end = re.search(r'action="(/people/lan/grants/[^/]+/end)"', page)
    assert end is not None
    assert sent(admin, end[1]).status_code == 303
    assert "No role was given" in admin.get("/people/lan").text
    assert lan.get("/").status_code == 200


def test_the_pages_of_people_speak_vietnamese(api: Api) -> None:
    admin = signed_in(api, "admin")
    admin.submit("/language", language="vi")
    for path, said in (
        ("/people", "Lần đăng nhập cuối"),
        ("/people/clerk", "Chấm dứt tất cả ngay"),
        ("/invite", "Hãy chọn"),
        ("/people/clerk/grants/new", "cần người thứ hai"),
    ):
        page = admin.get(path).text
        assert said in page, path
        assert '<html lang="vi">' in page

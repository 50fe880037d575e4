"""The page of the recovery kit: how it stands, who holds it, issued anew, taken out."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.console.browsing import signed_in
from tests.running_service import Api, Front, House, join

KIT = "/api/v1/recovery/kit"


def test_without_a_kit_it_says_what_that_means_and_how_one_is_made(api: Api) -> None:
    browser = signed_in(api, "admin")
    text = browser.get("/recovery").text
    assert "No kit was issued." in text
    assert "secvault recovery kit issue" in text
    assert "/recovery/renew" not in text
    assert browser.submit("/recovery/renew", csrf=browser.csrf()).status_code == 404


def test_it_is_issued_anew_for_the_same_shares_and_shows_no_secret(api: Api) -> None:
    first = api.ok("POST", KIT, "admin", {})
    browser = signed_in(api, "admin")
    text = browser.get("/recovery").text
    assert "Nobody has taken the kit out" in text
    assert "3 of 5 open it." in text
    again = browser.submit("/recovery/renew", csrf=browser.csrf())
    assert (again.status_code, again.headers["location"]) == (303, "/recovery")
    after = api.ok("GET", KIT, "admin")
    assert after["kit"] != first["kit"]
    assert after["shares_set"] == first["shares_set"]
    shown = browser.get("/recovery").text
    assert after["kit"] in shown
    assert not any(words in shown for words in first["shares"])


def test_it_is_taken_out_by_a_form_in_the_language_of_the_page(api: Api) -> None:
    api.ok("POST", KIT, "admin", {})
    browser = signed_in(api, "admin")
    assert browser.get("/recovery/take").status_code == 405
    taken = browser.submit("/recovery/take", csrf=browser.csrf(), format="html")
    assert taken.headers["content-disposition"] == 'attachment; filename="kit.html"'
    assert taken.headers["cache-control"] == "no-store"
    assert taken.text.startswith("<!doctype html>")
    assert api.ok("GET", KIT, "admin")["taken_kit"] is not None
    assert "people have it in hand" in browser.get("/recovery").text
    assert browser.submit("/recovery/take", format="json").status_code == 403


def test_who_holds_how_many_shares_is_counted(front: Front, house: House) -> None:
    held = '["Trần Thị Bình", "Trần Thị Bình", "<b>safe</b>"]'
    named = replace(house, more={**house.more, "SECVAULT_RECOVERY__HOLDERS": held})
    with front.serving(named) as api:
        assert api.ok("GET", KIT, "admin")["holders"] == []
        api.ok("POST", KIT, "admin", {})
        assert api.ok("GET", KIT, "auditor")["holders"][:2] == ["Trần Thị Bình"] * 2
        browser = signed_in(api, "auditor")
        browser.submit("/language", language="vi")
        text = browser.get("/recovery").text
    rows = [row for row in text.split("<tr>") if "<bdi>" in row or "chưa ghi tên ai" in row]
    assert "<td>2" in next(row for row in rows if "Trần Thị Bình" in row)
    assert "<td>1" in next(row for row in rows if "&lt;b&gt;" in row)
    assert "<td>2" in next(row for row in rows if "chưa ghi tên ai" in row)
    assert "<b>" not in text


def test_the_first_kit_is_issued_by_page_and_its_shares_are_shown_once(api: Api) -> None:
    admin = signed_in(api, "admin")
    assert "Issue the first kit" in admin.get("/recovery").text
    assert "Issue the first kit" not in signed_in(api, "auditor").get("/recovery").text
    assert admin.submit("/recovery/issue").status_code == 403
    refused = signed_in(api, "auditor")
    assert refused.submit("/recovery/issue", csrf=refused.csrf()).status_code == 403
    made = admin.submit("/recovery/issue", csrf=admin.csrf())
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    shares = re.findall(r'<code class="code" tabindex="0">([a-z ]+)</code>', made.text)
    assert len(set(shares)) == 5
    assert "3 of 5 open it." in made.text
    after = admin.get("/recovery").text
    assert "Issue it with new shares" in after
    assert not any(one in after for one in shares)
    again = admin.submit("/recovery/issue", csrf=admin.csrf())
    assert not any(one in again.text for one in shares)


def test_new_shares_take_a_second_person_where_there_is_one(api: Api, house: House) -> None:
    with house.open() as service:
        join(service, house, "second", ("role:it.admin", "it"))
    admin = signed_in(api, "admin")
    asked = admin.submit("/recovery/issue", csrf=admin.csrf(), approval_reason="the first kit")
    assert asked.status_code == 403
    assert "It is approved: do it now" in asked.text
    assert api.ok("GET", KIT, "admin")["state"] == "missing"

"""A department gets a collection of its own by a form, with whoever must approve it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from secvault.console.new_collection import MOST, ROWS
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api, House, join

HOSTILE = '"]\n[collections.payroll.fields.x]\ntitle = {en="<script>alert(1)</script>"}'
VEHICLES = {
    "department": "hr",
    "name": "vehicles",
    "en": "Vehicles",
    "vi": "Xe cộ",
    "field_name": ["plate", "owner_phone", "kind", ""],
    "field_en": ["Plate", "", "Kind", ""],
    "field_vi": ["Biển số", "Điện thoại chủ xe", "", ""],
    "field_type": ["text", "phone", "choice", "text"],
    "field_class": ["normal", "personal", "normal", "normal"],
    "field_mask": ["hidden", "last4", "hidden", "hidden"],
    "field_required": ["yes", "", "", ""],
    "field_choices": ["", "", "car, motorbike", ""],
}


def sent(browser: Browsing, **changed: Any) -> Any:
    """The form, filled in with the vehicles of hr but for what is changed."""
    return browser.submit("/new-collection", csrf=browser.csrf(), **{**VEHICLES, **changed})


def declared(api: Api) -> str:
    """The file of hr's collections in force."""
    return str(api.ok("GET", "/api/v1/policy", "admin")["files"]["collections/hr.toml"])


def test_it_is_for_who_may_change_the_policy(api: Api) -> None:
    assert Browsing(api).get("/new-collection").status_code == 303
    for who, status in (("admin", 200), ("auditor", 403), ("clerk", 403), ("head", 403)):
        browser = signed_in(api, who)
        assert browser.get("/new-collection").status_code == status, who
        assert ("/new-collection" in browser.get("/records").text) == (who == "admin")
        if who != "admin":
            assert sent(browser, step="apply").status_code == 403
    assert browser.submit("/new-collection", **VEHICLES, step="apply").status_code == 403


def test_it_is_looked_at_put_in_force_and_worked_with(api: Api) -> None:
    admin = signed_in(api, "admin")
    page = sent(admin, step="look").text
    assert "vehicles: added, in hr" in page
    assert "hr.clerk" in page
    assert "vehicles" not in declared(api)
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', page)
    assert plan is not None
    answer = sent(admin, step="apply", plan=plan[1])
    assert (answer.status_code, answer.headers["location"]) == (303, "/new-collection/vehicles")
    made = admin.get("/new-collection/vehicles").text
    for said in ("Vehicles", "Điện thoại chủ xe", "its last four characters", "Kind"):
        assert said in made, said
    vehicle = {"plate": "29A-123.45", "owner_phone": "0912345678", "kind": "car"}
    api.ok("POST", "/api/v1/records/vehicles", "head", {"id": "v-1", "fields": vehicle})
    seen = api.ok("GET", "/api/v1/records/vehicles/v-1", "clerk")
    assert seen["fields"]["plate"] == "29A-123.45"
    assert "Xe cộ" in signed_in(api, "clerk").get("/records", **{"Accept-Language": "vi"}).text
    again = sent(admin, step="look")
    assert again.status_code == 422
    assert "is there; take another" in again.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Xe Cộ"}, "must be a name of a-z"),
        ({"name": "payroll"}, "is there; take another"),
        ({"department": "it"}, "use one of"),
        ({"field_name": ["plate", "plate", "", ""]}, "is the name of an earlier field"),
        ({"field_name": ["", "", "", ""], "field_en": [""], "field_vi": [""]}, "needs a field"),
        ({"field_type": ["money", "phone", "choice", ""]}, None),
        ({"field_mask": ["", "year", "", ""]}, "does not fit the type phone"),
        ({"field_choices": ["", "", "", ""]}, "is missing"),
        ({"field_class": ["normal", "cosmic", "normal", ""]}, "class"),
    ],
)
def test_what_cannot_be_is_said_and_the_form_keeps_what_was_typed(
    api: Api, changed: dict[str, Any], said: str | None
) -> None:
    admin = signed_in(api, "admin")
    answer = sent(admin, step="look", **changed)
    assert answer.status_code == (200 if said is None else 422), answer.text
    if said:
        assert said in answer.text
    assert 'value="Biển số"' in answer.text or changed.get("field_vi")


def test_hostile_titles_stay_titles(api: Api) -> None:
    admin = signed_in(api, "admin")
    titles = {"en": HOSTILE.replace("\n", " "), "field_en": [HOSTILE, "", "Kind", ""]}
    answer = sent(admin, step="apply", **titles)
    assert answer.status_code in (303, 422)
    assert "\n[collections.payroll.fields.x]" not in declared(api)
    assert "<script>" not in answer.text


def test_more_rows_are_given_until_there_are_enough(api: Api) -> None:
    admin = signed_in(api, "admin")
    page = admin.get("/new-collection").text
    assert page.count('name="field_name"') == ROWS
    more = sent(admin, step="more").text
    assert more.count('name="field_name"') == 4 + ROWS
    many = {name: value * 20 for name, value in VEHICLES.items() if isinstance(value, list)}
    most = sent(admin, step="more", **many).text
    assert most.count('name="field_name"') == MOST
    assert 'value="more"' not in most


def test_a_second_person_approves_it_and_the_page_carries_it_out(api: Api, house: House) -> None:
    with house.open() as service:
        join(service, house, "second", ("role:it.admin", "it"))
    admin = signed_in(api, "admin")
    asked = sent(admin, step="apply", approval_reason="the car park opens")
    assert asked.status_code == 403
    assert "Others were asked" in asked.text
    kept = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.text)
    fields: dict[str, Any] = {}
    for name, value in kept:
        fields.setdefault(name, []).append(value)
    assert "approval_reason" not in fields
    early = admin.submit("/new-collection", **fields)
    assert early.status_code == 403
    second = signed_in(api, "second")
    request = re.search(r"/approvals/([0-9a-f]{32})", asked.text)
    assert request is not None
    shown = second.get(f"/approvals/{request[1]}").text
    assert "vehicles: added, in hr" in shown
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', shown)
    assert digest is not None
    path = f"/approvals/{request[1]}/approve"
    assert second.submit(path, csrf=second.csrf(), digest=digest[1]).status_code == 303
    assert admin.submit("/new-collection", **fields).headers["location"].endswith("/vehicles")

"""A new backup plan by a form: for whoever may, with its faults beside what was typed."""

from __future__ import annotations

import pytest

from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api

FORM = {
    "name": "offsite",
    "repository": "local",
    "vault": "yes",
    "folders": "",
    "time": "02:05",
    "hours": "26",
}


@pytest.fixture
def admin(api: Api) -> Browsing:
    """An administrator's browser."""
    return signed_in(api, "admin")


def test_a_plan_is_made_for_a_time_of_day_by_the_visitors_clocks(api: Api, admin: Browsing) -> None:
    assert 'href="/new-plan"' in admin.get("/backups").text
    token = admin.csrf("/account")
    admin.submit("/account/time-zone", csrf=token, time_zone="Europe/Berlin")
    assert "by the clocks of Europe/Berlin" in admin.get("/new-plan").text
    made = admin.submit("/new-plan", csrf=token, **FORM)
    assert (made.status_code, made.headers["location"]) == (303, "/backups/offsite"), made.text
    with api.house.open() as service:
        plan = service.backups.plans()["offsite"]
    assert (plan.schedule, plan.time_zone, plan.rpo_hours) == ("5 2 * * *", "Europe/Berlin", 26)
    assert admin.get("/backups/offsite").status_code == 200


@pytest.mark.parametrize(
    ("field", "typed"),
    [("name", "Not a name"), ("time", "25:00"), ("hours", "soon"), ("folders", "/etc")],
)
def test_what_is_not_taken_is_said_in_words_with_what_was_typed(
    admin: Browsing, field: str, typed: str
) -> None:
    answer = admin.submit("/new-plan", csrf=admin.csrf("/account"), **{**FORM, field: typed})
    assert answer.status_code == 422
    assert "That was not taken" in answer.text
    assert typed in answer.text


def test_who_may_not_make_plans_is_not_offered_one(api: Api) -> None:
    auditor = signed_in(api, "auditor")
    assert 'href="/new-plan"' not in auditor.get("/backups").text
    assert auditor.get("/new-plan").status_code == 403
    assert auditor.submit("/new-plan", csrf=auditor.csrf("/account"), **FORM).status_code == 403

"""The clocks that the pages go by: chosen by each visitor, summer time and all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.clock import micros_of, moment
from secvault.console.audit_chart import edges_of
from secvault.console.language import Language
from secvault.console.zone import (
    COOKIE,
    in_field,
    in_link,
    known_zones,
    link_typed,
    local,
    moment_typed,
    offset_of,
)
from secvault.errors import InvalidInput
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api, Front, House

HOUR = 3600 * 1_000_000
BERLIN, HANOI = "Europe/Berlin", "Asia/Ho_Chi_Minh"
# Where clocks went back by an hour, and forward.
BACK, FORWARD = datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)


def chosen(api: Api, who: str, zone: str) -> Browsing:
    """Somebody's browser, which goes by the clocks of a zone."""
    browser = signed_in(api, who)
    answer = browser.submit("/account/time-zone", csrf=browser.csrf("/account"), time_zone=zone)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    return browser


def test_who_has_chosen_no_zone_gets_the_companys(front: Front, house: House) -> None:
    for more, said in (({}, "UTC"), ({"SECVAULT_SERVER__TIME_ZONE": HANOI}, "UTC+7")):
        with front.serving(replace(house, more=more)) as api:
            assert f" {said}.</p>" in signed_in(api, "clerk").get("/").text


def test_the_pages_go_by_the_zone_that_somebody_chose_until_they_take_it_back(api: Api) -> None:
    browser = chosen(api, "clerk", HANOI)
    assert " UTC+7.</p>" in browser.get("/").text
    form = browser.get("/account/time-zone").text
    assert f'<option value="{HANOI}" selected>Ho Chi Minh (UTC+7)</option>' in form
    assert f"those of {HANOI}" in form
    browser.submit("/account/time-zone", csrf=browser.csrf("/account"), time_zone="")
    assert COOKIE not in browser.cookies
    assert " UTC.</p>" in browser.get("/").text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "GMT+7", "asia/ho_chi_minh"])
def test_a_zone_that_there_is_not_is_refused_and_not_believed_in_a_cookie(
    api: Api, zone: str
) -> None:
    browser = signed_in(api, "clerk")
    answer = browser.submit("/account/time-zone", csrf=browser.csrf("/account"), time_zone=zone)
    assert answer.status_code == 422
    assert "There is no such zone" in answer.text
    browser.cookies[COOKIE] = zone
    assert " UTC.</p>" in browser.get("/").text


def test_a_choice_leads_back_to_where_it_was_made_and_to_no_other_host(api: Api) -> None:
    browser = signed_in(api, "clerk")
    token = browser.csrf("/account")
    for given_, led in (("/approvals?show=all", "/approvals?show=all"), ("//evil.example", "/")):
        said = {"csrf": token, "time_zone": BERLIN, "next": given_}
        assert browser.submit("/account/time-zone", **said).headers["location"] == led


def test_every_zone_to_choose_from_is_known_to_this_machine() -> None:
    assert len(known_zones()) > 300
    for name in known_zones():
        assert ZoneInfo(name).key == name


def test_a_moment_says_how_far_its_own_clocks_are_from_utc() -> None:
    english = Language("en", BERLIN)
    winter, summer = micros_of(BACK) + HOUR, micros_of(BACK) - HOUR
    assert english.moment(winter).endswith("AM UTC+1")
    assert english.moment(summer).endswith("AM UTC+2")
    # The hour that comes twice is told apart.
    assert english.moment(micros_of(BACK)) == english.moment(micros_of(BACK) - HOUR).replace(
        "UTC+2", "UTC+1"
    )
    assert Language("vi", HANOI).moment(0) == "08:00:00 1 thg 1, 1970 UTC+8"
    assert offset_of(local(micros_of(BACK), "Asia/Kolkata")) == "UTC+5:30"
    assert offset_of(local(micros_of(BACK), "America/St_Johns")) == "UTC-2:30"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-07-01T12:00", "2026-07-01T10:00:00Z"),
        ("2026-12-01T12:00", "2026-12-01T11:00:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
        ("2026-12-01", "2026-11-30T23:00:00Z"),
        ("2026-12-01T12:00+09:00", "2026-12-01T03:00:00Z"),
        ("", ""),
        ("yesterday", "yesterday"),
    ],
)
def test_what_is_typed_is_taken_by_the_visitors_clocks(text: str, meant: str) -> None:
    assert link_typed(text, BERLIN) == meant


def test_what_is_no_moment_is_refused_at_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        moment_typed("since", "yesterday", HANOI)
    assert caught.value.fields[0].field == "since"
    assert in_field("yesterday", HANOI) == ""


@given(st.integers(0, 4_000_000_000), st.sampled_from(known_zones()))
def test_a_moment_in_a_field_comes_back_as_it_was_but_for_the_hour_that_comes_twice(
    minutes: int, zone: str
) -> None:
    at = minutes // 60 * 60 * 1_000_000
    shown = in_field(in_link(at), zone)
    back = moment_typed("", shown, zone)
    assert back is not None
    assert in_field(in_link(back), zone) == shown


def test_filters_of_the_log_are_typed_and_shown_by_the_visitors_clocks(api: Api) -> None:
    browser = chosen(api, "auditor", HANOI)
    page = browser.get("/audit?since=2026-11-03T10:00").text
    assert f"From ({HANOI})" in page
    assert 'value="2026-11-03T10:00"' in page
    # What leads on says it for everybody.
    assert "since=2026-11-03T03%3A00%3A00Z" in page
    browser.submit(
        "/account/time-zone", csrf=browser.csrf("/account"), time_zone="America/New_York"
    )
    assert 'value="2026-11-02T22:00"' in browser.get("/audit?since=2026-11-03T03%3A00%3A00Z").text


@pytest.mark.parametrize("zone", [BERLIN, "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("hours", [0, 5, 30, 24 * 40, 24 * 400, 24 * 9000])
def test_a_timeline_is_cut_at_the_visitors_midnights(zone: str, hours: int) -> None:
    now = micros_of(BACK) + 30 * HOUR
    edges = edges_of(now - hours * HOUR, None, now, zone)
    assert 2 <= len(edges) <= 50
    assert edges[0] <= now - hours * HOUR
    assert edges[-1] > now
    assert all(one < two for one, two in pairwise(edges))
    if edges[1] - edges[0] >= 23 * HOUR:
        clocks = {moment(at).astimezone(ZoneInfo(zone)).time().isoformat() for at in edges}
        assert clocks == {"00:00:00"}

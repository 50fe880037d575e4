"""A record is made once, however often the request for it is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.running_service import PASSWORD, PAYSLIP, Api, payslip

RECORDS = "/api/v1/records/payroll"
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


def _make(api: Api, who: str = "head", key: str = KEY, **more: Any) -> httpx2.Response:
    body = {"fields": payslip(), **more}
    return api("POST", RECORDS, who, body, headers={"Idempotency-Key": key})


def _count(api: Api) -> int:
    return len(api.ok("GET", f"{RECORDS}?limit=500", "head")["records"])


def test_the_same_request_under_the_same_key_makes_one_record_and_gets_one_answer(
    api: Api,
) -> None:
    before = _count(api)
    first, again = _make(api), _make(api)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert first.headers["etag"] == again.headers["etag"]
    # With or without the quotes that the draft asks for; in another order; as numbers may be sent.
    other = dict(reversed(payslip(working_days=22).items()))
    assert _make(api, key=KEY.strip('"'), fields=other).json() == first.json()
    assert _count(api) == before + 1


def test_the_answer_stays_the_same_after_the_record_was_changed(api: Api) -> None:
    first = _make(api)
    place = first.headers["location"]
    change = {"fields": {"status": "paid"}}
    assert api("PATCH", place, "head", change, headers={"If-Match": '"1"'}).is_success
    assert _make(api).json() == first.json()
    assert api.ok("GET", place, "head")["version"] == 2


def test_another_request_under_the_key_is_refused_and_makes_nothing(api: Api) -> None:
    _make(api)
    before = _count(api)
    for more in ({"fields": payslip(status="paid")}, {"id": "pay-77"}):
        answer = _make(api, **more)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    elsewhere = api(
        "POST",
        "/api/v1/records/contracts",
        "head",
        {"fields": {}},
        headers={"Idempotency-Key": KEY},
    )
    assert elsewhere.status_code == 422
    assert _count(api) == before


def test_a_key_is_its_callers_own(api: Api) -> None:
    mine = _make(api).json()
    fields = {name: value for name, value in payslip().items() if name != "bank_account"}
    theirs = _make(api, "clerk", fields=fields)
    if theirs.status_code == 201:
        assert theirs.json()["id"] != mine["id"]
    else:
        # What the clerk lacks is a field, not the key.
        assert theirs.json()["errors"][0]["field"] == "bank_account"


def test_what_is_gone_is_not_made_again(api: Api) -> None:
    made = _make(api)
    place = made.headers["location"]
    assert api("DELETE", place, "head", headers={"If-Match": '"1"'}).status_code == 204
    before = _count(api)
    answer = _make(api)
    assert answer.status_code == 409
    assert _count(api) == before


def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    first = _make(api, id="pay-77")
    api.house.hands.seconds += 24 * 3600 - 1
    # The session is over by then; a code and a session of the next day.
    head = _signed_in_again(api)
    assert _make(api, head, id="pay-77").json()["id"] == first.json()["id"]
    api.house.hands.seconds += 1
    assert _make(api, head, id="pay-77").status_code == 409
    assert _make(api, head, id="pay-78").status_code == 201


def _signed_in_again(api: Api) -> str:
    house = api.house
    given = {"name": "head", "password": PASSWORD, "code": house.hands.code(house.seeds["head"])}
    return str(api.ok("POST", "/api/v1/sessions", None, given)["token"])


def test_many_at_once_make_one_record(api: Api) -> None:
    before = _count(api)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _make(api), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert _count(api) == before + 1


def test_a_refused_or_wrong_request_uses_no_key_up(api: Api) -> None:
    assert _make(api, fields={}).status_code == 422
    assert _make(api, "clerk").status_code == 403
    assert _make(api).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"a', 'a"b', "\x7f"])
def test_a_key_that_is_none_is_named(api: Api, key: str) -> None:
    answer = _make(api, key=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_who_lost_the_right_gets_no_answer_again(api: Api) -> None:
    _make(api)
    grants = api.ok("GET", "/api/v1/grants?subject=user:head", "admin")["grants"]
    (grant,) = [one["id"] for one in grants if one["role"] == "role:hr.head"]
    assert api("DELETE", f"/api/v1/grants/{grant}", "admin").is_success
    assert _make(api).status_code == 403


def test_only_a_record_that_is_not_there_is_made_where_that_is_asked(api: Api) -> None:
    new = {"id": PAYSLIP, "fields": payslip()}
    star = {"If-None-Match": "*"}
    answer = api("POST", RECORDS, "head", new, headers=star)
    assert answer.status_code == 412
    assert api("POST", RECORDS, "head", {**new, "id": "pay-1"}, headers=star).status_code == 201
    wrong = api("POST", RECORDS, "head", new, headers={"If-None-Match": '"1"'})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "If-None-Match"

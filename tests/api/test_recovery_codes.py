"""Recovery codes and sessions over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_passkeys import OWN, V1, answer, asked, registered, remove, shown
from tests.running_service import PASSWORD, STEP, Api

WRONG = "00000-00000-00000-00000-00000"


@pytest.fixture
def codes(api: Api) -> list[str]:
    """The clerk's recovery codes."""
    made: list[str] = api.ok("POST", f"{V1}/factors/recovery-codes", "clerk", OWN)["codes"]
    return made


def recover(api: Api, code: str, name: str = "clerk", password: str = PASSWORD) -> Any:
    given = {"name": name, "password": password, "code": code}
    return api("POST", f"{V1}/sessions/recovery", body=given)


def left(api: Api, who: str = "clerk") -> int:
    found: int = api.ok("GET", f"{V1}/factors", who)["recovery_codes_left"]
    return found


def test_ten_codes_are_shown_once_and_each_works_once_in_any_order(
    api: Api, codes: list[str]
) -> None:
    assert len(set(codes)) == 10
    assert all(len(code) == 29 for code in codes)
    assert left(api) == 10
    assert codes[0] not in api("GET", f"{V1}/factors", "clerk").text
    opened = recover(api, codes[7])
    assert (opened.status_code, opened.json()["codes_left"]) == (201, 9)
    again = recover(api, codes[7])
    assert again.status_code == 401
    assert left(api) == 9
    typed = codes[2].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert recover(api, typed).json()["codes_left"] == 8


def test_a_recovered_session_enrols_a_passkey_and_can_do_nothing_else(
    api: Api, codes: list[str]
) -> None:
    token = recover(api, codes[0]).json()["token"]
    who = api.ok("GET", f"{V1}/sessions/self", token)
    assert (who["factors"], who["second_factor_at"]) == (["password", "recovery"], None)
    assert api("GET", f"{V1}/records/payroll", token).status_code == 403
    assert api.ok("GET", f"{V1}/collections", token)["collections"] == []
    assert api("POST", f"{V1}/factors/recovery-codes", token, OWN).status_code in (401, 403)
    code = api.house.hands.code(api.house.seeds["clerk"])
    stepping = api("POST", f"{V1}/sessions/self/step-up", token, {"code": code})
    assert stepping.status_code == 422
    key = registered(api, token, "new phone")
    (own,) = api.ok("GET", f"{V1}/factors", token)["passkeys"]
    assert remove(api, own["id"], token).status_code in (401, 403)
    session = shown(api, key.get(asked(api))).json()["token"]
    assert api("GET", f"{V1}/records/payroll", session).status_code == 200
    assert api("DELETE", f"{V1}/sessions/self", token).status_code == 204
    assert api("GET", f"{V1}/sessions/self", token).status_code == 401


def test_a_recovered_session_enrols_a_totp_device_and_no_other_session_does(
    api: Api, codes: list[str]
) -> None:
    place, name = f"{V1}/factors/devices", {"name": "new phone"}
    assert api("POST", place, "clerk", name).status_code == 403
    token = recover(api, codes[0]).json()["token"]
    begun = api.ok("POST", place, token, name)
    hands = api.house.hands
    pair = {"first": hands.code(begun["seed"], -1), "second": hands.code(begun["seed"])}
    confirmation = f"{place}/{begun['device']}/confirmation"
    assert api("POST", confirmation, "clerk", pair).status_code == 403
    wrong = {"first": pair["second"], "second": pair["first"]}
    assert api("POST", confirmation, token, wrong).status_code == 422
    assert api("POST", confirmation, token, pair).status_code == 204
    hands.seconds += STEP
    signing_in = {"name": "clerk", "password": PASSWORD, "code": hands.code(begun["seed"])}
    assert api("POST", f"{V1}/sessions", body=signing_in).status_code == 201


def test_an_administrator_who_recovers_is_no_administrator(api: Api) -> None:
    codes = api.ok("POST", f"{V1}/factors/recovery-codes", "admin", OWN)["codes"]
    token = recover(api, codes[0], "admin").json()["token"]
    assert api("GET", f"{V1}/people", token).status_code == 403
    assert api("POST", f"{V1}/people/clerk/disable", token).status_code == 403
    assert api("POST", "/v1/auth/token/create", token, {}).status_code in (400, 403)


def test_a_recovered_session_ends_after_half_an_hour_of_use(api: Api, codes: list[str]) -> None:
    token = recover(api, codes[0]).json()["token"]
    for _ in range(2):
        api.house.hands.seconds += 15 * 60 - 1
        api.ok("GET", f"{V1}/sessions/self", token)
    api.house.hands.seconds += 3
    assert api("GET", f"{V1}/sessions/self", token).status_code == 401


def test_new_codes_void_the_old_ones(api: Api, codes: list[str]) -> None:
    newer = api.ok("POST", f"{V1}/factors/recovery-codes", "clerk", OWN)["codes"]
    assert not set(newer) & set(codes)
    assert recover(api, codes[0]).status_code == 401
    assert recover(api, newer[0]).status_code == 201


def test_codes_are_another_persons_of_no_use(api: Api, codes: list[str]) -> None:
    api.ok("POST", f"{V1}/factors/recovery-codes", "head", OWN)
    assert recover(api, codes[0], "head").status_code == 401
    assert recover(api, codes[0]).status_code == 201


def test_wrong_codes_are_answered_like_strangers_slowed_down_and_locked(
    api: Api, codes: list[str]
) -> None:
    told = [
        {**recover(api, *given).json(), "request_id": ""}
        for given in ((WRONG,), (WRONG, "nobody"), (codes[0], "clerk", "wrong"), ("x", "auditor"))
    ]
    assert all(each == told[0] for each in told)
    statuses = [recover(api, WRONG).status_code for _ in range(3)]
    assert 429 in statuses
    for _ in range(12):
        api.house.hands.seconds += 16 * 60
        assert recover(api, WRONG).status_code == 401
    api.house.hands.seconds += 16 * 60
    assert recover(api, codes[0]).status_code == 401
    signing_in = {"name": "admin", "password": PASSWORD}
    signing_in["code"] = api.house.hands.code(api.house.seeds["admin"])
    admin = api.ok("POST", f"{V1}/sessions", body=signing_in)["token"]
    assert api.ok("GET", f"{V1}/people/clerk/factors", admin)["recovery_codes_locked"]
    api.ok("POST", f"{V1}/people/clerk/unlock", admin)
    assert recover(api, codes[0]).status_code == 201


def test_the_last_factor_is_not_removed(api: Api) -> None:
    key = registered(api, "clerk", "first")
    # Wrong codes lock the TOTP device, so that the passkey is all there is.
    wrong = {"name": "clerk", "password": PASSWORD, "code": "000000"}
    for _ in range(10):
        api.house.hands.seconds += 16 * 60
        assert api("POST", f"{V1}/sessions", body=wrong).status_code == 401

    def waited_and_let_in() -> str:
        api.house.hands.seconds += 16 * 60
        return str(shown(api, key.get(asked(api))).json()["token"])

    token = waited_and_let_in()
    found = api.ok("GET", f"{V1}/factors", token)
    assert [each["state"] for each in found["devices"]] == ["locked"]
    own = found["passkeys"][0]["id"]
    assert remove(api, own, token).status_code == 409
    token = waited_and_let_in()
    registered(api, token, "second")
    assert remove(api, own, token).status_code == 204
    assert remove(api, own, token).status_code == 404


def test_people_list_and_end_their_own_sessions_and_administrators_everybodys(
    api: Api, codes: list[str]
) -> None:
    key = registered(api, "clerk", "office key")
    api.house.hands.seconds += 1
    other = api.ok("POST", f"{V1}/sessions/passkey", body=answer(key.get(asked(api))))["token"]
    listed = api.ok("GET", f"{V1}/sessions", "clerk")["sessions"]
    assert [each["factors"] for each in listed] == [["password", "totp"], ["passkey"]]
    assert [each["present"] for each in listed] == [True, False]
    assert other.split("_")[1] == listed[1]["id"]
    assert other not in str(listed)
    place = f"{V1}/sessions/{listed[1]['id']}"
    assert api("DELETE", place, "head").status_code == 404
    assert api("DELETE", place, "clerk").status_code == 204
    assert api("GET", f"{V1}/sessions/self", other).status_code == 401
    assert api("DELETE", place, "clerk").status_code == 404

    people = f"{V1}/people/clerk/sessions"
    (left_over,) = api.ok("GET", people, "admin")["sessions"]
    assert left_over["factors"] == ["password", "totp"]
    assert api("GET", people, "head").status_code == 403
    assert api("DELETE", people, "auditor").status_code == 403
    assert api("GET", people, "auditor").status_code == 200
    assert api("DELETE", f"{people}/0000000000", "admin").status_code == 404
    assert api("DELETE", f"{people}/{left_over['id']}", "admin").status_code == 204
    assert api("GET", f"{V1}/sessions/self", "clerk").status_code == 401
    third = recover(api, codes[0]).json()["token"]
    assert api("DELETE", people, "admin").status_code == 204
    assert api("GET", f"{V1}/sessions/self", third).status_code == 401
    assert api("GET", f"{V1}/sessions", "system").status_code == 422

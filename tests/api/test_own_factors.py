"""One's own password and devices, and hardware tokens, over HTTP."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest

from tests.activated import with_password
from tests.running_service import PASSWORD, STEP, Api

NEW = "nineteen quiet harbours"
TOKEN_SEED = "3132333435363738393031323334353637383930"


def code(api: Api, who: str = "clerk") -> str:
    """A fresh code of somebody's device."""
    api.house.hands.seconds += STEP
    return api.house.hands.code(api.house.seeds[who])


def sign_in(api: Api, password: str = PASSWORD, who: str = "clerk") -> Any:
    given = {"name": who, "password": password, "code": code(api, who)}
    return api("POST", "/api/v1/sessions", body=given)


def token_codes(api: Api) -> dict[str, str]:
    """Two codes in a row of the hardware token."""
    shown = pyotp.TOTP(pyotp.random_base32())
    shown.secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    now = int(api.house.hands.seconds)
    return {"first": shown.at(now - STEP), "second": shown.at(now)}


def change(api: Api, **changed: str) -> Any:
    given = {"password": PASSWORD, "code": code(api), "new_password": NEW, **changed}
    return api("POST", "/api/v1/password", "clerk", given)


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(api: Api) -> None:
    other = sign_in(api).json()["token"]
    answer = change(api)
    assert (answer.status_code, answer.json()) == (200, {"sessions_ended": 1})
    assert api("GET", "/api/v1/sessions/self", other).status_code == 401
    assert api("GET", "/api/v1/sessions/self", "clerk").status_code == 200
    assert sign_in(api).status_code == 401
    assert sign_in(api, NEW).status_code == 201
    events = api.ok("GET", "/api/v1/audit/events?limit=50", "auditor")["events"]
    (changed,) = [event for event in events if event["kind"] == "password.change"]
    assert changed["outcome"] == "ok"
    assert NEW not in str(events)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"password": "not the password"}, 401),
        ({"code": "000000"}, 401),
        ({"new_password": "password1234"}, 422),
        ({"new_password": "clerk clerk clerk"}, 422),
        ({"new_password": "secvault forever"}, 422),
        ({"new_password": "short"}, 422),
    ],
)
def test_a_password_is_not_changed_without_both_factors_or_to_one_that_is_guessed(
    api: Api, changed: dict[str, str], status: int
) -> None:
    answer = change(api, **changed)
    assert answer.status_code == status
    assert not any(value in answer.text for value in changed.values())
    assert sign_in(api).status_code == 201


def test_a_code_that_changed_a_password_is_used_up(api: Api) -> None:
    shown = code(api)
    assert change(api, code=shown).status_code == 200
    given = {"name": "clerk", "password": NEW, "code": shown}
    assert api("POST", "/api/v1/sessions", body=given).status_code == 401


def test_a_system_has_no_password_and_no_devices(api: Api) -> None:
    given = {"password": PASSWORD, "code": "123456", "new_password": NEW}
    assert api("POST", "/api/v1/password", "system", given).status_code == 403
    assert api("GET", "/api/v1/devices", "system").status_code == 403


def test_a_second_device_of_another_shape_is_enrolled_used_and_the_first_removed(api: Api) -> None:
    new = {"name": "tablet", "algorithm": "SHA256", "digits": 8, "period": 60}
    begun = api.ok(
        "POST", "/api/v1/devices", "clerk", {**new, "password": PASSWORD, "code": code(api)}
    )
    uri = pyotp.parse_uri(begun["uri"])
    assert isinstance(uri, pyotp.TOTP)
    assert (uri.digits, uri.interval) == (8, 60)
    assert begun["svg"].startswith("<svg")
    assert "script" not in begun["svg"]
    assert "http" not in begun["svg"].replace("http://www.w3.org/2000/svg", "")
    now = int(api.house.hands.seconds)
    codes = {"first": uri.at(now - 60), "second": uri.at(now)}
    place = f"/api/v1/devices/{begun['device']}/confirmation"
    assert api("POST", place, "head", codes).status_code == 404
    assert api("POST", place, "clerk", codes).status_code == 204
    phone, tablet = api.ok("GET", "/api/v1/devices", "clerk")["devices"]
    assert (tablet["state"], tablet["digits"], tablet["algorithm"]) == ("active", 8, "SHA256")
    api.house.hands.seconds += 60
    both = {"password": PASSWORD, "code": uri.at(int(api.house.hands.seconds))}
    gone = f"/api/v1/devices/{phone['id']}/removal"
    assert api("POST", gone, "head", both).status_code == 401
    assert api("POST", gone, "clerk", both).status_code == 204
    assert sign_in(api).status_code == 401
    listed = api("GET", "/api/v1/devices", "clerk")
    assert [device["name"] for device in listed.json()["devices"]] == ["tablet"]
    assert begun["seed"] not in listed.text


def test_a_shape_that_no_device_has_is_refused(api: Api) -> None:
    for said in ({"digits": 7}, {"algorithm": "MD5"}, {"period": 31}):
        given = {"name": "x", "password": PASSWORD, "code": code(api), **said}
        assert api("POST", "/api/v1/devices", "clerk", given).status_code == 422


def test_a_device_that_ran_away_is_resynced_without_a_session(api: Api) -> None:
    hands, seed = api.house.hands, api.house.seeds["clerk"]
    given = {
        "name": "clerk",
        "password": PASSWORD,
        "first": hands.code(seed, 9),
        "second": hands.code(seed, 10),
    }
    assert api.ok("POST", "/api/v1/devices/resync", body=given)["device"]
    assert api("POST", "/api/v1/devices/resync", body=given).status_code == 401
    hands.seconds += STEP
    shown = {"name": "clerk", "password": PASSWORD, "code": hands.code(seed, 10)}
    assert api("POST", "/api/v1/sessions", body=shown).status_code == 201


def test_a_token_goes_from_the_makers_file_to_its_holder(api: Api) -> None:
    file = {"format": "csv", "file": f"serial,secret\n40412,{TOKEN_SEED}\n40413,{TOKEN_SEED}"}
    place = "/api/v1/hardware-tokens"
    assert api("POST", place, "clerk", file).status_code == 403
    assert api.ok("POST", place, "admin", file) == {"imported": 2}
    assert api("POST", place, "admin", file).status_code == 409
    with api.house.open() as service:
        mai = with_password(service, "mai", "hr", PASSWORD).id
    assigned = api.ok("POST", f"{place}/40412/assignment", "admin", {"person": "mai"})
    listed = api("GET", place, "admin")
    assert TOKEN_SEED not in listed.text
    assert [
        (each["serial"], each["state"], each["person"]) for each in listed.json()["tokens"]
    ] == [
        ("40412", "assigned", mai),
        ("40413", "free", None),
    ]
    shown = {"name": "mai", "password": PASSWORD, **token_codes(api)}
    first = "/api/v1/devices/first-confirmation"
    assert api("POST", first, body={**shown, "password": "wrong"}).status_code == 401
    assert api("POST", first, body={**shown, "second": shown["first"]}).status_code == 422
    assert api.ok("POST", first, body=shown) == {"device": assigned["device"]}
    assert api("POST", first, body=shown).status_code == 401
    api.house.hands.seconds += STEP
    signing_in = {"name": "mai", "password": PASSWORD, "code": token_codes(api)["second"]}
    assert api("POST", "/api/v1/sessions", body=signing_in).status_code == 201
    assert api("DELETE", f"{place}/40412", "admin").status_code == 409
    assert api("DELETE", f"{place}/40413", "admin").status_code == 204


def test_a_damaged_file_is_refused_without_repeating_it(api: Api) -> None:
    for given in (
        {"format": "csv", "file": f"serial,secret\n1,{TOKEN_SEED}zz"},
        {"format": "pskc", "file": f"<a>{TOKEN_SEED}</a>"},
        {"format": "csv", "file": f"serial,secret\n1,{TOKEN_SEED}", "key": "00" * 16},
    ):
        answer = api("POST", "/api/v1/hardware-tokens", "admin", given)
        assert answer.status_code == 422
        assert TOKEN_SEED not in answer.text


def test_whoever_tries_a_name_from_elsewhere_does_not_shut_out_its_owner(api: Api) -> None:
    """The address is that of the connection, whatever headers say."""
    transport: Any = api.client._transport
    transport.client = ("192.0.2.7", 50_000)
    assert sign_in(api).status_code == 201
    transport.client = ("203.0.113.5", 50_000)
    assert [sign_in(api, "wrong password").status_code for _ in range(3)] == [401] * 3
    given = {"name": "clerk", "password": PASSWORD, "code": "123456"}
    claim = {"X-Forwarded-For": "192.0.2.7"}
    assert api("POST", "/api/v1/sessions", body=given, headers=claim).status_code == 429
    transport.client = ("192.0.2.99", 50_000)
    assert sign_in(api).status_code == 201

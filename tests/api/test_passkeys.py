"""Passkeys over HTTP: registered, used alone and after the password, refused, removed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.running_service import PASSWORD, STEP, Api
from tests.software_authenticator import PRESENT, SoftwareAuthenticator, encoded

V1 = "/api/v1"
OWN = {"password": PASSWORD}
REFUSED = (401, "urn:secvault:problem:not-authenticated")


@pytest.fixture
def key(api: Api) -> SoftwareAuthenticator:
    """A passkey of the clerk's."""
    return registered(api, "clerk", "office key")


def registered(
    api: Api, who: str, name: str, key: SoftwareAuthenticator | None = None
) -> SoftwareAuthenticator:
    key = key or SoftwareAuthenticator()
    begun = {"name": name, "password": PASSWORD}
    options = api.ok("POST", f"{V1}/factors/passkeys/challenge", who, begun)
    made = api.ok("POST", f"{V1}/factors/passkeys", who, answer(key.create(options["public_key"])))
    assert (made["name"], made["last_used_at"], made["backed_up"]) == (name, None, False)
    return key


def remove(api: Api, passkey: str, who: str, password: str = PASSWORD) -> Any:
    given = {"password": password}
    return api("POST", f"{V1}/factors/passkeys/{passkey}/removal", who, given)


def answer(credential: dict[str, Any]) -> dict[str, Any]:
    return {"credential": credential}


def asked(api: Api, **given: str) -> dict[str, Any]:
    options: dict[str, Any] = api.ok("POST", f"{V1}/sessions/passkey/challenge", body=given)
    return options["public_key"]  # type: ignore[no-any-return]


def shown(api: Api, credential: dict[str, Any]) -> Any:
    return api("POST", f"{V1}/sessions/passkey", body=answer(credential))


def refused(response: Any) -> bool:
    return (response.status_code, response.json()["type"]) == REFUSED


def reasons(api: Api) -> list[str]:
    entries = api.ok("GET", f"{V1}/audit/events?kind=auth.sign_in", "auditor")["events"]
    return [each["detail"]["reason"] for each in entries if each["outcome"] == "denied"]


def test_a_passkey_alone_opens_a_session_that_counts_as_fresh(
    api: Api, key: SoftwareAuthenticator
) -> None:
    options = asked(api)
    assert options["userVerification"] == "required"
    assert not options.get("allowCredentials")
    opened = shown(api, key.get(options))
    assert opened.status_code == 201, opened.text
    session = opened.json()
    who = api.ok("GET", f"{V1}/sessions/self", session["token"])
    assert (who["name"], who["factors"]) == ("clerk", ["passkey"])
    assert who["second_factor_at"] is not None
    assert api("GET", f"{V1}/records/payroll", session["token"]).status_code == 200
    listed = api.ok("GET", f"{V1}/factors", session["token"])["passkeys"]
    assert [each["name"] for each in listed] == ["office key"]
    assert listed[0]["last_used_at"]


def test_after_the_password_only_ones_own_passkeys_are_asked_for(
    api: Api, key: SoftwareAuthenticator
) -> None:
    other = registered(api, "head", "head's key")
    options = asked(api, name="clerk", password=PASSWORD)
    assert [each["id"] for each in options["allowCredentials"]] == [encoded(key.credential_id)]
    assert refused(shown(api, other.get(options)))
    options = asked(api, name="clerk", password=PASSWORD)
    session = shown(api, key.get(options)).json()
    who = api.ok("GET", f"{V1}/sessions/self", session["token"])
    assert who["factors"] == ["password", "passkey"]


def test_who_has_no_passkey_or_a_wrong_password_is_answered_like_a_stranger(
    api: Api, key: SoftwareAuthenticator
) -> None:
    path, told = f"{V1}/sessions/passkey/challenge", []
    for name, password in (("head", PASSWORD), ("clerk", "wrong"), ("nobody", PASSWORD)):
        response = api("POST", path, body={"name": name, "password": password})
        told.append({**response.json(), "request_id": ""})
        assert response.status_code == 401
    assert told[0] == told[1] == told[2]


SPOILT: dict[str, Callable[[SoftwareAuthenticator], SoftwareAuthenticator]] = {
    "another origin": lambda key: replace(key, origin="http://localhost:9999"),
    "another domain": lambda key: replace(key, rp_id="example.com"),
    "no verified user": lambda key: replace(key, flags=PRESENT),
    "another key": lambda key: replace(key, key=SoftwareAuthenticator().key),
    "an unknown credential": lambda key: replace(key, credential_id=os.urandom(32)),
    "another person's handle": lambda key: replace(key, handle=b"0" * 32),
    "a count that went back": lambda key: replace(key, count=0),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_not_right_is_refused_with_one_answer(
    api: Api, key: SoftwareAuthenticator, how: str
) -> None:
    key.count = 7
    assert shown(api, key.get(asked(api))).status_code == 201
    spoilt = SPOILT[how](key)
    options = asked(api)
    bad = shown(api, spoilt.get(options))
    assert refused(bad)
    assert bad.json()["detail"].startswith("The name, the password or the code is not right.")
    # The challenge is used up by the wrong answer.
    assert refused(shown(api, key.get(options)))
    assert shown(api, replace(key, count=100).get(asked(api))).status_code == 201


def test_a_count_that_went_back_is_in_the_audit_log(api: Api, key: SoftwareAuthenticator) -> None:
    key.count = 7
    assert shown(api, key.get(asked(api))).status_code == 201
    assert refused(shown(api, replace(key, count=7).get(asked(api)))) is True
    assert refused(shown(api, replace(key, count=0).get(asked(api)))) is True
    assert "count_went_back" in reasons(api)


def test_a_key_that_does_not_count_is_let_in_again_and_again(api: Api) -> None:
    key = registered(api, "clerk", "phone", SoftwareAuthenticator(counts=False))
    for _ in range(2):
        assert shown(api, key.get(asked(api))).status_code == 201


def test_an_answer_opens_one_session_and_only_for_five_minutes(
    api: Api, key: SoftwareAuthenticator
) -> None:
    given = key.get(asked(api))
    assert shown(api, given).status_code == 201
    assert refused(shown(api, given))
    options = asked(api)
    api.house.hands.seconds += 301
    assert refused(shown(api, key.get(options)))
    assert reasons(api).count("unknown_challenge") == 2


def test_a_disabled_person_and_a_removed_passkey_never_get_in(
    api: Api, key: SoftwareAuthenticator
) -> None:
    before = api.ok("POST", f"{V1}/sessions/passkey", body=answer(key.get(asked(api))))["token"]
    options = asked(api)
    api.ok("POST", f"{V1}/people/clerk/disable", "admin")
    assert api("GET", f"{V1}/sessions/self", before).status_code == 401
    assert refused(shown(api, key.get(options)))
    api.ok("POST", f"{V1}/people/clerk/enable", "admin")
    token = api.ok("POST", f"{V1}/sessions/passkey", body=answer(key.get(asked(api))))["token"]
    (own,) = api.ok("GET", f"{V1}/factors", token)["passkeys"]
    assert remove(api, own["id"], "head").status_code == 404
    options = asked(api)
    assert remove(api, own["id"], token).status_code == 204
    assert refused(shown(api, key.get(options)))


def test_a_stale_factor_enrols_and_removes_nothing_and_is_told_how_to_step_up(api: Api) -> None:
    api.house.hands.seconds += 301
    path = f"{V1}/factors/passkeys/challenge"
    new = {"name": "x", "password": PASSWORD}
    stale = api("POST", path, "clerk", new)
    assert stale.status_code == 401
    assert stale.json()["type"] == "urn:secvault:problem:step-up-required"
    told = stale.headers["WWW-Authenticate"]
    assert told.startswith('Bearer error="insufficient_user_authentication"')
    assert 'max_age="300"' in told
    assert remove(api, "1", "clerk").status_code == 401
    assert api("POST", f"{V1}/factors/recovery-codes", "clerk", OWN).status_code == 401
    code = api.house.hands.code(api.house.seeds["clerk"])
    renewed = api.ok("POST", f"{V1}/sessions/self/step-up", "clerk", {"code": code})
    assert api("POST", path, renewed["token"], new).status_code == 201
    assert api("POST", path, "clerk", new).status_code == 401
    events = api.ok("GET", f"{V1}/audit/events?kind=auth.step_up", "auditor")["events"]
    assert [(each["outcome"], each["detail"]["factor"]) for each in events] == [("ok", "totp")]


def test_the_password_is_shown_again_to_change_a_factor_and_wrong_ones_are_counted(
    api: Api, key: SoftwareAuthenticator
) -> None:
    [own] = api.ok("GET", f"{V1}/factors", "clerk")["passkeys"]
    changes: tuple[tuple[str, dict[str, str]], ...] = (
        ("factors/passkeys/challenge", {"name": "x"}),
        (f"factors/passkeys/{own['id']}/removal", {}),
        ("factors/recovery-codes", {}),
    )
    for path, given in changes:
        left_out = api("POST", f"{V1}/{path}", "clerk", given)
        assert left_out.status_code == 422
        assert "password" in left_out.text
        wrong = {**given, "password": "a password of somebody else"}
        assert refused(api("POST", f"{V1}/{path}", "clerk", wrong))
    # The third wrong one has those after it wait, right or wrong.
    assert api("POST", f"{V1}/factors/recovery-codes", "clerk", OWN).status_code == 429
    found = api.ok("GET", f"{V1}/factors", "clerk")
    assert [len(found["passkeys"]), found["recovery_codes_left"]] == [1, 0]
    assert reasons(api)[:3] == ["delayed", "wrong_password", "wrong_password"]
    api.house.hands.seconds += 60
    for path, given in reversed(changes):
        assert api("POST", f"{V1}/{path}", "clerk", {**given, **OWN}).is_success


def test_a_passkey_steps_up_in_the_session_that_asked_and_in_no_other(
    api: Api, key: SoftwareAuthenticator
) -> None:
    other = api.ok("POST", f"{V1}/sessions/passkey", body=answer(key.get(asked(api))))["token"]
    api.house.hands.seconds += 301
    step, ask = f"{V1}/sessions/self/step-up", f"{V1}/sessions/self/step-up/challenge"
    options = api.ok("POST", ask, "clerk")["public_key"]
    assert api("POST", step, other, answer(key.get(options))).status_code == 422
    assert api("POST", step, "clerk", answer(key.get(options))).status_code == 422
    options = api.ok("POST", ask, "clerk")["public_key"]
    assert refused(shown(api, key.get(options)))
    options = api.ok("POST", ask, "clerk")["public_key"]
    renewed = api.ok("POST", step, "clerk", answer(key.get(options)))["token"]
    who = api.ok("GET", f"{V1}/sessions/self", renewed)
    assert who["factors"] == ["password", "totp", "passkey"]
    assert api("POST", ask, "system").status_code == 422


def test_a_step_up_code_works_once_and_a_wrong_one_is_counted(api: Api) -> None:
    api.house.hands.seconds += STEP
    code, step = api.house.hands.code(api.house.seeds["clerk"]), f"{V1}/sessions/self/step-up"
    renewed = api.ok("POST", step, "clerk", {"code": code})["token"]
    assert api("GET", f"{V1}/sessions/self", renewed).status_code == 200
    assert api("GET", f"{V1}/sessions/self", "clerk").status_code == 401
    for _ in range(3):
        assert api("POST", step, renewed, {"code": code}).status_code == 422
    assert api("POST", step, renewed, {"code": code}).status_code == 429
    assert api("POST", step, renewed, {}).status_code == 422


def test_a_registration_answers_the_challenge_of_its_own_session_only(api: Api) -> None:
    begin, finish = f"{V1}/factors/passkeys/challenge", f"{V1}/factors/passkeys"
    options = api.ok("POST", begin, "clerk", {"name": "x", **OWN})["public_key"]
    made = SoftwareAuthenticator().create(options)
    assert api("POST", finish, "head", answer(made)).status_code == 422
    assert api("POST", finish, "clerk", answer(made)).status_code == 422
    for spoilt in (
        SoftwareAuthenticator(origin="https://evil.example"),
        SoftwareAuthenticator(flags=PRESENT),
        SoftwareAuthenticator(rp_id="evil.example"),
    ):
        options = api.ok("POST", begin, "clerk", {"name": "x", **OWN})["public_key"]
        assert api("POST", finish, "clerk", answer(spoilt.create(options))).status_code == 422
    assert api.ok("GET", f"{V1}/factors", "clerk")["passkeys"] == []


def test_a_passkey_is_registered_once_under_a_name_of_its_own(
    api: Api, key: SoftwareAuthenticator
) -> None:
    begin, finish = f"{V1}/factors/passkeys/challenge", f"{V1}/factors/passkeys"
    options = api.ok("POST", begin, "clerk", {"name": "second", **OWN})["public_key"]
    assert [each["id"] for each in options["excludeCredentials"]] == [encoded(key.credential_id)]
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert api("POST", finish, "clerk", answer(key.create(options))).status_code == 409
    assert api("POST", begin, "clerk", {"name": "office key", **OWN}).status_code == 409
    assert api("POST", begin, "clerk", {"name": "", **OWN}).status_code == 422
    for number in range(9):
        registered(api, "clerk", f"key {number}")
    assert api("POST", begin, "clerk", {"name": "one too many", **OWN}).status_code == 409


def test_administrators_see_names_and_dates_and_no_key(
    api: Api, key: SoftwareAuthenticator
) -> None:
    listed = api("GET", f"{V1}/people/clerk/factors", "admin")
    assert [each["name"] for each in listed.json()["passkeys"]] == ["office key"]
    assert encoded(key.credential_id) not in listed.text
    assert set(listed.json()["passkeys"][0]) == {
        "id", "name", "backed_up", "created_at", "last_used_at"
    }  # fmt: skip
    assert api("GET", f"{V1}/people/clerk/factors", "head").status_code == 403


def test_the_audit_log_says_by_which_factors_somebody_acted(
    api: Api, key: SoftwareAuthenticator
) -> None:
    token = shown(api, key.get(asked(api))).json()["token"]
    api.ok("GET", f"{V1}/records/payroll", token)
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        kept = database.execute("SELECT * FROM audit_event WHERE kind = 'record.list'").fetchall()
    assert '"m":["passkey"]' in str(kept[-1])


@pytest.mark.parametrize(
    "spoil",
    [
        {"clientDataJSON": ""},
        {"clientDataJSON": encoded(b"{}")},
        {"clientDataJSON": encoded(b"\xff\xfe")},
        {"clientDataJSON": encoded(b'{"challenge": 1}')},
        {"authenticatorData": encoded(b"short")},
        {"authenticatorData": encoded(bytes(37) + b"\xff" * 40)},
        {"signature": "A"},
        {"signature": ""},
        {"userHandle": None},
    ],
)
def test_a_broken_answer_is_refused_without_a_fault(
    api: Api, key: SoftwareAuthenticator, spoil: dict[str, Any]
) -> None:
    given = key.get(asked(api))
    given["response"].update(spoil)
    assert refused(shown(api, given))


def test_with_a_passkey_the_last_device_can_go_and_then_the_passkey_stays(
    api: Api, key: SoftwareAuthenticator
) -> None:
    hands = api.house.hands
    [phone] = api.ok("GET", f"{V1}/devices", "clerk")["devices"]
    both = {"password": PASSWORD, "code": hands.code(api.house.seeds["clerk"], 1)}
    hands.seconds += STEP
    gone = api("POST", f"{V1}/devices/{phone['id']}/removal", "clerk", both)
    assert gone.status_code == 204, gone.text
    session = shown(api, key.get(asked(api))).json()["token"]
    [own] = api.ok("GET", f"{V1}/factors", session)["passkeys"]
    assert remove(api, own["id"], session).status_code == 409
    [listed] = api.ok("GET", f"{V1}/people?search=clerk", "admin")["people"]
    assert listed["factors"] == ["passkey"]

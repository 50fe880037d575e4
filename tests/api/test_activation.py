"""From an invitation to a session over HTTP, by who invites and by who is invited."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.identity.invitations import Issued
from secvault.service import Service
from tests.notices.conftest import told_by
from tests.notices.receivers import Mailbox, smtp_server
from tests.running_service import STEP, Api, Front, House

PASSWORD = "nineteen quiet harbours"
PEOPLE, ACTIVATION = "/api/v1/people", "/api/v1/activation"


def invite(api: Api, name: str = "mai", **more: Any) -> Any:
    new = {"name": name, "display_name": "Trần Thị Mai", "department": "hr", **more}
    return api.ok("POST", PEOPLE, "admin", new)["invitation"]


def begin(api: Api, code: str, **more: Any) -> Any:
    return api("POST", f"{ACTIVATION}/begin", body={"code": code, "password": PASSWORD, **more})


def complete(api: Api, code: str, seed: str, steps: tuple[int, int] = (-1, 0)) -> Any:
    first, second = (api.house.hands.code(seed, step) for step in steps)
    given = {"code": code, "first": first, "second": second}
    return api("POST", f"{ACTIVATION}/complete", body=given)


def sign_in(api: Api, name: str, seed: str) -> Any:
    api.house.hands.seconds += STEP
    given = {"name": name, "password": PASSWORD, "code": api.house.hands.code(seed)}
    return api("POST", "/api/v1/sessions", body=given)


def test_an_invited_person_activates_is_granted_a_role_and_signs_in(api: Api) -> None:
    code = invite(api)["code"]
    shown = api.ok("POST", f"{ACTIVATION}/look", body={"code": code})
    assert (shown["name"], shown["first_administrator"]) == ("mai", False)
    begun = begin(api, code).json()
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["svg"].startswith("<svg")
    assert complete(api, code, begun["seed"], (0, -1)).status_code == 422
    done = complete(api, code, begun["seed"])
    assert done.status_code == 200, done.text
    assert len(done.json()["recovery_codes"]) == 10
    grant = {"subject": "user:mai", "role": "role:hr.clerk", "department": "hr"}
    api.ok("POST", "/api/v1/grants", "admin", grant)
    session = sign_in(api, "mai", begun["seed"]).json()
    assert api("GET", "/api/v1/records/payroll", session["token"]).status_code == 200
    assert api("POST", f"{PEOPLE}/mai/invitation", "admin", {}).status_code == 409


def test_whatever_is_wrong_with_a_code_every_step_answers_alike(api: Api) -> None:
    used, old = invite(api, "used")["code"], invite(api, "old")["code"]
    complete(api, used, begin(api, used).json()["seed"])
    invite_again = api.ok("POST", f"{PEOPLE}/old/invitation", "admin", {})
    voided = invite(api, "gone")["code"]
    assert api("DELETE", f"{PEOPLE}/gone/invitation", "admin").status_code == 204
    assert api("DELETE", f"{PEOPLE}/gone/invitation", "admin").status_code == 409
    shut = invite(api, "shut")["code"]
    api.ok("POST", f"{PEOPLE}/shut/disable", "admin")
    session = api.house.tokens["admin"]
    told = set()
    for code in (used, old, voided, shut, "sva_nonsense", "x", session):
        for answer in (
            api("POST", f"{ACTIVATION}/look", body={"code": code}),
            begin(api, code),
            complete(api, code, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        ):
            said = answer.json()
            assert code not in answer.text
            told.add((answer.status_code, said["type"], said["title"], said["detail"]))
    assert len(told) == 1
    assert next(iter(told))[0] == 401
    events = api.ok("GET", "/api/v1/audit/events?kind=activation.look&outcome=denied", "auditor")
    assert {one["detail"]["reason"] for one in events["events"]} == {"unknown_invitation"}
    assert begin(api, invite_again["invitation"]["code"]).status_code == 200


@pytest.mark.parametrize(
    "password", ["short", "password1234", "mai trần thị mai", "secvault forever", "x" * 129]
)
def test_the_chosen_password_is_held_to_the_rules_and_the_code_stays_good(
    api: Api, password: str
) -> None:
    code = invite(api)["code"]
    answer = begin(api, code, password=password)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["password"]
    assert password not in answer.text
    assert begin(api, code).status_code == 200


def test_the_code_does_not_become_the_password(api: Api) -> None:
    code = invite(api)["code"]
    for password in (code, f"{code.upper()} and more"):
        answer = begin(api, code, password=password)
        assert answer.status_code == 422
        assert code not in answer.text
    assert begin(api, code).status_code == 200


def test_an_invited_person_does_not_choose_their_name(api: Api) -> None:
    answer = begin(api, invite(api)["code"], name="admin2")
    assert [fault["field"] for fault in answer.json()["errors"]] == ["name"]


def test_nobody_but_the_person_ever_sees_the_secrets(api: Api) -> None:
    invitation = invite(api)
    code = invitation["code"]
    begun = begin(api, code).json()
    done = complete(api, code, begun["seed"])
    secrets = [code.split("_")[2], PASSWORD, begun["seed"], *done.json()["recovery_codes"]]
    looked_at = [
        api("GET", path, who).text
        for who in ("admin", "auditor")
        for path in (
            PEOPLE,
            f"{PEOPLE}/mai",
            f"{PEOPLE}/mai/factors",
            f"{PEOPLE}.csv",
            "/api/v1/audit/events?limit=100",
        )
    ]
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        dump = "\n".join(database.iterdump())
    for secret in secrets:
        assert secret not in dump
        assert not [text for text in looked_at if secret in text]


def test_the_routes_by_which_administrators_chose_secrets_are_gone(api: Api) -> None:
    assert api("POST", f"{PEOPLE}/clerk/devices", "admin", {"name": "x"}).status_code == 404
    place = f"{PEOPLE}/clerk/devices/{'0' * 32}/confirmation"
    assert api("POST", place, "admin", {"first": "1", "second": "2"}).status_code == 404


def test_a_code_that_is_sent_is_not_shown_to_who_invites(front: Front, house: House) -> None:
    with (
        smtp_server() as mailbox,
        front.serving(house, lambda service: _with_mail(service, mailbox)) as api,
    ):
        assert invite(api, contact="mai@example.vn", send=True)["code"] is None
        again = api.ok("POST", f"{PEOPLE}/mai/invitation", "admin", {"send": True})
        assert again["invitation"]["code"] is None
        _, mail = mailbox.to("mai@example.vn")
        found = re.search(r"sva_\w+", mail)
        assert found
        assert begin(api, found[0]).status_code == 200


def test_where_no_mail_is_set_up_nothing_is_sent_and_nobody_is_made(api: Api) -> None:
    new = {"name": "mai", "display_name": "Mai", "department": "hr"}
    answer = api("POST", PEOPLE, "admin", {**new, "contact": "mai@example.vn", "send": True})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["send"]
    assert api("GET", f"{PEOPLE}/mai", "admin").status_code == 404


def _with_mail(service: Service, mailbox: Mailbox) -> Service:
    told = told_by(mailbox, None)
    return replace(service, settings=service.settings.model_copy(update={"notifications": told}))


def test_people_come_in_and_go_out_by_a_file(api: Api) -> None:
    file = 'name,department,notes\nmai,hr,"=1+1"\nCLERK,hr,\nan,it,\n'
    faulty = {"file": file + "x,hr,\ny y,sales,\n", "dry_run": False}
    answer = api("POST", f"{PEOPLE}.csv", "admin", faulty)
    assert answer.status_code == 422
    fields = [fault["field"] for fault in answer.json()["errors"]]
    assert fields == ["line 5, name", "line 6, department", "line 6, name"]
    before = api.ok("GET", PEOPLE, "admin")
    dry = api.ok("POST", f"{PEOPLE}.csv", "admin", {"file": file, "dry_run": True})
    nobody: dict[str, list[str]] = {"invited": [], "unsent": []}
    assert dry == {**nobody, "would_invite": ["mai", "an"], "existing": ["clerk"]}
    assert api.ok("GET", PEOPLE, "admin") == before
    done = api.ok("POST", f"{PEOPLE}.csv", "admin", {"file": file})
    assert [one["name"] for one in done["invited"]] == ["mai", "an"]
    again = api.ok("POST", f"{PEOPLE}.csv", "admin", {"file": file})
    assert (again["invited"], again["existing"]) == ([], ["mai", "clerk", "an"])
    code = done["invited"][0]["invitation"]["code"]
    assert begin(api, code).status_code == 200
    exported = api("GET", f"{PEOPLE}.csv", "admin")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert '"\'=1+1"' in exported.text
    assert code not in exported.text
    back = api.ok("POST", f"{PEOPLE}.csv", "admin", {"file": exported.text, "dry_run": True})
    assert (back["would_invite"], len(back["existing"])) == ([], 6)
    created = api.ok("GET", "/api/v1/audit/events?kind=person.create&outcome=ok", "auditor")
    assert len({one["detail"]["person"] for one in created["events"][:2]}) == 2


def test_secrets_have_no_place_in_a_url_or_a_repr(api: Api) -> None:
    code = invite(api)["code"]
    assert api("GET", f"{ACTIVATION}/look?code={code}").status_code == 405
    assert code not in repr(Issued("k", Secret.of(code), 0))

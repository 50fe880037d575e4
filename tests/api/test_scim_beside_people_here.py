"""What SCIM does beside invitations and approvals: it goes round neither of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from secvault.identity.people import find_person
from secvault.identity.sign_in import let_in
from secvault.service import authentication, invitations
from secvault.service.spine import Caller
from tests.api.test_scim import (
    GROUPS,
    USERS,
    group,
    made,
    patch,
    patched,
    refused,
    scim_variables,
    user,
)
from tests.browser_of_a_provider import events, roles
from tests.running_service import PASSWORD, Api, Front, House, copied, join, system_token

ADMIN = ("role:it.admin", "it")
OFF, ON = ({"op": "replace", "path": "active", "value": value} for value in (False, True))


@pytest.fixture(scope="module")
def provisioned(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the system of a provider."""
    house = copied(furnished, tmp_path_factory.mktemp("provisioned"))
    with house.open() as service:
        house.tokens["corp-scim"] = system_token(service, "corp-scim", "it", "role:it.provisioner")
    return house


@pytest.fixture
def house(provisioned: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A copy of it for each test."""
    return copied(provisioned, tmp_path_factory.mktemp("house"))


@contextmanager
def _serving(front: Front, house: House, **more: Any) -> Iterator[Api]:
    with front.serving(replace(house, more=scim_variables("corp", "corp-scim", **more))) as api:
        yield api


def _state(api: Api, id_: str) -> str:
    found = api.ok("GET", "/api/v1/people", "auditor")["people"]
    return str(next(each["state"] for each in found if each["id"] == id_))


def _code(api: Api, person: str) -> str:
    """The code by which an administrator has somebody activate themselves."""
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        code = invitations.invite_again(service, operator, person).code
    assert code is not None
    return code.text()


def _comes_in(api: Api, name: str) -> str:
    """Open a session for somebody, as a sign-in by the provider would; its token."""
    with api.house.open() as service, service.store.write() as connection:
        who = find_person(connection, name)
        return let_in(connection, service.entrance, who.id, ("oidc", "oidc_mfa"), "").token.text()


def _activated(api: Api, code: str) -> None:
    given = {"code": code, "password": "Nothing rhymes with seventeen oranges"}
    begun = api.ok("POST", "/api/v1/activation/begin", None, given)
    first, second = (api.house.hands.code(begun["seed"], at) for at in (-1, 0))
    shown = {"code": code, "first": first, "second": second}
    api.ok("POST", "/api/v1/activation/complete", None, shown)


def test_whom_the_provider_cannot_sign_in_is_invited_and_disabling_voids_their_code(
    front: Front, house: House
) -> None:
    with _serving(front, house, subject="none") as api:
        id_ = made(api, user(externalId="7"))
        assert api.ok("GET", f"{USERS}/{id_}", "corp-scim")["active"] is True
        assert _state(api, id_) == "invited"
        look = ("POST", "/api/v1/activation/look", None)
        code = _code(api, id_)
        assert api(*look, {"code": code}).status_code == 200
        assert patched(api, f"{USERS}/{id_}", OFF)["active"] is False
        assert api(*look, {"code": code}).status_code == 401
        assert patched(api, f"{USERS}/{id_}", ON)["active"] is True
        assert _state(api, id_) == "invited"
        assert api(*look, {"code": code}).status_code == 401
        _activated(api, _code(api, id_))
        assert _state(api, id_) == "active"


def test_who_gets_a_name_at_the_sign_in_is_active_from_then_on_and_needs_no_code(
    front: Front, house: House
) -> None:
    with _serving(front, house, subject="external_id") as api:
        assert _state(api, made(api, user("lan.tran", externalId="1"))) == "active"
        id_ = made(api, user())
        assert _state(api, id_) == "invited"
        code = _code(api, id_)
        named = {"op": "add", "path": "externalId", "value": "7"}
        patched(api, f"{USERS}/{id_}", named)
        assert _state(api, id_) == "active"
        gone = api("POST", "/api/v1/activation/look", None, {"code": code})
        assert gone.status_code == 401
        # Nobody knows a password of theirs.
        given = {"name": "mai.le", "password": PASSWORD, "code": "123456"}
        assert api("POST", "/api/v1/sessions", None, given).status_code == 401


def test_a_provider_neither_takes_the_last_who_approve_nor_lets_one_back_in(
    front: Front, house: House
) -> None:
    settled = {"subject": "external_id", "groups": ["Admins = it.admin@it"]}
    with _serving(front, house, **settled) as api:
        id_ = made(api, user(externalId="7"))
        admins = made(api, group("Admins", id_))
        assert roles(api, f"user:{id_}") == {("role:it.admin", "scim:corp")}
        token = _comes_in(api, "mai.le")
        # Two can approve now, and without her there would be one.
        path, team = f"{USERS}/{id_}", f"{GROUPS}/{admins}"
        for method, at, body in (
            ("PATCH", path, patch(OFF)),
            ("PUT", path, user(externalId="7", active=False)),
            ("DELETE", path, None),
            ("PATCH", team, patch({"op": "remove", "path": "members"})),
            ("PUT", team, group("Others", id_)),
            ("DELETE", team, None),
        ):
            answer = api(method, at, "corp-scim", body)
            refused(answer, 403)
            assert "too few could approve" in answer.json()["detail"]
        assert _state(api, id_) == "active"
        assert roles(api, f"user:{id_}") == {("role:it.admin", "scim:corp")}
        assert api("GET", "/api/v1/sessions/self", token).status_code == 200
        noted = [each for each in events(api, "scim.provision") if each["outcome"] == "denied"]
        assert len(noted) == 6
        assert noted[-1]["resource"] == f"it/people/{id_}"
        with house.open() as service:
            join(service, api.house, "second", ADMIN)
        # With a third who can, she is out at once; but back in only by two people here.
        assert patched(api, path, OFF)["active"] is False
        assert api("GET", "/api/v1/sessions/self", token).status_code == 401
        answer = api("PATCH", path, "corp-scim", patch(ON))
        refused(answer, 403)
        assert "privileged role" in answer.json()["detail"]
        assert _state(api, id_) == "disabled"
        # Without the role it is an ordinary person again.
        assert api("DELETE", team, "corp-scim").status_code == 204
        assert patched(api, path, ON)["active"] is True


def test_a_privileged_role_of_a_group_waits_until_its_person_has_activated(
    front: Front, house: House
) -> None:
    settled = {"subject": "none", "groups": ["Admins = it.admin@it", "Payroll = hr.clerk@hr"]}
    with _serving(front, house, **settled) as api:
        with house.open() as service:
            join(service, api.house, "second", ADMIN)
        id_ = made(api, user(externalId="7"))
        made(api, group("Admins", id_))
        made(api, group("Payroll", id_))
        assert roles(api, f"user:{id_}") == {("role:hr.clerk", "scim:corp")}
        _activated(api, _code(api, id_))
        assert roles(api, f"user:{id_}") == {
            ("role:hr.clerk", "scim:corp"),
            ("role:it.admin", "scim:corp"),
        }


@pytest.mark.parametrize("by", ["external_id", "user_name"])
def test_nobody_is_handed_to_another_account_of_the_provider(
    front: Front, house: House, by: str
) -> None:
    with _serving(front, house, subject=by) as api:
        id_ = made(api, user("Mai.Le", externalId="7"))
        path = f"{USERS}/{id_}"
        other = {"external_id": ("Mai.Le", "8"), "user_name": ("an.attacker", "7")}[by]
        stolen = user(other[0], externalId=other[1])
        refused(api("PUT", path, "corp-scim", stolen), 400, "mutability")
        if by == "external_id":
            # Also not by leaving the name out first.
            api.ok("PUT", path, "corp-scim", user("Mai.Le"))
            refused(api("PUT", path, "corp-scim", stolen), 400, "mutability")
            api.ok("PUT", path, "corp-scim", user("Mai.Le", externalId="7"))
        assert api("DELETE", path, "corp-scim").status_code == 204
        if by == "user_name":
            refused(api("POST", USERS, "corp-scim", stolen), 400, "mutability")
        back = api.ok("POST", USERS, "corp-scim", user("Mai.Le", externalId="7"))
        assert back["id"] == id_
        shown = {"op": "replace", "path": "displayName", "value": "Mai"}
        assert patched(api, path, shown)["displayName"] == "Mai"

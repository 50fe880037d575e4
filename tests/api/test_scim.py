"""SCIM 2.0: held to the RFCs by scim2-tester, and to what no provider may do here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError
from secvault.identity.people import find_person
from secvault.identity.sign_in import let_in
from secvault.service import authentication, bootstrap, grants, opening, people
from secvault.service.spine import Caller
from tests.browser_of_a_provider import Signing, events, roles, variables
from tests.running_service import PASSWORD, SEED, Api, Front, Hands, House, copied, system_token
from tests.signing_provider import SigningProvider, serving

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USERS, GROUPS = "/scim/v2/Users", "/scim/v2/Groups"


def scim_variables(name: str, account: str, **more: Any) -> dict[str, str]:
    """The settings that declare a provider which comes with this system's tokens."""
    given = {
        "account": account,
        "groups": ["Payroll = hr.clerk@hr", "Leads = hr.head@hr"],
        "privileged_roles": True,
        "department": "hr",
        "subject": "external_id",
        **more,
    }
    return {
        f"SECVAULT_IDENTITY__SCIM__{name.upper()}__{key.upper()}": value
        if isinstance(value, str)
        else json.dumps(value)
        for key, value in given.items()
    }


@pytest.fixture(scope="module")
def provisioned(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the systems of two providers; `other` is one that has the right, and no name."""
    house = copied(furnished, tmp_path_factory.mktemp("provisioned"))
    tokens = dict(house.tokens)
    with house.open() as service:
        for name in ("corp-scim", "subsidiary", "other"):
            tokens[name] = system_token(service, name, "it", "role:it.provisioner")
    given = {**scim_variables("corp", "corp-scim"), **scim_variables("second", "subsidiary")}
    return replace(house, tokens=tokens, more=given)


@pytest.fixture
def house(provisioned: House, tmp_path: Path) -> House:
    """A copy of it for each test."""
    own = copied(provisioned, tmp_path / "house")
    return replace(own, more=provisioned.more)


@pytest.fixture
def api(front: Front, house: House) -> Iterator[Api]:
    """The application over it."""
    with front.serving(house) as served:
        yield served


def user(sign_in: str = "mai.le", **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": sign_in, **more}


def group(name: str, *members: str, **more: Any) -> dict[str, Any]:
    return {
        "schemas": [GROUP],
        "displayName": name,
        "members": [{"value": each} for each in members],
        **more,
    }


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


def made(api: Api, body: dict[str, Any], who: str = "corp-scim") -> str:
    """The id of what is created."""
    path = USERS if USER in body["schemas"] else GROUPS
    return str(api.ok("POST", path, who, body)["id"])


def patched(api: Api, path: str, *operations: dict[str, Any]) -> Any:
    """What is there after these operations."""
    body = {"schemas": [PATCH], "Operations": list(operations)}
    assert api("PATCH", path, "corp-scim", body).status_code == 204
    return api.ok("GET", path, "corp-scim")


def refused(answer: httpx2.Response, status: int, kind: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/scim+json"
    said = answer.json()
    assert said["schemas"] == [ERROR]
    assert said["status"] == str(status)
    assert said.get("scimType", "") == kind


def test_the_tester_finds_no_fault(api: Api) -> None:
    _without_fault(api)


def _without_fault(api: Api) -> None:
    with httpx2.Client(
        transport=api.client._transport,
        base_url="http://localhost:8200/scim/v2",
        headers={"Authorization": f"Bearer {api.house.tokens['corp-scim']}"},
    ) as client:
        results = check_server(SyncSCIMClient(client))
    assert len(results) > 50
    faults = [
        (each.title, each.resource_type, each.reason)
        for each in results
        if each.status is not Status.SUCCESS
    ]
    assert not faults


def test_only_the_tokens_that_the_settings_name_may(api: Api) -> None:
    refused(api("GET", USERS), 401)
    assert api("GET", USERS).headers["www-authenticate"] == "Bearer"
    for who in ("system", "head", "auditor", "other"):
        refused(api("GET", USERS, who), 403)
        refused(api("POST", USERS, who, user()), 403)
    refused(api("GET", "/scim/v2/Nothing", "corp-scim"), 404)
    refused(api("DELETE", USERS, "corp-scim"), 405)


def test_what_is_not_offered_is_said_so(api: Api) -> None:
    said = api.ok("GET", "/scim/v2/ServiceProviderConfig", "corp-scim")
    offered = {
        name for name, each in said.items() if isinstance(each, dict) and each.get("supported")
    }
    assert offered == {"patch", "filter", "etag"}
    refused(api("POST", "/scim/v2/Bulk", "corp-scim", {}), 501)
    refused(api("GET", f"{USERS}?sortBy=userName", "corp-scim"), 501)
    refused(api("GET", "/scim/v2/Me", "corp-scim"), 501)


def test_somebody_new_can_sign_in_only_by_what_they_set_up_themselves(api: Api) -> None:
    answer = api(
        "POST", USERS, "corp-scim", user("Mai.Le", externalId="7", displayName="Lê Thị Mai")
    )
    assert answer.status_code == 201
    said = answer.json()
    assert (said["userName"], said["displayName"], said["active"]) == ("mai.le", "Lê Thị Mai", True)
    assert answer.headers["location"] == f"http://localhost:8200{USERS}/{said['id']}"
    assert answer.headers["etag"] == said["meta"]["version"]
    listed = api.ok("GET", "/api/v1/people", "auditor")["people"]
    (person,) = [each for each in listed if each["id"] == said["id"]]
    assert (person["department"], person["second_factor"]) == ("hr", False)
    created = events(api, "person.create")[0]
    assert created["detail"] == {"person": said["id"], "provider": "corp"}
    assert created["actor"].startswith("svc:") if isinstance(created["actor"], str) else True
    assert events(api, "scim.provision")[0]["detail"]["target"] == said["id"]


def test_passwords_are_refused_wherever_they_stand(api: Api) -> None:
    secret = "hunter2-hunter2-hunter2"
    refused(api("POST", USERS, "corp-scim", user(password=secret)), 400, "mutability")
    id_ = made(api, user())
    path = f"{USERS}/{id_}"
    refused(api("PUT", path, "corp-scim", user(Password=secret)), 400, "mutability")
    for operation in (
        {"op": "replace", "path": "password", "value": secret},
        {"op": "replace", "path": f"{USER}:password", "value": secret},
        {"op": "add", "value": {"password": secret}},
    ):
        refused(api("PATCH", path, "corp-scim", patch(operation)), 400, "mutability")


def test_a_provider_sees_and_changes_nobody_but_those_it_brought(api: Api) -> None:
    theirs = made(api, user("lan.tran", externalId="1"), "subsidiary")
    mine = made(api, user("mai.le", externalId="1"))
    admin = next(
        each["id"]
        for each in api.ok("GET", "/api/v1/people", "auditor")["people"]
        if each["name"] == "admin"
    )
    assert [each["id"] for each in api.ok("GET", USERS, "corp-scim")["Resources"]] == [mine]
    for id_ in (theirs, admin, "x", "%00", "a" * 300):
        for method, body in (
            ("GET", None),
            ("PUT", user("new.name", active=False)),
            ("PATCH", patch({"op": "replace", "path": "active", "value": False})),
            ("DELETE", None),
        ):
            assert api(method, f"{USERS}/{id_}", "corp-scim", body).status_code == 404, (
                id_,
                method,
            )
    refused(api("POST", USERS, "corp-scim", user("admin")), 409, "uniqueness")
    refused(api("PUT", f"{USERS}/{mine}", "corp-scim", user("lan.tran")), 409, "uniqueness")
    refused(api("POST", USERS, "corp-scim", user("other.name", externalId="1")), 409, "uniqueness")
    for members in ((theirs,), (admin,), (mine, "nobody")):
        refused(api("POST", GROUPS, "corp-scim", group("Payroll", *members)), 400, "invalidValue")
    given = made(api, group("Payroll", mine))
    assert api("GET", f"{GROUPS}/{given}", "subsidiary").status_code == 404
    assert api.ok("GET", GROUPS, "subsidiary")["totalResults"] == 0
    assert roles(api, f"user:{theirs}") == set()


def _signed_in(api: Api, name: str) -> str:
    """Open a session for somebody, whatever they would have shown for it."""
    with api.house.open() as service, service.store.write() as connection:
        who = find_person(connection, name)
        return let_in(connection, service.entrance, who.id, ("oidc", "totp"), "").token.text()


def test_inactive_ends_sessions_at_once_and_active_lets_back_in(api: Api) -> None:
    id_ = made(api, user(externalId="7"))
    token = _signed_in(api, "mai.le")
    assert api("GET", "/api/v1/sessions/self", token).status_code == 200
    off = {"op": "Replace", "path": "active", "value": False}
    assert patched(api, f"{USERS}/{id_}", off)["active"] is False
    assert api("GET", "/api/v1/sessions/self", token).status_code == 401
    assert events(api, "person.disable")[0]["detail"] == {"person": id_, "provider": "corp"}
    on = {"op": "replace", "value": {"active": True}}
    assert patched(api, f"{USERS}/{id_}", on)["active"] is True
    assert api("GET", "/api/v1/sessions/self", token).status_code == 401


@pytest.mark.parametrize("provider_first", [False, True])
def test_whom_an_administrator_disabled_no_provider_enables(api: Api, provider_first: bool) -> None:
    id_ = made(api, user())
    off, on = ({"op": "replace", "path": "active", "value": value} for value in (False, True))
    if provider_first:
        patched(api, f"{USERS}/{id_}", off)
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        people.disable_person(service, operator, id_)
    assert patched(api, f"{USERS}/{id_}", on)["active"] is False
    assert api.ok("PUT", f"{USERS}/{id_}", "corp-scim", user(active=True))["active"] is False
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        people.enable_person(service, operator, id_)
    assert api.ok("GET", f"{USERS}/{id_}", "corp-scim")["active"] is True


def test_who_is_deleted_is_disabled_and_comes_back_by_the_providers_own_name_only(
    api: Api,
) -> None:
    id_ = made(api, user(externalId="e-1"))
    made(api, group("Payroll", id_))
    assert roles(api, f"user:{id_}") == {("role:hr.clerk", "scim:corp")}
    assert api("DELETE", f"{USERS}/{id_}", "corp-scim").status_code == 204
    assert api("GET", f"{USERS}/{id_}", "corp-scim").status_code == 404
    assert roles(api, f"user:{id_}") == set()
    (kept,) = [
        each for each in api.ok("GET", "/api/v1/people", "auditor")["people"] if each["id"] == id_
    ]
    assert kept["state"] == "disabled"
    # Somebody else who is called the same is not the same.
    refused(api("POST", USERS, "corp-scim", user(externalId="e-2")), 409, "uniqueness")
    back = api.ok("POST", USERS, "corp-scim", user(externalId="e-1"))
    assert (back["id"], back["active"]) == (id_, True)
    assert roles(api, f"user:{id_}") == set()


def test_roles_follow_members_and_names_of_groups(api: Api) -> None:
    one, two = made(api, user("mai.le")), made(api, user("lan.tran"))
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        grants.add_grant(
            service, operator, subject=f"user:{two}", role="role:hr.head", department="hr"
        )
    clerk, head = ("role:hr.clerk", "scim:corp"), ("role:hr.head", "scim:corp")
    team = made(api, group("Payroll", one))
    assert roles(api, f"user:{one}") == {clerk}
    assert events(api, "grant.add")[0]["detail"]["provider"] == "corp"
    path = f"{GROUPS}/{team}"
    add = {"op": "add", "path": "members", "value": [{"value": two}]}
    said = patched(api, path, add)
    assert {each["value"] for each in said["members"]} == {one, two}
    assert said["members"][0]["$ref"].startswith(f"http://localhost:8200{USERS}/")
    assert roles(api, f"user:{two}") == {clerk, ("role:hr.head", "")}
    gone = {"op": "remove", "path": f'members[value eq "{one}"]'}
    patched(api, path, gone)
    assert roles(api, f"user:{one}") == set()
    # As Microsoft Entra writes it.
    entra = {"op": "Remove", "path": "members", "value": [{"value": two}]}
    patched(api, path, entra)
    assert roles(api, f"user:{two}") == {("role:hr.head", "")}
    api.ok("PUT", path, "corp-scim", group("Leads", one, two))
    assert roles(api, f"user:{one}") == {head}
    assert roles(api, f"user:{two}") == {("role:hr.head", "")}
    refused(api("POST", GROUPS, "corp-scim", group("Leads")), 409, "uniqueness")
    nested = {
        "schemas": [GROUP],
        "displayName": "All",
        "members": [{"value": team, "type": "Group"}],
    }
    refused(api("POST", GROUPS, "corp-scim", nested), 400, "invalidValue")
    assert api("DELETE", path, "corp-scim").status_code == 204
    assert roles(api, f"user:{one}") == set()
    assert api("DELETE", path, "corp-scim").status_code == 404


def test_versions_are_held_to(api: Api) -> None:
    id_ = made(api, user())
    path = f"{USERS}/{id_}"
    etag = api("GET", path, "corp-scim").headers["etag"]
    assert api("GET", path, "corp-scim", headers={"If-None-Match": etag}).status_code == 304
    renamed = user("mai.le", displayName="Mai")
    stale = {"If-Match": 'W/"another"'}
    refused(api("PUT", path, "corp-scim", renamed, headers=stale), 412)
    answer = api("PUT", path, "corp-scim", renamed, headers={"If-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag
    refused(api("DELETE", path, "corp-scim", headers={"If-Match": etag}), 412)


def test_lists_are_filtered_and_paged(api: Api) -> None:
    ids = []
    for number in range(5):
        api.house.hands.seconds += 1
        ids.append(made(api, user(f"person.{number}", externalId=f"E{number}")))

    def found(**query: str) -> tuple[int, list[str]]:
        answer = api("GET", USERS, "corp-scim", params=query)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        return said["totalResults"], [each["id"] for each in said.get("Resources", [])]

    assert found() == (5, ids)
    assert found(startIndex="2", count="2") == (5, ids[1:3])
    assert found(startIndex="9") == (5, [])
    assert found(count="0") == (5, [])
    assert found(filter='userName eq "PERSON.3"') == (1, [ids[3]])
    assert found(filter='externalId eq "E3"') == (1, [ids[3]])
    assert found(filter='externalId eq "e3"') == (0, [])
    assert found(filter="userName eq \"x' OR '1'='1\"") == (0, [])
    assert found(filter='userName sw "person" and not (externalId eq "E0")', count="2") == (
        4,
        ids[1:3],
    )
    assert found(filter="active eq true", startIndex="5") == (5, [ids[4]])
    for wrong in ('userName eq "x', "userName", 'nothing eq "x"', "((((", 'userName xx "y"'):
        refused(api("GET", USERS, "corp-scim", params={"filter": wrong}), 400, "invalidFilter")
    asked = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1}
    said = api.ok("POST", f"{USERS}/.search", "corp-scim", asked)
    assert (said["totalResults"], said["itemsPerPage"]) == (5, 1)
    only = api("GET", f"{USERS}/{ids[0]}", "corp-scim", params={"attributes": "userName"}).json()
    assert set(only) == {"schemas", "id", "userName"}


BODIES = (b"", b"{", b"[]", b"null", b'{"schemas": []}', b"\xff", b'{"userName": 7}', b"[" * 50_000)


def test_a_body_that_is_none_is_refused_in_the_form_of_the_specification(api: Api) -> None:
    headers = {"Content-Type": "application/scim+json"}
    for body in BODIES:
        answer = api("POST", USERS, "corp-scim", None, content=body, headers=headers)
        assert answer.status_code == 400, body[:20]
        assert answer.json()["schemas"] == [ERROR]
    assert api.ok("GET", USERS, "corp-scim")["totalResults"] == 0


def test_names_that_nobody_can_have_are_refused(api: Api) -> None:
    for name in ("", " ", "a", "x" * 65, "a b", "<script>", "\u202eabc", "-x"):
        answer = api("POST", USERS, "corp-scim", user(name))
        assert answer.status_code == 400, name
        assert answer.json()["scimType"] in ("invalidValue", "invalidSyntax")


def test_what_is_not_kept_is_accepted_and_forgotten(api: Api) -> None:
    full = user(
        "mai.le",
        name={"givenName": "Mai", "familyName": "Lê"},
        emails=[{"value": "mai@example.com", "type": "work"}],
        nickName="M",
    )
    said = api.ok("POST", USERS, "corp-scim", full)
    assert set(said) == {"schemas", "id", "userName", "active", "meta"}
    with api.house.open() as service, service.store.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM person").all()
    assert "mai@example.com" not in str(rows)


def test_whom_scim_brought_signs_in_by_the_provider_of_the_same_name(
    front: Front, house: House
) -> None:
    def now() -> int:
        return int(house.hands.seconds)

    with serving(SigningProvider(now)) as corp:
        corp.claim = {"amr": ["mfa"], "auth_time": now()}
        both = {**house.more, **variables(corp, unknown_people="refuse")}
        with front.serving(replace(house, more=both)) as api:
            signing = Signing(api, corp)
            assert signing().status_code == 401
            id_ = made(api, user("mai.le", externalId=corp.subject))
            corp.groups = ["Payroll"]
            assert signing().json()["subject"] == f"user:{id_}"
            made(api, group("Payroll", id_))
            assert roles(api, f"user:{id_}") == {("role:hr.clerk", "oidc:corp")}
            corp.groups = []
            assert signing().status_code == 200
            assert roles(api, f"user:{id_}") == {("role:hr.clerk", "scim:corp")}
            off = patch({"op": "replace", "path": "active", "value": False})
            api.ok("PATCH", f"{USERS}/{id_}", "corp-scim", off)
            assert signing().status_code == 401
            assert api("DELETE", f"{USERS}/{id_}", "corp-scim").status_code == 204
            assert signing().status_code == 401


@pytest.mark.real
@pytest.mark.slow
def test_all_of_it_runs_on_postgresql_too(
    front: Front, postgresql_url: str, tmp_path: Path
) -> None:
    bare = House(tmp_path, Hands(), {}, {}, {"SECVAULT_STORE__URL": postgresql_url})
    opening.create_vault(bare.settings, bare.hands.clock())
    with bare.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        tokens = {
            "corp-scim": system_token(service, "corp-scim", "it", "role:it.provisioner"),
            "auditor": system_token(service, "auditor", "it", "role:it.auditor"),
        }
    with serving(SigningProvider(lambda: int(bare.hands.seconds))) as corp:
        corp.claim = {"amr": ["mfa"], "auth_time": int(bare.hands.seconds)}
        given = {**bare.more, **scim_variables("corp", "corp-scim"), **variables(corp)}
        with front.serving(replace(bare, tokens=tokens, more=given)) as api:
            _without_fault(api)
            id_ = made(api, user("mai.le", externalId=corp.subject))
            made(api, group("Payroll", id_))
            corp.groups = ["Payroll leads"]
            with ThreadPoolExecutor(4) as pool:
                sessions = list(pool.map(lambda _: Signing(api, corp)(), range(4)))
            assert {each.json()["subject"] for each in sessions} == {f"user:{id_}"}
            assert roles(api, f"user:{id_}") == {
                ("role:hr.clerk", "scim:corp"),
                ("role:hr.head", "oidc:corp"),
            }
            assert api("DELETE", f"{USERS}/{id_}", "corp-scim").status_code == 204
            assert Signing(api, corp)().status_code == 401
            assert roles(api, f"user:{id_}") == set()


def test_a_privileged_group_and_an_account_twice_stop_the_start(house: House) -> None:
    for given, said in (
        (scim_variables("corp", "corp-scim", privileged_roles=False), "privileged_roles"),
        (scim_variables("second", "corp-scim"), "account"),
    ):
        with (
            pytest.raises(ConfigurationError, match=said),
            replace(house, more={**house.more, **given}).open(),
        ):
            pass


def test_a_system_with_the_role_can_do_nothing_else(api: Api) -> None:
    for method, path in (
        ("GET", "/api/v1/people"),
        ("GET", "/api/v1/grants"),
        ("GET", "/api/v1/audit/events"),
        ("GET", "/v1/transit/keys/k"),
    ):
        assert api(method, path, "corp-scim").status_code == 403, path

"""Mounts: each department's keys in a place of their own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from secvault.service import Service
from tests.running_service import Api, Front, House, system_token

PLAIN = {"plaintext": base64.b64encode(b"31.500.000").decode()}
HR = {"type": "transit", "description": "Nhân sự", "options": {"department": "hr"}}


@pytest.fixture
def tokens(house: House) -> Iterator[dict[str, str]]:
    """An administrator of hr's keys, and two systems."""
    with house.open() as service:
        yield {
            "hr admin": system_token(service, "hr-admin", "hr", "role:it.admin"),
            "hr": system_token(service, "hr-sync", "hr", "role:it.cryptor"),
            "accounting": system_token(service, "acc-sync", "accounting", "role:it.cryptor"),
        }


def test_a_mount_belongs_to_a_department_and_to_nobody_else(
    api: Api, tokens: dict[str, str]
) -> None:
    api.ok("POST", "/v1/sys/mounts/hr/payroll", tokens["hr admin"], HR)
    sealed = api.ok("PUT", "/v1/hr/payroll/encrypt/sums", tokens["hr"], PLAIN)["data"]
    opened = api.ok("POST", "/v1/hr/payroll/decrypt/sums", tokens["hr"], sealed)["data"]
    assert opened == PLAIN
    for who in ("accounting", "hr admin"):
        assert api("POST", "/v1/hr/payroll/decrypt/sums", tokens[who], sealed).status_code == 403
    listed = api.ok("GET", "/v1/sys/mounts", tokens["hr"])["data"]
    assert set(listed) == {"hr/payroll/"}
    assert listed["hr/payroll/"]["options"] == {"department": "hr"}
    assert listed["hr/payroll/"]["description"] == "Nhân sự"


def test_a_mount_is_made_only_in_the_department_of_the_grant(
    api: Api, tokens: dict[str, str]
) -> None:
    other = {"type": "transit", "options": {"department": "accounting"}}
    assert api("POST", "/v1/sys/mounts/acc", tokens["hr admin"], other).status_code == 403
    assert api("POST", "/v1/sys/mounts/hr/x", tokens["hr"], HR).status_code == 403


def test_a_mount_whose_department_is_not_said_is_the_callers_own(
    api: Api, tokens: dict[str, str]
) -> None:
    api.ok("POST", "/v1/sys/mounts/own", tokens["hr admin"], {"type": "transit"})
    listed = api.ok("GET", "/v1/sys/mounts", tokens["hr admin"])["data"]
    assert listed["own/"]["options"] == {"department": "hr"}
    assert (
        api("POST", "/v1/sys/mounts/theirs", tokens["hr"], {"type": "transit"}).status_code == 403
    )
    nobodys = {"type": "transit", "options": {"department": ""}}
    assert api("POST", "/v1/sys/mounts/none", tokens["hr admin"], nobodys).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "sys",
        "auth/token",
        "internal",
        "records",
        "hr/keys",
        "hr/sign/x",
        "a/b/c/d/e",
        "-x",
        "a//b",
    ],
)
def test_a_path_that_means_something_else_is_no_mount(
    api: Api, tokens: dict[str, str], path: str
) -> None:
    assert api("POST", f"/v1/sys/mounts/{path}", tokens["hr admin"], HR).status_code == 400


def test_a_mount_in_or_over_another_is_refused(api: Api, tokens: dict[str, str]) -> None:
    api.ok("POST", "/v1/sys/mounts/hr/payroll", tokens["hr admin"], HR)
    for path in ("hr", "hr/payroll", "hr/payroll/deep", "transit/deep"):
        answer = api("POST", f"/v1/sys/mounts/{path}", tokens["hr admin"], HR)
        assert answer.status_code == 400
        assert "already in use" in answer.json()["errors"][0]


def test_a_mount_goes_only_when_all_of_its_keys_may_go(api: Api, tokens: dict[str, str]) -> None:
    admin = tokens["hr admin"]
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
    api.ok("POST", "/v1/hr/payroll/keys/sums", admin)
    refused = api("DELETE", "/v1/sys/mounts/hr/payroll", admin)
    assert refused.status_code == 400
    assert "may not be deleted" in refused.json()["errors"][0]
    api.ok("POST", "/v1/hr/payroll/keys/sums/config", admin, {"deletion_allowed": True})
    api.ok("DELETE", "/v1/sys/mounts/hr/payroll", admin)
    assert api("GET", "/v1/hr/payroll/keys/sums", admin).status_code == 404
    api.ok("POST", "/v1/sys/mounts/hr/payroll/", admin, HR)
    tuned = {"description": "again"}
    api.ok("POST", "/v1/sys/mounts/hr/payroll/tune", admin, tuned)
    assert api.ok("GET", "/v1/sys/mounts/hr/payroll/tune", admin)["data"]["description"] == "again"


def test_a_mount_goes_with_all_of_its_keys_where_the_settings_say_so(
    front: Front, house: House, tokens: dict[str, str]
) -> None:
    def as_openbao(service: Service) -> Service:
        settings = service.settings
        mounts = settings.mounts.model_copy(update={"disable_with_keys": True})
        return replace(service, settings=settings.model_copy(update={"mounts": mounts}))

    admin = tokens["hr admin"]
    with front.serving(house, as_openbao) as api:
        api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
        api.ok("POST", "/v1/hr/payroll/keys/sums", admin)
        api.ok("DELETE", "/v1/sys/mounts/hr/payroll", admin)
        assert api("GET", "/v1/hr/payroll/keys/sums", admin).status_code == 404
        api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
        assert api("GET", "/v1/hr/payroll/keys/sums", admin).status_code == 404


def test_a_mount_moves_with_its_keys_and_opens_what_was_encrypted_before(
    api: Api, tokens: dict[str, str]
) -> None:
    admin = tokens["hr admin"]
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
    sealed = api.ok("POST", "/v1/hr/payroll/encrypt/sums", tokens["hr"], PLAIN)["data"]
    api.ok("POST", "/v1/hr/payroll/keys/sums/rotate", tokens["hr"])
    move = {"from": "hr/payroll", "to": "hr/wages"}
    assert api("POST", "/v1/sys/remount", tokens["hr"], move).status_code == 403
    done = api.ok("POST", "/v1/sys/remount", admin, move)
    state = api.ok("GET", f"/v1/sys/remount/status/{done['migration_id']}", admin)["data"]
    assert state["migration_info"] == {
        "source_mount": "hr/payroll/",
        "status": "success",
        "target_mount": "hr/wages/",
    }
    assert api.ok("POST", "/v1/hr/wages/decrypt/sums", tokens["hr"], sealed)["data"] == PLAIN
    assert api("POST", "/v1/hr/payroll/decrypt/sums", tokens["hr"], sealed).status_code == 404
    read = api.ok("GET", "/v1/hr/wages/keys/sums", admin)["data"]
    assert (read["latest_version"], set(read["keys"])) == (2, {"1", "2"})
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)


def test_mounts_are_shown_beside_the_envelope_too(api: Api, tokens: dict[str, str]) -> None:
    api.ok("POST", "/v1/sys/mounts/hr/payroll", tokens["hr admin"], HR)
    for path in ("sys/mounts", "sys/mounts/hr/payroll", "sys/mounts/hr/payroll/tune"):
        answer = api.ok("GET", f"/v1/{path}", tokens["hr"])
        assert answer["data"].items() <= answer.items()


def test_where_encrypt_makes_no_keys_it_makes_none_until_told_so(
    api: Api, tokens: dict[str, str]
) -> None:
    admin, system = tokens["hr admin"], tokens["hr"]
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
    off = {"disable_upsert": True}
    assert api("POST", "/v1/hr/payroll/config/keys", system, off).status_code == 403
    api.ok("POST", "/v1/hr/payroll/config/keys", admin, off)
    answer = api("POST", "/v1/hr/payroll/encrypt/new", system, PLAIN)
    assert answer.status_code == 400
    assert api("GET", "/v1/hr/payroll/keys/new", system).status_code == 404
    api.ok("POST", "/v1/hr/payroll/config/keys", admin, {"disable_upsert": False})
    api.ok("POST", "/v1/hr/payroll/encrypt/new", system, PLAIN)


def test_a_key_leaves_wrapped_only_through_those_who_may_export(
    api: Api, tokens: dict[str, str]
) -> None:
    admin, system = tokens["hr admin"], tokens["hr"]
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
    api.ok("POST", "/v1/hr/payroll/keys/to", system, {"type": "rsa-2048"})
    api.ok("POST", "/v1/hr/payroll/keys/sums", system, {"exportable": True})
    for who in (admin, system):
        answer = api("GET", "/v1/hr/payroll/byok-export/to/sums", who)
        assert answer.status_code == 403


def test_agreeing_on_a_key_never_touches_a_key_that_was_made_here(
    api: Api, tokens: dict[str, str]
) -> None:
    admin, system = tokens["hr admin"], tokens["hr"]
    api.ok("POST", "/v1/sys/mounts/hr/payroll", admin, HR)
    api.ok("POST", "/v1/hr/payroll/keys/base", system, {"type": "ecdsa-p256"})
    public = api.ok("GET", "/v1/hr/payroll/keys/base", system)["data"]["keys"]["1"]["public_key"]
    body = {"peer_public_key": public, "base_key_name": "base"}
    assert api("POST", "/v1/hr/payroll/derive-key/sums", admin, body).status_code == 403
    api.ok("POST", "/v1/hr/payroll/keys/sums", system)
    answer = api("POST", "/v1/hr/payroll/derive-key/sums", system, body)
    assert answer.status_code == 400
    assert api.ok("GET", "/v1/hr/payroll/keys/sums", system)["data"]["latest_version"] == 1
    api.ok("POST", "/v1/hr/payroll/derive-key/agreed", system, body)
    other = {**body, "derived_key_type": "chacha20-poly1305"}
    assert api("POST", "/v1/hr/payroll/derive-key/agreed", system, other).status_code == 400


def test_more_than_10000_items_are_refused(api: Api) -> None:
    body = {"batch_input": [{}] * 10_001}
    answer = api("POST", "/v1/transit/encrypt/many", "system", body)
    assert answer.status_code == 400
    assert "10000 items at most" in answer.json()["errors"][0]

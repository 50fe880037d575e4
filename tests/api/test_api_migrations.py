"""Migrating records over HTTP: asked for, listed, read, stopped."""

from __future__ import annotations

import pytest

from tests.running_service import Api, House, system_token

MIGRATIONS = "/api/v1/migrations"


@pytest.fixture
def admin(house: House) -> str:
    """The token of an administrator of hr's keys and schemas."""
    with house.open() as service:
        return system_token(service, "hr-admin", "hr", "role:it.admin")


def test_a_run_is_asked_for_seen_and_stopped(api: Api, admin: str) -> None:
    asked = api("POST", MIGRATIONS, admin, {"collection": "payroll"})
    assert asked.status_code == 202
    run = asked.json()
    assert (run["collection"], run["state"], run["remaining"]) == ("payroll", "requested", None)
    place = f"{MIGRATIONS}/{run['id']}"
    assert api.ok("GET", place, admin) == run
    assert api.ok("GET", MIGRATIONS, admin) == {"migrations": [run]}
    stopped = api("DELETE", place, admin)
    assert (stopped.status_code, stopped.json()["state"]) == (202, "stopping")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"collection": "no_such"}, 404),
        ({"collection": "../x"}, 422),
        ({"collection": "payroll", "more": 1}, 422),
        ({"collection": "payments"}, 403),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_asked_for(
    api: Api, admin: str, body: object, status: int
) -> None:
    assert api("POST", MIGRATIONS, admin, body).status_code == status
    assert api.ok("GET", MIGRATIONS, admin) == {"migrations": []}


def test_a_run_that_is_not_there_and_one_of_others_are_not_shown(api: Api, admin: str) -> None:
    run = api.ok("POST", MIGRATIONS, admin, {"collection": "payroll"})["id"]
    assert api("GET", f"{MIGRATIONS}/nothing", admin).status_code == 404
    assert api("GET", f"{MIGRATIONS}/{run}", "clerk").status_code == 403
    assert api("DELETE", f"{MIGRATIONS}/{run}", "auditor").status_code == 403
    assert api.ok("GET", f"{MIGRATIONS}/{run}", "auditor")["id"] == run
    assert api("GET", MIGRATIONS, "clerk").status_code == 403

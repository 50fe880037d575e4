"""Rules with conditions on the lean path: each request is held against its own circumstances."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.running_service import Api, Front, House
from tests.service import policy_house

ENCRYPT = "/v1/transit/encrypt/payroll"
PLAIN = {"plaintext": base64.b64encode(b"x").decode()}
INSIDE, OUTSIDE = "10.20.1.7", "192.0.2.7"
SETTINGS = {
    "SECVAULT_CONDITIONS__NETWORKS__OUTSIDE__BLOCKS": '["192.0.2.0/24"]',
    "SECVAULT_CONDITIONS__TICKETS": '["OPS-#"]',
}
ROWS = """p,role:it.cryptor,it,*,*,data.encrypt,network:outside,deny,test-not-from-outside
p,role:it.cryptor,it,*,*,data.encrypt,ticket,deny,test-not-under-a-ticket
"""


@pytest.fixture
def guarded(front: Front, house: House) -> Iterator[Api]:
    """The application under the shipped policy and these rows, asked from inside."""
    mine = replace(house, more=SETTINGS)
    with mine.open() as service:
        policy_house.forced(service, policy_house.more(ROWS))
    with front.serving(mine) as api:
        inside = _from(api, INSIDE)
        inside.ok("POST", "/v1/transit/keys/payroll", "system")
        inside.ok("POST", ENCRYPT, "system", PLAIN)
        yield inside


def _from(api: Api, address: str) -> Api:
    client = TestClient(
        api.client.app, base_url="http://127.0.0.1", client=(address, 50_000), backend="asyncio"
    )
    return Api(client, api.house)


def _newest(api: Api) -> dict[str, Any]:
    events = api.ok("GET", "/api/v1/audit/events?kind=data.encrypt", "auditor")["events"]
    replayed = api.ok("GET", f"/api/v1/access/replay/{events[0]['decision']}", "auditor")
    assert replayed["verdict"] == "same"
    recorded: dict[str, Any] = replayed["recorded"]
    return recorded


def test_the_lean_path_keeps_how_conditions_came_out(
    guarded: Api, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: Any) -> None:
        raise AssertionError("the framework was asked")

    with monkeypatch.context() as patched:
        patched.setattr(type(front.routes), "__call__", unreachable)
        guarded.ok("POST", ENCRYPT, "system", PLAIN)
    recorded = _newest(guarded)
    assert recorded["kind"] == "allow_rule"
    assert recorded["conditions"] == {"network:outside": "fails", "ticket": "fails"}


def test_what_is_remembered_for_one_address_opens_nothing_to_another(guarded: Api) -> None:
    outside = _from(guarded, OUTSIDE)
    for _ in range(2):
        assert outside("POST", ENCRYPT, "system", PLAIN).status_code == 403
        assert guarded("POST", ENCRYPT, "system", PLAIN).status_code == 200
    outside("POST", ENCRYPT, "system", PLAIN)
    recorded = _newest(guarded)
    assert recorded["kind"] == "deny_rule"
    assert recorded["conditions"] == {"network:outside": "holds", "ticket": "fails"}


def test_a_ticket_is_looked_at_though_the_rest_is_remembered(guarded: Api) -> None:
    for ticket, status in (("OPS-7", 403), ("please", 400)):
        answer = guarded("POST", ENCRYPT, "system", PLAIN, headers={"X-Ticket": ticket})
        assert answer.status_code == status
    recorded = _newest(guarded)
    assert recorded["conditions"] == {"network:outside": "fails", "ticket": "holds"}

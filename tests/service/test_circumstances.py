"""Hours, networks and tickets from the settings: heeded in operations, and checked at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from secvault.access.bundle import Bundle
from secvault.api.gate import Passage
from secvault.api.transit.lean import LeanPath
from secvault.audit.query import Question, page
from secvault.errors import ConfigurationError, InvalidInput, Refused
from secvault.service import Service, authentication, records, transit
from secvault.service.spine import Caller
from secvault.service.transit import warm
from tests.running_service import House, join, system_token
from tests.service.policy_house import SHIPPED, changed, forced, more

HOURS = "business_hours:tue@08:00-09:30@UTC and network:office and ticket"
SETTINGS = {
    "SECVAULT_CONDITIONS__NETWORKS__OFFICE__BLOCKS": '["10.20.0.0/16"]',
    "SECVAULT_CONDITIONS__TICKETS": '["OPS-#"]',
    "SECVAULT_CONDITIONS__BUSINESS_HOURS__HOLIDAYS": '["2026-09-29"]',
}


@pytest.fixture
def under(house: House) -> Callable[..., House]:
    """The house under the shipped policy with one more rule, of this condition."""

    def with_condition(cond: str, rows: Bundle = SHIPPED, **variables: str) -> House:
        row = f"p,role:hr.visitor,hr,payroll,*,record.list,{cond},allow,hr-visitor-list\n"
        with house.open() as service:
            forced(service, more(row, rows))
        return replace(house, more=variables)

    return with_condition


def _list(service: Service, caller: Caller) -> int:
    return len(records.list_records(service, caller, "payroll", "", 10).records)


def test_an_operation_is_done_at_the_right_time_from_the_right_place_under_a_ticket(
    under: Callable[..., House],
) -> None:
    house = under(HOURS, **SETTINGS)
    with house.open() as service:
        # Monday, 2026-09-21.
        visitor = join(service, house, "visitor", ("role:hr.visitor", "hr"))
        there = replace(visitor, address="::ffff:10.20.3.4", ticket="OPS-7", request_id="r-1")
        with pytest.raises(Refused, match="within business hours"):
            _list(service, there)
        # Tuesday, a quarter past nine.
        house.hands.seconds += 19 * 3600
        assert _list(service, there) == 1
        for otherwise in ({"address": "10.21.0.1"}, {"address": ""}, {"ticket": ""}):
            with pytest.raises(Refused):
                _list(service, replace(there, **otherwise))
        house.hands.seconds += 7 * 86_400
        with pytest.raises(Refused):
            _list(service, there)
        service.audit.drain()
        found = page(service.store, Question(), limit=100).events
        tickets = {
            (one.event.outcome, one.event.detail.get("ticket"))
            for one in found
            if one.event.kind == "record.list" and one.event.request == "r-1"
        }
        assert tickets == {("ok", "OPS-7"), ("denied", "OPS-7"), ("denied", None)}


def test_a_ticket_of_no_form_of_the_company_is_refused(under: Callable[..., House]) -> None:
    house = under("ticket", **SETTINGS)
    with house.open() as service:
        assert service.spine.ticket("OPS-1", "X-Ticket") == "OPS-1"
        assert service.spine.ticket("", "X-Ticket") == ""
        with pytest.raises(InvalidInput) as refused:
            service.spine.ticket("lost my password: hunter2", "X-Ticket")
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("cond", "variables", "fault"),
    [
        ("network:office", {}, "network that is not configured"),
        ("network:home and ticket", SETTINGS, "network that is not configured"),
        ("aal2_fresh:60 and ticket", {}, "needs the form of tickets"),
        (
            "network:office",
            {**SETTINGS, "SECVAULT_SERVER__BEHIND_PROXY": "true"},
            "comes from the proxy",
        ),
    ],
)
def test_a_rule_whose_circumstances_are_not_configured_lets_nothing_start(
    under: Callable[..., House], cond: str, variables: dict[str, str], fault: str
) -> None:
    with pytest.raises(ConfigurationError, match=fault), under(cond, **variables).open():
        pass


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TICKETS", '["(a+)+"]'),
        ("BUSINESS_HOURS__HOURS", '["9-17"]'),
        ("BUSINESS_HOURS__DAYS", '["someday"]'),
        ("BUSINESS_HOURS__TIME_ZONE", "Mars"),
        ("BUSINESS_HOURS__HOLIDAYS", '["2026-13-01"]'),
        ("NETWORKS__OFFICE__BLOCKS", '["10.0.0.1/8"]'),
        ("NETWORKS__OFFICE__BLOCKS", "[]"),
    ],
)
def test_settings_of_conditions_are_read_strictly(house: House, key: str, value: str) -> None:
    wrong = replace(house, more={f"SECVAULT_CONDITIONS__{key}": value})
    with pytest.raises(ConfigurationError), wrong.open():
        pass


def test_approvers_count_wherever_they_are(under: Callable[..., House]) -> None:
    fresh = "approval.give,aal2_fresh:300,"
    assert SHIPPED.files["roles.csv"].count(fresh) == 2
    there = "approval.give,network:office and aal2_fresh:300,"
    rows = changed({"roles.csv": lambda text: text.replace(fresh, there)})
    house = under("always", rows, **SETTINGS)
    with house.open() as service:
        join(service, house, "second", ("role:it.admin", "it"))
        with service.store.write() as connection:
            # Else approvals would not be needed, for want of two who can give them.
            assert service.approvers.needed(connection)


def test_what_a_process_remembers_is_decided_by_the_circumstances_of_each_request(
    under: Callable[..., House],
) -> None:
    there = "business_hours:mon@14:00-15:00@UTC and network:office"
    rows = f"p,role:it.teller,it,*,*,data.encrypt,{there},allow,teller-encrypt\n"
    rows += "p,role:it.teller,it,*,*,data.decrypt,ticket,allow,teller-decrypt\n"
    house = under("always", more(rows), **SETTINGS)
    with house.open() as service, warm.warmed(service) as memory:
        operator = Caller(authentication.local_operator(service))
        transit.create_key(service, operator, "transit", "k", transit.KeyOptions())
        token = system_token(service, "teller", "it", "role:it.teller")

        def found(action: str, address: str) -> bool:
            asked = (token, action, "transit", "k")
            ready = memory.find(*asked, "r-1", address)
            if ready is None:
                memory.load(*asked, address)
                ready = memory.find(*asked, "r-1", address)
            return ready is not None

        assert found("data.encrypt", "10.20.0.1")
        assert not found("data.encrypt", "192.0.2.1")
        assert found("data.encrypt", "::ffff:10.20.0.1")
        # Nothing is remembered of tickets: whoever names one goes the whole way.
        assert not found("data.decrypt", "10.20.0.1")
        began = house.hands.seconds
        house.hands.seconds = began + 3600
        assert not found("data.encrypt", "10.20.0.1")
        house.hands.seconds = began
        assert found("data.encrypt", "10.20.0.1")


def test_a_request_with_a_ticket_never_takes_the_lean_path() -> None:
    scope: dict[str, Any] = {
        "method": "POST",
        "query_string": b"",
        "path": "/v1/transit/encrypt/k",
        "client": ("10.20.0.1", 1),
        "headers": [(b"x-vault-token", b"svt_x")],
    }
    lean_path = LeanPath(lambda: None, Passage(is_open=True), 1000)
    assert lean_path.asked(scope, "r-1") is not None
    scope["headers"] = [*scope["headers"], (b"x-ticket", b"OPS-1")]
    assert lean_path.asked(scope, "r-1") is None

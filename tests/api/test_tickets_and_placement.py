"""The ticket of a request, and who is which employee, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.running_service import Api, Front, House

SETTINGS = {"SECVAULT_CONDITIONS__TICKETS": '["OPS-#"]'}


@pytest.fixture
def with_tickets(front: Front, house: House) -> Iterator[Api]:
    with front.serving(replace(house, more=SETTINGS)) as api:
        yield api


def test_a_ticket_is_kept_in_the_log_and_one_of_no_form_is_refused(with_tickets: Api) -> None:
    api = with_tickets
    listed = "/api/v1/records/payroll"
    assert api("GET", listed, "head", headers={"X-Ticket": "OPS-7"}).status_code == 200
    wrong = api("GET", listed, "head", headers={"X-Ticket": "please"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "X-Ticket"
    vault = api("GET", "/v1/transit/keys?list=true", "system", headers={"X-Ticket": "please"})
    assert vault.status_code == 400
    events = api.ok("GET", "/api/v1/audit/events?kind=record.list", "auditor")["events"]
    assert [event["detail"] for event in events] == [{"ticket": "OPS-7"}]


def test_an_employee_sees_their_own_payslip_and_no_other(with_tickets: Api) -> None:
    api = with_tickets
    head = api.ok("GET", "/api/v1/records/payroll/pay-0042", "head")
    assert head["fields"]["employee"] == "nv-0042"
    assert api("GET", "/api/v1/records/payroll", "auditor").status_code == 403
    before = api("GET", "/api/v1/people/auditor", "admin")
    placement = {"employee": " NV-0042 ", "teams": ["Kho", "kho"]}
    path = "/api/v1/people/auditor/placement"
    assert api("POST", path, "admin", placement).status_code == 428
    stale = api("POST", path, "admin", placement, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    version = {"If-Match": before.headers["ETag"]}
    placed = api("POST", path, "admin", placement, headers=version)
    assert placed.status_code == 200, placed.text
    assert (placed.json()["employee"], placed.json()["teams"]) == ("nv-0042", ["kho"])
    own = api.ok("GET", "/api/v1/records/payroll", "auditor")
    assert [record["id"] for record in own["records"]] == ["pay-0042"]
    assert own["records"][0]["fields"]["net_salary"]["currency"] == "VND"
    assert api("POST", path, "clerk", placement, headers=version).status_code == 403
    unreadable = {"employee": "nv\n1", "teams": []}
    assert api("POST", path, "admin", unreadable, headers=version).status_code == 422

"""Rights that depend on the record: one's own, one's team's, in lists, single ones and changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    Refused,
    StepUpRequired,
)
from secvault.identity import placement
from secvault.identity.people import find_person
from secvault.identity.placement import Placement
from secvault.service import Service, authentication, people, records
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, add_person, join, payslip
from tests.service.policy_house import SHIPPED, changed, forced, more

MINE, OTHERS = "NV-0042", "nv-0043"


@pytest.fixture
def own_rules(house: House) -> Callable[[str], House]:
    """The house under the shipped policy and more rows."""

    def with_rows(rows: str) -> House:
        with house.open() as service:
            forced(service, more(rows))
        return house

    return with_rows


def _as(service: Service, house: House, name: str) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens[name]))


def _place(service: Service, name: str, employee: str, *teams: str) -> None:
    with service.store.write() as connection:
        found = find_person(connection, name)
        placement.place(connection, found, found.version, Placement.of(employee, teams))


def _employee(service: Service, house: House, *grants: tuple[str, str]) -> Caller:
    """Somebody who is nv-0042, in the team kho, with these roles."""
    join(service, house, "oanh", *grants)
    _place(service, "oanh", MINE, "Kho")
    return _as(service, house, "oanh")


def _pay(service: Service, head: Caller) -> None:
    for number in range(6):
        of = MINE.lower() if number % 2 else OTHERS
        records.create_record(service, head, "payroll", f"p-{number}", payslip(employee=of))


def _pages(service: Service, caller: Caller, limit: int, collection: str = "payroll") -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        got = records.list_records(service, caller, collection, after, limit)
        found += [view.id for view in got.records]
        if not got.next_after:
            return found
        assert len(got.records) == limit
        after = got.next_after


def test_everybody_sees_what_is_about_them_and_learns_nothing_of_the_rest(
    service: Service, house: House
) -> None:
    _pay(service, _as(service, house, "head"))
    join(service, house, "oanh")
    with pytest.raises(Refused) as unplaced:
        records.list_records(service, _as(service, house, "oanh"), "payroll", "", 10)
    assert not isinstance(unplaced.value, StepUpRequired)
    assert records.collections(service, _as(service, house, "oanh")) == ()

    _place(service, "oanh", MINE)
    oanh = _as(service, house, "oanh")
    own = ["p-1", "p-3", "p-5", "pay-0042"]
    for limit in (1, 2, 3, 4, 500):
        assert _pages(service, oanh, limit) == own
    view = records.read_record(service, oanh, "payroll", "p-1")
    assert (view.fields, view.masked, view.withheld) == (payslip(employee="nv-0042"), {}, {})
    assert records.read_field(service, oanh, "payroll", "p-3", "bank_account") == "0071000123456"
    shown = {one.name for one in records.collections(service, oanh)}
    assert shown == {"employees", "contracts", "payroll", "insurance"}

    answers = set()
    for asked in ("p-0", "p-2", "never-there"):
        with pytest.raises(Refused) as refused:
            records.read_record(service, oanh, "payroll", asked)
        answers.add(refused.value.detail)
        with pytest.raises(Refused):
            records.read_field(service, oanh, "payroll", asked, "status")
    assert len(answers) == 1
    with pytest.raises(Refused):
        records.update_record(service, oanh, "payroll", "p-1", {"status": "paid"}, 1)
    with pytest.raises(Refused):
        records.list_records(service, oanh, "formulas", "", 10)

    house.hands.seconds += 901
    for ask in (
        lambda: records.list_records(service, oanh, "payroll", "", 10),
        lambda: records.read_record(service, oanh, "payroll", "p-1"),
    ):
        with pytest.raises(StepUpRequired) as stale:
            ask()
        assert stale.value.max_age == 900
    with pytest.raises(Refused) as refused:
        records.read_record(service, oanh, "payroll", "p-0")
    assert not isinstance(refused.value, StepUpRequired)


def test_who_leads_a_team_sees_its_employees_masked(service: Service, house: House) -> None:
    head = _as(service, house, "head")
    for number, team in enumerate(("Kho", "kho", "Văn phòng", "KHO")):
        records.create_record(service, head, "employees", f"nv-{number}", _of_team(team))
    lead = _employee(service, house, ("role:hr.team_lead", "hr"))
    assert _pages(service, lead, 2, "employees") == ["nv-0", "nv-1", "nv-3"]
    seen = records.list_records(service, lead, "employees", "", 10).records[0]
    assert seen.fields["position"] == "Thủ kho"
    assert seen.masked["full_name"] != "Lê Văn Tám"
    assert "identity_number" not in seen.fields


def _of_team(team: str) -> dict[str, Any]:
    return {
        "full_name": "Lê Văn Tám",
        "gender": "male",
        "birth_date": "1990-05-01",
        "home_address": "1 Đường Mẫu",
        "phone": "+84900000000",
        "email": "tam@example.com",
        "department": team,
        "position": "Thủ kho",
        "hired_on": "2020-01-01",
        "status": "active",
    }


def test_fields_are_shown_by_each_record_in_a_list(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    clerk = _as(service, house, "clerk")
    before = records.list_records(service, clerk, "payroll", "", 10).records
    assert all("gross_salary" in view.masked for view in before)
    _place(service, "clerk", MINE)
    clerk = _as(service, house, "clerk")
    clear = {
        view.id
        for view in records.list_records(service, clerk, "payroll", "", 10).records
        if "gross_salary" in view.fields
    }
    assert clear == {"p-1", "p-3", "p-5", "pay-0042"}


def test_nobody_makes_a_record_their_own(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    _place(service, "clerk", MINE)
    clerk = _as(service, house, "clerk")
    with pytest.raises(InvalidInput, match="employee"):
        records.update_record(service, clerk, "payroll", "p-0", {"employee": MINE}, 1)
    # The same number in another spelling is no other person.
    changes = {"employee": "NV-0043", "status": "paid"}
    assert records.update_record(service, clerk, "payroll", "p-0", changes, 1).version == 2


OF_TEAM = (
    "p,role:hr.keeper,hr,employees,*,record.list,own_team,allow,k-list\n"
    "p,role:hr.keeper,hr,employees,*,record.read,own_team,allow,k-read\n"
    "p,role:hr.keeper,hr,employees,*,record.update,own_team,allow,k-update\n"
    "p,role:hr.keeper,hr,employees,*,record.create,own_team,allow,k-create\n"
    "p,role:hr.keeper,hr,employees,class:personal,record.create,own_team,allow,k-create-p\n"
    "p,role:hr.keeper,hr,employees,*,record.delete,own_team,allow,k-delete\n"
    "p,role:hr.keeper,hr,*,*,record.update,own_record,deny,k-not-own\n"
)


def test_changes_are_held_to_the_record_before_and_after(
    own_rules: Callable[[str], House],
) -> None:
    house = own_rules(OF_TEAM)
    with house.open() as service:
        head = _as(service, house, "head")
        keeper = _employee(service, house, ("role:hr.keeper", "hr"))
        create = records.create_record
        create(service, keeper, "employees", "nv-1", _of_team("kho"))
        create(service, keeper, "employees", "nv-0042", _of_team("kho"))
        create(service, head, "employees", "nv-2", _of_team("Văn phòng"))
        batch = {"nv-8": _of_team("kho"), "nv-9": _of_team("Văn phòng")}
        with pytest.raises(Refused):
            records.create_records(service, keeper, "employees", batch)
        edit = records.update_record
        assert edit(service, keeper, "employees", "nv-1", {"position": "x"}, 1).version == 2
        for record, version, changes in (
            ("nv-1", 2, {"department": "Văn phòng"}),  # away from the team
            ("nv-2", 1, {"department": "kho"}),  # into it
            ("nv-2", 1, {"position": "x"}),
            ("nv-0042", 1, {"position": "x"}),  # their own: denied
        ):
            with pytest.raises(Refused):
                edit(service, keeper, "employees", record, changes, version)
        for record in ("nv-2", "never-there"):
            with pytest.raises(Refused):
                records.delete_record(service, keeper, "employees", record, 1)
        records.delete_record(service, keeper, "employees", "nv-1", 2)
        left = _pages(service, head, 10, "employees")
        assert left == ["nv-0042", "nv-2"]
        assert records.read_record(service, head, "employees", "nv-2").version == 1


def test_the_transaction_of_a_change_sees_who_somebody_is_then(
    own_rules: Callable[[str], House],
) -> None:
    house = own_rules(OF_TEAM)
    with house.open() as service:
        head = _as(service, house, "head")
        keeper = _employee(service, house, ("role:hr.keeper", "hr"))
        records.create_record(service, head, "employees", "nv-1", _of_team("kho"))
        # The session's principal still says kho; the store does not.
        _place(service, "oanh", MINE, "Văn phòng")
        with pytest.raises(Refused):
            records.update_record(service, keeper, "employees", "nv-1", {"position": "x"}, 1)
        assert records.read_record(service, head, "employees", "nv-1").version == 1


def test_a_column_that_was_tampered_with_opens_nothing(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    oanh = _employee(service, house)
    with service.store.write() as connection:
        connection.execute(update(tables.record).values(person=MINE.lower()))
    assert [view.id for view in records.list_records(service, oanh, "payroll", "", 10).records] == [
        "p-1",
        "p-3",
        "p-5",
        "pay-0042",
    ]
    with pytest.raises(Refused):
        records.read_record(service, oanh, "payroll", "p-0")


def test_a_schema_that_names_other_fields_fills_the_columns_anew(house: House) -> None:
    marked = 'person = "employee"\n'

    def other(text: str) -> str:
        assert text.count(marked) == 3
        return text.replace(marked, 'person = "employee"\nteam = "status"\n')

    def columns(service: Service) -> set[tuple[str | None, str | None]]:
        row = tables.record.c
        with service.store.read() as connection:
            found = connection.execute(
                select(row.person, row.team).where(row.collection == "payroll")
            )
            return {(one.person, one.team) for one in found}

    with house.open() as service:
        _pay(service, _as(service, house, "head"))
    with house.open() as service:
        assert columns(service) == {("nv-0042", ""), ("nv-0043", "")}
        forced(service, changed({"collections/hr.toml": other}))
    with house.open() as service:
        assert columns(service) == {("nv-0042", "draft"), ("nv-0043", "draft")}
        forced(service, SHIPPED)
    with house.open() as service:
        assert columns(service) == {("nv-0042", ""), ("nv-0043", "")}


def test_who_somebody_is_takes_a_second_person(service: Service, house: House) -> None:
    admin = _as(service, house, "admin")
    add_person(service, "oanh", "hr")
    to = Placement.of(MINE, ["Kho"])
    # While there is no second person, one is enough.
    placed = people.place_person(service, admin, "oanh", 1, to).person
    assert (placed.employee, placed.teams, placed.version) == ("nv-0042", "kho", 2)
    with pytest.raises(Conflict, match="nobody says whose"):
        people.place_person(service, admin, "admin", 1, to)
    with pytest.raises(Conflict, match="somebody else"):
        people.place_person(service, admin, "clerk", 1, to)
    join(service, house, "second", ("role:it.admin", "it"))
    with pytest.raises(ApprovalRequired):
        people.place_person(service, admin, "oanh", 2, Placement.of("nv-1", ()))
    found = people.read_person(service, admin, "oanh").person
    assert (found.employee, found.version) == ("nv-0042", 2)

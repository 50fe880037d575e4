"""Searching by what is shown, and by nothing else: no answer tells of a field that is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import update

from secvault.audit.query import Question, page
from secvault.errors import InvalidInput, NotFound, Refused, StepUpRequired
from secvault.identity import placement
from secvault.identity.people import find_person
from secvault.identity.placement import Placement
from secvault.service import Service, authentication, record_search, records
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import PAYSLIP, House, join, payslip
from tests.service.policy_house import forced, heads_read_accounts, more

MINE, OTHERS = "nv-0042", "nv-0043"
GROSS = {"amount": "31500000", "currency": "VND"}


def _as(service: Service, house: House, name: str) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens[name]))


def _place(service: Service, name: str, employee: str) -> None:
    with service.store.write() as connection:
        found = find_person(connection, name)
        placement.place(connection, found, found.version, Placement.of(employee, ()))


def _pay(service: Service, head: Caller) -> None:
    """p-0 to p-5: odd ones of nv-0042, each with an account and a month of its own."""
    for number in range(6):
        values = payslip(
            employee=MINE if number % 2 else OTHERS,
            bank_account=f"00710001234{number:02}",
            month=f"2026-{number % 3 + 1:02}",
        )
        records.create_record(service, head, "payroll", f"p-{number}", values)


def found(
    service: Service, caller: Caller, where: Mapping[str, Any], sort: str = "id", limit: int = 500
) -> list[str]:
    """The ids of all pages."""
    ids: list[str] = []
    after = ""
    while True:
        got = record_search.search_records(service, caller, "payroll", where, sort, after, limit)
        ids += [view.id for view in got.records]
        if not got.next:
            return ids
        assert len(got.records) == limit
        after = got.next


def test_a_head_finds_by_any_field_and_sees_what_a_list_would_show(
    service: Service, house: House
) -> None:
    heads_read_accounts(service)
    head = _as(service, house, "head")
    _pay(service, head)
    assert found(service, head, {"bank_account": "0071-0001-234 03"}) == ["p-3"]
    assert found(service, head, {"bank_account": {"last": "3456"}}) == [PAYSLIP]
    assert len(found(service, head, {"full_name": {"prefix": "PHẠM T"}}, "id", 2)) == 7
    salary = {"from": GROSS, "to": GROSS}
    where = {"gross_salary": salary, "month": {"in": ["2026-01", "2026-03"]}}
    assert found(service, head, where, "-month", 1) == ["p-5", "p-2", "p-3", "p-0"]
    got = record_search.search_records(service, head, "payroll", {"employee": MINE}, limit=2)
    listed = records.list_records(service, head, "payroll", "", 500).records
    assert list(got.records) == [one for one in listed if one.id in ("p-1", "p-3")]


def test_a_masked_field_tells_nothing_by_a_search(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    clerk = _as(service, house, "clerk")
    answers = set()
    for where in (
        {"bank_account": "0071000123403"},
        {"bank_account": "9999000000000"},
        {"gross_salary": {"from": GROSS, "to": GROSS}},
        {"gross_salary": GROSS, "month": "2026-01"},
    ):
        with pytest.raises(Refused) as refused:
            found(service, clerk, where)
        assert not isinstance(refused.value, StepUpRequired)
        answers.add((refused.value.detail, next(iter(where))))
    # Whether there is such a value changes nothing in the answer.
    assert len({text for text, field in answers if field == "bank_account"}) == 1
    assert found(service, clerk, {"month": "2026-02"}) == ["p-1", "p-4"]


def test_a_search_reaches_only_the_records_in_which_the_field_is_clear(
    service: Service, house: House
) -> None:
    _pay(service, _as(service, house, "head"))
    _place(service, "clerk", MINE)
    clerk = _as(service, house, "clerk")
    where = {"gross_salary": {"from": GROSS, "to": GROSS}}
    # All have this salary; those of others are masked.
    own = ["p-1", "p-3", "p-5", PAYSLIP]
    for limit in (1, 2, 3, 4, 500):
        assert found(service, clerk, where, "id", limit) == own
    for number in range(6):
        hits = found(service, clerk, {"bank_account": f"00710001234{number:02}"})
        assert hits == ([f"p-{number}"] if number % 2 else [])
    # Without the salary in it, the search is about all records that are listed.
    assert found(service, clerk, {"month": "2026-01"}) == ["p-0", "p-3"]


def test_what_only_a_fresh_factor_is_missing_for_says_so(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    join(service, house, "oanh")
    _place(service, "oanh", MINE)
    oanh = _as(service, house, "oanh")
    assert found(service, oanh, {"bank_account": "0071000123403"}) == ["p-3"]
    assert found(service, oanh, {"bank_account": "0071000123402"}) == []
    house.hands.seconds += 901
    with pytest.raises(StepUpRequired):
        found(service, oanh, {"bank_account": "0071000123403"})


@pytest.mark.parametrize(
    ("where", "sort"), [({"status": "paid"}, "id"), ({}, "status"), ({}, "-status")]
)
def test_a_normal_field_that_is_withheld_is_neither_filtered_nor_sorted_by(
    service: Service, house: House, where: dict[str, Any], sort: str
) -> None:
    clerk = _as(service, house, "clerk")
    assert found(service, clerk, where, sort) == ([] if where else [PAYSLIP])
    forced(service, more("p,role:hr.clerk,hr,payroll,status,record.read,always,deny,no-status\n"))
    assert found(service, clerk, {}, "month") == [PAYSLIP]
    with pytest.raises(Refused):
        found(service, clerk, where, sort)


def test_whoever_may_list_nothing_is_told_nothing_of_the_schema(
    service: Service, house: House
) -> None:
    auditor = _as(service, house, "auditor")
    for where in ({}, {"nothing": 1}, {"bank_account": "1"}):
        with pytest.raises(Refused):
            record_search.search_records(service, auditor, "payroll", where)
    with pytest.raises(NotFound):
        record_search.search_records(service, auditor, "nothing", {})


def test_a_cursor_is_of_one_search_and_one_caller(service: Service, house: House) -> None:
    head = _as(service, house, "head")
    _pay(service, head)
    first = record_search.search_records(service, head, "payroll", {"month": "2026-01"}, limit=1)
    assert first.next
    for where, sort in (({"month": "2026-02"}, "id"), ({"month": "2026-01"}, "month"), ({}, "id")):
        with pytest.raises(InvalidInput, match="after"):
            record_search.search_records(service, head, "payroll", where, sort, first.next)
    clerk = _as(service, house, "clerk")
    with pytest.raises(InvalidInput, match="after"):
        record_search.search_records(
            service, clerk, "payroll", {"month": "2026-01"}, "id", first.next
        )


def test_the_log_names_the_fields_and_the_count_and_no_value(
    service: Service, house: House
) -> None:
    heads_read_accounts(service)
    head, clerk = _as(service, house, "head"), _as(service, house, "clerk")
    _pay(service, head)
    where = {"bank_account": "0071000123403", "month": "2026-01"}
    found(service, head, where, "-month")
    with pytest.raises(Refused):
        found(service, clerk, where)
    kept = [one.event for one in page(service.store, Question(kind="record.search")).events]
    assert [event.outcome for event in kept] == ["denied", "ok"]
    refused, done = kept
    assert refused.decision is not None
    assert refused.decision.action == "record.read"
    assert refused.resource == "hr/payroll/bank_account"
    assert done.decision is not None
    assert done.decision.action == "record.list"
    assert done.detail["searched"] == "bank_account,month"
    assert done.count == 1
    assert {"bank_account", "month", "gross_salary"} <= set(done.fields)
    assert not [value for value in ("0071000123403", "2026-01") if value in str(kept)]


def test_a_column_that_was_tampered_with_finds_nothing(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    join(service, house, "oanh")
    _place(service, "oanh", MINE)
    with service.store.write() as connection:
        connection.execute(
            update(tables.record).where(tables.record.c.id == "p-0").values(person=MINE)
        )
    assert found(service, _as(service, house, "oanh"), {"month": "2026-01"}) == ["p-3"]

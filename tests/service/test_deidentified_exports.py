"""De-identified exports: joinable, k people alike, nobody named, for who may have them alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from secvault.crypto.canonical import parse_canonical
from secvault.errors import ApprovalRequired, Conflict, InvalidInput, NotAuthenticated, Refused
from secvault.identity import sessions
from secvault.service import Service, records
from secvault.service.record_exports.as_shown import export_records
from secvault.service.record_exports.asked import Anonymity, Wanted
from secvault.service.record_exports.deidentified import export_deidentified
from secvault.service.spine import Caller
from secvault.tabular.writer import Format
from tests.running_service import House, join, payslip
from tests.service.approval_house import staffed
from tests.service.test_record_exports import caller, events, lines, take_away, whole

PAYROLL = Wanted("payroll", Format.JSONL, reason="how wages move")
CONTRACTS = replace(PAYROLL, collection="contracts")
PAY = Anonymity("pay-2026", k=5)


@pytest.fixture
def analyst(service: Service, house: House) -> Caller:
    """Somebody who may have hr's records without learning who is who."""
    return join(service, house, "phuc", ("role:hr.researcher", "hr"))


@pytest.fixture
def slips(service: Service, house: House) -> None:
    """Payslips of twenty people; one of them is paid on a day of their own."""
    batch = {
        f"s-{number:03}": payslip(
            employee=f"nv-{number:04}",
            full_name=f"Người Thứ {number}",
            bank_account=f"99900{number:08}",
            gross_salary={"amount": str(20_000_000 + 700_000 * number), "currency": "VND"},
            paid_on="2026-11-30" if number else "2026-11-17",
        )
        for number in range(20)
    }
    records.create_records(service, caller(service, house, "head"), "payroll", batch)


@pytest.mark.usefixtures("slips")
def test_an_analyst_gets_joinable_rows_and_no_name(service: Service, analyst: Caller) -> None:
    for format_ in Format:
        content, _ = whole(
            export_deidentified(service, analyst, replace(PAYROLL, format=format_), PAY)
        )
        for secret in ("Người", "99900", "nv-00", "s-00", "20700000"):
            assert secret.encode() not in content
    content, evidence = whole(export_deidentified(service, analyst, PAYROLL, PAY))
    rows = lines(content)
    told: Any = parse_canonical(evidence.document)
    # The payslip of the furnished house was never paid, so its missing day is as rare as the other.
    assert told["records"] == len(rows) >= 19
    assert told["deidentified"]["k"] == 5
    assert told["deidentified"]["k_achieved"] == 5
    assert told["deidentified"]["records_left_out"] == 21 - len(rows)
    assert told["fields"]["full_name"] == "absent"
    assert told["fields"]["employee"] == "pseudonym employee"
    assert told["fields"]["gross_salary"] == "band 1000000"
    assert all(int(row["gross_salary_from"]) % 1_000_000 == 0 for row in rows)
    names = {row["employee"] for row in rows}
    assert len(names) == len(rows)
    again, _ = whole(export_deidentified(service, analyst, PAYROLL, PAY))
    assert {row["employee"] for row in lines(again)} == names
    # The order of the rows is not that of the people's numbers, nor twice the same.
    assert [row["employee"] for row in lines(again)] != [row["employee"] for row in rows]
    elsewhere, _ = whole(
        export_deidentified(service, analyst, PAYROLL, replace(PAY, project="other"))
    )
    assert not {row["employee"] for row in lines(elsewhere)} & names


@pytest.mark.usefixtures("slips")
def test_no_shown_combination_has_fewer_than_k_people(service: Service, analyst: Caller) -> None:
    content, evidence = whole(export_deidentified(service, analyst, PAYROLL, PAY))
    told: Any = parse_canonical(evidence.document)
    quasi = told["deidentified"]["quasi_identifiers"]
    groups: dict[str, set[str]] = {}
    for row in lines(content):
        groups.setdefault(json.dumps([row[name] for name in quasi]), set()).add(row["employee"])
    assert groups
    assert min(len(people) for people in groups.values()) >= 5
    assert "2026-11-17" not in content.decode()


@pytest.mark.usefixtures("slips")
def test_who_stands_out_makes_it_fail_when_nothing_may_be_left_out(
    service: Service, analyst: Caller
) -> None:
    with pytest.raises(Conflict) as refused:
        whole(export_deidentified(service, analyst, PAYROLL, replace(PAY, refuse=True)))
    assert "paid_on" in str(refused.value)
    assert "2026-11-17" not in str(refused.value)
    ended = events(service, "record.export_deidentified")[0]
    assert (ended.outcome, ended.count) == ("error", 0)


@pytest.mark.usefixtures("slips")
@pytest.mark.parametrize("what", ["right", "session"])
def test_what_is_taken_away_while_it_is_made_leaves_nothing(
    service: Service, analyst: Caller, what: str
) -> None:
    ended: list[object] = []

    def end(_done: int, _of: int) -> None:
        if not ended:
            with service.store.write() as connection:
                if what == "right":
                    take_away(connection, service, analyst)
                else:
                    sessions.end_all_sessions(connection, service.clock, analyst.principal.id)
            ended.append(what)

    given: list[bytes] = []
    with (
        export_deidentified(service, analyst, PAYROLL, PAY, end) as export,
        pytest.raises((Refused, NotAuthenticated)),
    ):
        given.extend(export.parts())
    assert ended == [what]
    assert not given


def test_where_fewer_than_k_people_are_there_is_nothing_to_give(
    service: Service, analyst: Caller
) -> None:
    with pytest.raises(Conflict):
        whole(export_deidentified(service, analyst, PAYROLL, PAY))


@pytest.mark.usefixtures("slips")
def test_a_right_to_one_way_is_none_to_the_other(
    service: Service, house: House, analyst: Caller
) -> None:
    with pytest.raises(Refused):
        export_records(service, analyst, PAYROLL)
    with pytest.raises(Refused):
        records.list_records(service, analyst, "payroll", "", 10)
    for name in ("head", "clerk", "admin", "auditor"):
        with pytest.raises(Refused):
            export_deidentified(service, caller(service, house, name), PAYROLL, PAY)
    with pytest.raises(Refused):
        export_deidentified(service, analyst, replace(PAYROLL, collection="formulas"), PAY)


@pytest.mark.parametrize(
    ("wanted", "anonymity", "field"),
    [
        (PAYROLL, replace(PAY, k=4), "k"),
        (PAYROLL, replace(PAY, k=1001), "k"),
        (PAYROLL, replace(PAY, project=""), "project"),
        (PAYROLL, replace(PAY, project="../x"), "project"),
        (PAYROLL, replace(PAY, quasi=("full_name",)), "quasi"),
        (replace(PAYROLL, reason=""), PAY, "reason"),
        (replace(PAYROLL, where={"employee": "nv-1"}), PAY, "where"),
    ],
)
def test_what_would_weaken_it_is_refused(
    service: Service, analyst: Caller, wanted: Wanted, anonymity: Anonymity, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        export_deidentified(service, analyst, wanted, anonymity)
    assert refused.value.fields[0].field == field


@pytest.mark.usefixtures("slips")
def test_it_is_on_record_with_its_project(service: Service, analyst: Caller) -> None:
    whole(export_deidentified(service, analyst, PAYROLL, PAY))
    ended, begun = events(service, "record.export_deidentified")
    assert (begun.detail["project"], begun.detail["reason"]) == ("pay-2026", "requested")
    assert ended.outcome == "ok"
    assert ended.count >= 19


@pytest.mark.usefixtures("slips")
def test_nothing_stays_in_the_scratch_folder(
    service: Service, house: House, analyst: Caller
) -> None:
    for format_ in Format:
        whole(export_deidentified(service, analyst, replace(PAYROLL, format=format_), PAY))
    assert list((house.settings.data_folder / "scratch").glob("**/*")) == []


def test_an_approval_is_of_how_few_are_alike(house: House) -> None:
    bounded = replace(house, more={"SECVAULT_EXPORTS__APPROVAL_OVER": "0"})
    with bounded.open() as service:
        staff = staffed(service, bounded)
        binh = staff.hire("binh")
        analyst = replace(
            join(service, bounded, "phuc", ("role:hr.researcher", "hr")), reason="wages"
        )
        with pytest.raises(ApprovalRequired) as required:
            export_deidentified(service, analyst, PAYROLL, replace(PAY, k=9, quasi=("month",)))
        staff.approve(binh, required.value.request)
        for other in (replace(PAY, k=5, quasi=("month",)), replace(PAY, k=9)):
            with pytest.raises(ApprovalRequired):
                export_deidentified(service, analyst, PAYROLL, other)

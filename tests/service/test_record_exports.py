"""Exports show what the caller may see and no more, are signed, on record, held to approvals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from secvault.access.grants import revoke_grant
from secvault.audit.query import Question, page
from secvault.crypto.canonical import JsonValue, parse_canonical
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import (
    ApprovalRequired,
    Damaged,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
    StepUpRequired,
)
from secvault.identity import placement, sessions
from secvault.identity.people import find_person
from secvault.identity.placement import Placement
from secvault.records.exports.column import cells_of
from secvault.records.exports.manifest import verify_export
from secvault.records.record import read_record
from secvault.service import Service, authentication, records
from secvault.service.record_exports import reach as reaching
from secvault.service.record_exports.as_shown import export_records
from secvault.service.record_exports.asked import Wanted
from secvault.service.record_exports.underway import Underway
from secvault.service.record_views import RecordView, about_of
from secvault.service.spine import Caller
from secvault.store import tables
from secvault.tabular.jsonl_file import JsonLinesFile
from secvault.tabular.writer import Format
from tests.running_service import PAYSLIP, House, join, payslip
from tests.service.approval_house import staffed
from tests.service.policy_house import forced, heads_read_accounts, more

PAYROLL = Wanted("payroll", Format.JSONL, reason="the audit of 2026")
ROLE = ("role:hr.some", "hr")


def caller(service: Service, house: House, name: str) -> Caller:
    """Somebody of the house in their session."""
    return Caller(authentication.authenticate(service, house.tokens[name]))


def whole(export: Underway) -> tuple[bytes, SignedEvidence]:
    """Everything that an export gives."""
    with export:
        content = b"".join(export.parts())
        return content, export.finish()


def lines(content: bytes) -> list[dict[str, Any]]:
    """The rows of a file of JSON Lines."""
    return [json.loads(line) for line in content.splitlines()]


def told(evidence: SignedEvidence) -> Any:
    """The manifest."""
    return parse_canonical(evidence.document)


def events(service: Service, kind: str) -> list[Any]:
    """The audit entries of a kind, the newest first."""
    service.audit.drain()
    return [each.event for each in page(service.store, Question(kind=kind), limit=50).events]


def fill(service: Service, head: Caller, count: int) -> None:
    """So many payslips more, of different people."""
    batch = {
        f"p-{number:04}": payslip(employee=f"nv-{number % 3}", month=f"2026-{number % 12 + 1:02}")
        for number in range(count)
    }
    records.create_records(service, head, "payroll", batch)


Rule = tuple[str, str, str, str]
CLASSES = ["normal", "personal", "salary", "bank"]
FIELDS = ["*", *(f"class:{one}" for one in CLASSES[1:]), "note"]
rules = st.lists(
    st.tuples(
        st.sampled_from(["record.list", "record.export", "record.read", "record.read_masked"]),
        st.sampled_from(FIELDS),
        st.sampled_from(["always", "own_record", "always"]),
        st.sampled_from(["allow", "allow", "allow", "deny"]),
    ),
    min_size=3,
    max_size=12,
    unique=True,
)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rules)
def test_an_export_shows_just_what_the_list_shows_under_any_policy(
    service: Service, house: House, rows: list[Rule]
) -> None:
    if "oanh" not in house.tokens:
        _employ_oanh(service, house)
    forced(service, more(_policy(rows)))
    oanh = caller(service, house, "oanh")
    expected = _listed_and_exportable(service, oanh)
    try:
        content, evidence = whole(export_records(service, oanh, PAYROLL))
    except Refused:
        assert not expected
        return
    shown = {row["id"]: row for row in lines(content)}
    assert {*shown} == {*expected}
    assert told(evidence)["records"] == len(expected)
    for name, row in shown.items():
        _require_same(service, row, expected[name], told(evidence))


def _employ_oanh(service: Service, house: House) -> None:
    """Somebody with the role that rules are made for, about whom some payslips are."""
    fill(service, caller(service, house, "head"), 7)
    forced(service, more(f"p,{ROLE[0]},hr,*,*,collection.read,always,allow,x\n"))
    join(service, house, "oanh", ROLE)
    with service.store.write() as connection:
        found = find_person(connection, "oanh")
        placement.place(connection, found, found.version, Placement.of("nv-1", ()))


def _policy(rows: list[Rule]) -> str:
    unlike: dict[tuple[str, str, str], str] = {}
    for action, field, condition, effect in rows:
        pattern = field if action.startswith("record.read") else "*"
        unlike.setdefault((action, pattern, condition), effect)
    # So that the list and the export are there at all, most of the time.
    unlike.setdefault(("record.list", "*", "own_record"), "allow")
    unlike.setdefault(("record.export", "*", "own_record"), "allow")
    return "".join(
        f"p,{ROLE[0]},hr,payroll,{pattern},{action},{condition},{effect},r{number}\n"
        for number, ((action, pattern, condition), effect) in enumerate(unlike.items())
    )


def _listed_and_exportable(service: Service, who: Caller) -> dict[str, RecordView]:
    """What single decisions leave of the list."""
    try:
        listed = records.list_records(service, who, "payroll", "", 500).records
    except Refused:
        return {}
    collection = service.collections["payroll"]
    operation = reaching.operation_on("record.export", collection)

    def allowed(record_id: str) -> bool:
        with service.store.read() as connection:
            record = read_record(connection, service.keyring, collection, record_id)
        about = about_of(record, collection)
        return service.spine.ask(who, replace(operation, about=lambda _: about)).allowed

    return {view.id: view for view in listed if allowed(view.id)}


def _require_same(
    service: Service, row: dict[str, Any], view: RecordView, manifest: Mapping[str, Any]
) -> None:
    """Return when the row holds what the view shows, all of it and nothing else."""
    collection = service.collections["payroll"]
    left = {name: value for name, value in row.items() if value is not None}
    for own in ("id", "version", "created_at", "updated_at"):
        del left[own]
    for name, value in view.fields.items():
        cells = cells_of(collection.fields[name], value)
        for column, cell in zip((name, f"{name}_currency"), cells, strict=False):
            told_as = json.loads(JsonLinesFile(["cell"]).add([[cell]]))["cell"]
            assert left.pop(column) == told_as
        assert "clear" in manifest["fields"][name]
    for name, mask in view.masked.items():
        assert left.pop(f"{name}_masked") == mask
        assert "masked" in manifest["fields"][name]
    assert left == {}


def test_every_format_holds_what_the_role_shows(service: Service, house: House) -> None:
    forced(service, more("p,role:hr.clerk,hr,*,*,record.export,always,allow,clerk-export\n"))
    clerk = caller(service, house, "clerk")
    for format_ in Format:
        content, evidence = whole(export_records(service, clerk, replace(PAYROLL, format=format_)))
        for secret in (b"31500000", b"0071000123456"):
            assert secret not in content
        manifest = told(evidence)
        assert manifest["fields"]["gross_salary"] == "masked"
        assert manifest["fields"]["bank_account"] == "absent"
        assert manifest["fields"]["full_name"] == "clear"
        assert "gross_salary_masked" in manifest["columns"]
        assert "gross_salary" not in manifest["columns"]


def test_the_manifest_says_who_took_what_and_why_and_verifies(
    service: Service, house: House, tmp_path: Path
) -> None:
    head = caller(service, house, "head")
    fill(service, head, 3)
    wanted = replace(PAYROLL, where={"employee": "nv-1"})
    content, evidence = whole(export_records(service, head, wanted))
    file = tmp_path / "payroll.jsonl"
    file.write_bytes(content)
    key = service.signing.evidence.verifier()
    manifest: Any = verify_export(file, evidence.document, evidence.note, key)
    assert manifest["exported_by"]["name"] == "head"
    assert manifest["reason"] == "the audit of 2026"
    assert manifest["filters"] == ["employee"]
    assert (manifest["records"], manifest["file"]["bytes"]) == (1, len(content))
    assert manifest["schema_version"] == service.collections["payroll"].version
    assert manifest["deidentified"] is None
    assert b"nv-1" not in evidence.document
    file.write_bytes(content + b"\n")
    with pytest.raises(Damaged):
        verify_export(file, evidence.document, evidence.note, key)
    file.write_bytes(content)
    with pytest.raises(Damaged):
        verify_export(file, evidence.document.replace(b'"records":1', b'"records":2'),
                      evidence.note, key)  # fmt: skip


def test_an_export_is_on_record_when_it_begins_and_when_it_ends(
    service: Service, house: House
) -> None:
    head = caller(service, house, "head")
    export = export_records(service, head, PAYROLL)
    (begun,) = events(service, "record.export")
    assert (begun.outcome, begun.count, begun.detail["reason"]) == ("ok", 0, "requested")
    content, evidence = whole(export)
    ended = events(service, "record.export")[0]
    assert (ended.outcome, ended.count) == ("ok", 1)
    assert ended.detail["bytes"] == len(content)
    assert ended.detail["export"] == begun.detail["export"] == told(evidence)["id"]
    assert "bank_account" in ended.fields
    assert "audit of 2026" not in str(ended)


def test_what_is_given_up_half_way_is_on_record_with_what_may_have_left(
    service: Service, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "BATCH", 2)
    head = caller(service, house, "head")
    fill(service, head, 5)
    with export_records(service, head, PAYROLL) as export:
        next(export.parts())
    ended = events(service, "record.export")[0]
    assert (ended.outcome, ended.count, ended.detail["reason"]) == ("error", 2, "cancelled")


def test_a_right_that_ends_half_way_ends_the_export(
    service: Service, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "BATCH", 2)
    head = caller(service, house, "head")
    fill(service, head, 5)

    def taken() -> None:
        with export_records(service, head, PAYROLL) as export:
            parts = export.parts()
            next(parts)
            with service.store.write() as connection:
                take_away(connection, service, head)
            list(parts)

    with pytest.raises(Refused):
        taken()
    ended = events(service, "record.export")[0]
    assert (ended.outcome, ended.count) == ("denied", 2)


def test_a_session_that_ends_half_way_ends_the_export(
    service: Service, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "BATCH", 2)
    head = caller(service, house, "head")
    fill(service, head, 5)

    def taken() -> None:
        with export_records(service, head, PAYROLL) as export:
            parts = export.parts()
            next(parts)
            with service.store.write() as connection:
                sessions.end_all_sessions(connection, service.clock, head.principal.id)
            list(parts)

    with pytest.raises(NotAuthenticated):
        taken()
    ended = events(service, "record.export")[0]
    assert (ended.outcome, ended.count) == ("error", 2)


def take_away(connection: Connection, service: Service, who: Caller) -> None:
    """Take the one grant of somebody away."""
    grant = connection.execute(
        select(tables.role_grant.c.id).where(tables.role_grant.c.subject == who.principal.subject)
    ).scalar_one()
    revoke_grant(connection, grant, at=service.clock.micros())


def test_who_may_not_export_is_refused_and_heads_show_a_factor_first(
    service: Service, house: House
) -> None:
    for name in ("clerk", "auditor", "admin", "system"):
        with pytest.raises(Refused):
            export_records(service, caller(service, house, name), PAYROLL)
    head = caller(service, house, "head")
    house.hands.seconds += 901
    late = Caller(replace(head.principal))
    with pytest.raises(StepUpRequired):
        export_records(service, late, PAYROLL)
    with pytest.raises(NotFound):
        export_records(service, late, replace(PAYROLL, collection="nothing"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"where": {"nothing": "x"}}, "nothing"),
        ({"where": {"gross_salary": {"from": "x"}}}, "gross_salary"),
        ({"where": {"month": None}}, "month"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(
    service: Service, house: House, change: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        export_records(service, caller(service, house, "head"), replace(PAYROLL, **change))
    assert refused.value.fields[0].field.startswith(field)


def test_nobody_filters_by_what_they_do_not_see_in_clear(service: Service, house: House) -> None:
    forced(service, more("p,role:hr.clerk,hr,*,*,record.export,always,allow,clerk-export\n"))
    clerk = caller(service, house, "clerk")
    guesses: dict[str, JsonValue] = {
        "gross_salary": {"amount": "31500000", "currency": "VND"},
        "bank_account": "0071000123456",
    }
    for name, value in guesses.items():
        with pytest.raises(Refused) as refused:
            export_records(service, clerk, replace(PAYROLL, where={name: value}))
        assert "0071000123456" not in str(refused.value)


def test_filters_by_sealed_fields_find_what_the_list_has(service: Service, house: House) -> None:
    heads_read_accounts(service)
    head = caller(service, house, "head")
    fill(service, head, 5)
    records.create_record(service, head, "payroll", "other", payslip(bank_account="9990001234567"))
    wanted = replace(PAYROLL, where={"bank_account": "9990001234567"})
    content, _ = whole(export_records(service, head, wanted))
    assert [row["id"] for row in lines(content)] == ["other"]


@pytest.fixture
def bounded(house: House) -> House:
    """The house, where more than four records in a day need an approval."""
    return replace(house, more={"SECVAULT_EXPORTS__APPROVAL_OVER": "4"})


def test_many_records_need_a_second_person_and_so_do_few_again_and_again(bounded: House) -> None:
    with bounded.open() as service:
        staff = staffed(service, bounded)
        binh = staff.hire("binh")
        head = staff.again("head")
        fill(service, head, 2)
        whole(export_records(service, head, PAYROLL))
        # Three were taken away, and three more would be more than four.
        with pytest.raises(ApprovalRequired):
            export_records(service, head, PAYROLL)
        few = replace(PAYROLL, where={"employee": "nv-1"})
        whole(export_records(service, head, few))
        with pytest.raises(ApprovalRequired) as required:
            export_records(service, replace(head, reason="the audit"), few)
        assert required.value.request
        staff.approve(binh, required.value.request)
        content, _ = whole(export_records(service, replace(head, reason="the audit"), few))
        assert len(lines(content)) == 1
        assert events(service, "record.export")[1].detail["approval"] != "not-required-by-policy"
        bounded.hands.seconds += 86_401
        whole(export_records(service, staff.again("head"), few))


def test_an_approval_is_of_one_search_and_tells_no_value_of_it(bounded: House) -> None:
    with bounded.open() as service:
        staff = staffed(service, bounded)
        binh = staff.hire("binh")
        head = replace(staff.again("head"), reason="the audit")
        fill(service, head, 24)
        one, another = (replace(PAYROLL, where={"employee": f"nv-{number}"}) for number in range(2))
        with pytest.raises(ApprovalRequired) as required:
            export_records(service, head, one)
        staff.approve(binh, required.value.request)
        with pytest.raises(ApprovalRequired):
            export_records(service, head, another)
        with service.store.read() as connection:
            kept = connection.execute(select(tables.approval_request)).all()
        assert "nv-0" not in str(kept)
        whole(export_records(service, head, one))


def test_a_killed_export_counts_with_what_it_was_about_to_take(bounded: House) -> None:
    with bounded.open() as service:
        staff = staffed(service, bounded)
        staff.hire("binh")
        head = staff.again("head")
        fill(service, head, 2)
        begun = export_records(service, head, PAYROLL)
        assert begun.records == 0
        with pytest.raises(ApprovalRequired):
            export_records(service, head, PAYROLL)


def test_a_damaged_record_breaks_the_export_off(service: Service, house: House) -> None:
    head = caller(service, house, "head")
    with service.store.write() as connection:
        connection.execute(
            update(tables.record_field)
            .where(tables.record_field.c.record == PAYSLIP)
            .values(envelope=b"\x01" + bytes(60))
        )
    with pytest.raises(Damaged), export_records(service, head, PAYROLL) as export:
        list(export.parts())
    assert events(service, "record.export")[0].outcome == "error"


def test_progress_is_told_to_the_end(
    service: Service, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "BATCH", 4)
    head = caller(service, house, "head")
    fill(service, head, 9)
    heard: list[tuple[int, int]] = []
    with export_records(
        service, head, PAYROLL, lambda done, of: heard.append((done, of))
    ) as export:
        for _ in export.parts():
            pass
    assert heard == [(4, 10), (8, 10), (10, 10)]

"""Erasing: what goes, what stays, who may, and what is left to show for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.audit.query import Question, page
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    Damaged,
    Erased,
    InvalidInput,
    NotFound,
    OnHold,
    Refused,
    StepUpRequired,
)
from secvault.records.hold import Held, HoldKind
from secvault.service import Service, records
from secvault.service.erasing import erasures, holds, target
from secvault.service.erasing.target import Kind
from secvault.service.spine import Caller
from secvault.store import tables
from secvault.store.record_rows import tables_of_records
from tests.running_service import payslip
from tests.service.erasing.office import BINH, EMPLOYEE, KIEU, NAME, Office


def wrapped_keys(service: Service, subject: str) -> list[bytes]:
    key = tables.data_key.c
    with service.store.read() as connection:
        return list(connection.execute(select(key.wrapped).where(key.subject == subject)).scalars())


def rows_of(service: Service, record: str) -> dict[str, int]:
    """How many rows of each table are of this record."""
    found = {}
    with service.store.read() as connection:
        for table in tables_of_records():
            counted = select(func.count()).where(table.c.record == record)
            found[table.name] = connection.execute(counted).scalar_one()
        counted = select(func.count()).where(tables.record.c.id == record)
        found["record"] = connection.execute(counted).scalar_one()
        actors = select(func.count()).where(tables.object_actor.c.object.endswith(f"/{record}"))
        found["object_actor"] = connection.execute(actors).scalar_one()
    return {name: count for name, count in found.items() if count}


def files_of(house_folder: Path) -> Iterator[bytes]:
    for path in sorted((house_folder / "vault").rglob("*")):
        if path.is_file() and path.name.startswith("secvault.db"):
            yield path.read_bytes()


def in_files(office: Office, what: bytes) -> bool:
    return any(what in content for content in files_of(office.house.folder))


def test_a_person_goes_from_every_collection_and_nobody_else_does(office: Office) -> None:
    service, head = office.service, office.head
    before = {record: rows_of(service, record) for record in (KIEU, "p-42-2026-09")}
    assert all(before.values())
    done = office.erase_person()

    # The employee, the two months, and the payslip that the furnished house has of her.
    assert (done.records, done.keys, done.shared) == (4, 2, 0)
    assert done.fields > 20
    for collection, record in (("employees", KIEU), ("payroll", "p-42-2026-09")):
        assert rows_of(service, record) == {}
        with pytest.raises(Erased, match=done.id):
            records.read_record(service, head, collection, record)
    kept = records.read_record(service, head, "employees", BINH)
    assert kept.fields["full_name"] == "Lê Văn Bình"
    assert records.read_record(service, head, "payroll", "p-7").masked["bank_account"]


def test_the_wrapped_key_is_in_no_file_of_the_database_afterwards(office: Office) -> None:
    keys = wrapped_keys(office.service, KIEU)
    assert len(keys) == 2
    assert all(in_files(office, key) for key in keys)
    done = office.erase_person()
    assert done.scrubbed
    assert not any(in_files(office, key) for key in keys)


def test_a_reader_that_holds_the_log_open_is_said_and_the_next_scrub_takes_the_rest(
    office: Office, service: Service
) -> None:
    keys = wrapped_keys(service, KIEU)
    database = office.house.folder / "vault/secvault.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM data_key").fetchone()
        assert not office.erase_person().scrubbed
        reader.execute("COMMIT")
    office.erase(office.again("privacy"), Kind.PERSON, BINH)
    assert not any(in_files(office, key) for key in keys)


def test_one_record_of_several_leaves_the_key_and_says_so(office: Office) -> None:
    head = office.again("hoa")
    done = office.erase(head, Kind.RECORD, "p-42-2026-09", "payroll")
    assert (done.records, done.keys, done.shared) == (1, 0, 1)
    assert records.read_record(office.service, head, "payroll", "p-42-2026-10").fields
    with pytest.raises(Erased):
        office.erase(office.again("hoa"), Kind.RECORD, "p-42-2026-09", "payroll")


def test_a_data_subject_of_one_collection_goes_there_alone(office: Office) -> None:
    done = office.erase(office.again("hoa"), Kind.SUBJECT, "NV-0042", "payroll")
    assert (done.records, done.keys) == (3, 1)
    view = records.read_record(office.service, office.head, "employees", KIEU)
    assert view.fields["full_name"] == NAME


def test_an_erased_person_may_be_entered_anew_under_another_key(office: Office) -> None:
    (before, _) = wrapped_keys(office.service, KIEU)
    office.erase_person()
    head = office.again("hoa")
    records.create_record(office.service, head, "employees", KIEU, EMPLOYEE)
    (after,) = wrapped_keys(office.service, KIEU)
    assert after != before
    assert records.read_record(office.service, head, "employees", KIEU).fields["phone"]
    assert office.erase_person().records == 1


def test_the_evidence_verifies_with_the_public_key_alone_and_says_no_value(office: Office) -> None:
    done = office.erase_person()
    _, document, note, _ = erasures.read_evidence(office.service, office.privacy, done.id)
    public = NoteVerifier.from_vkey(office.service.signing.evidence.verifier().vkey)
    told = verify_evidence(document, note, public)

    assert (told["kind"], told["id"]) == ("privacy.erasure", done.id)
    asked = told["asked_for"]
    assert isinstance(asked, dict)
    assert (asked["kind"], asked["target"]) == ("person", KIEU)
    assert isinstance(told["records"], list)
    assert len(told["records"]) == 4
    assert NAME.encode() not in document
    assert b"0071000123456" not in document
    changed = document.replace(b'"nv-0042"', b'"nv-0043"')
    with pytest.raises(Damaged):
        verify_evidence(changed, note, public)


def test_a_second_person_approves_exactly_these_records(office: Office) -> None:
    office.hire("binh", "chi")
    privacy = office.asking(office.again("privacy"))
    with pytest.raises(ApprovalRequired) as asked:
        office.erase(privacy, Kind.PERSON, KIEU)
    office.approved(asked.value, "chi")
    # One more record since: what was approved is another list.
    records.create_record(office.service, office.again("hoa"), "employees", "nv-0099", EMPLOYEE)
    done = office.erase(office.again("privacy"), Kind.PERSON, KIEU)
    told, _, _, _ = erasures.read_evidence(office.service, office.privacy, done.id)
    assert isinstance(told["approved_by"], list)
    assert [one["name"] for one in told["approved_by"] if isinstance(one, dict)] == ["chi"]


def test_an_approval_of_fewer_records_is_none_of_more(office: Office) -> None:
    office.hire("binh", "chi")
    with pytest.raises(ApprovalRequired) as asked:
        office.erase(office.asking(office.again("privacy")), Kind.PERSON, KIEU)
    office.approved(asked.value, "chi")
    slip = records.read_record(office.service, office.again("hoa"), "payroll", "p-7").fields
    later = {**payslip(), **slip, "employee": KIEU}
    records.create_record(office.service, office.head, "payroll", "p-later", later)
    with pytest.raises(ApprovalRequired):
        office.erase(office.again("privacy"), Kind.PERSON, KIEU)
    assert rows_of(office.service, KIEU)


def test_what_came_between_the_approval_and_the_deed_is_not_erased_with_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on PostgreSQL, where each statement sees what others have committed before it."""
    before, seen = target.records_of, []

    def one_more_each_time(*asked: Any) -> tuple[Held, ...]:
        seen.append(1)
        return before(*asked)[: len(seen)]

    monkeypatch.setattr(erasures, "records_of", one_more_each_time)
    with pytest.raises(Conflict, match="at the same moment"):
        office.erase_person()
    assert rows_of(office.service, KIEU)


def test_a_hold_refuses_whoever_asks_until_it_is_lifted(office: Office) -> None:
    held = holds.place(
        office.service, office.again("privacy"), HoldKind.PERSON, "", "NV-0042", "lawsuit 12/2026"
    )
    for kind, name, collection in (
        (Kind.PERSON, KIEU, ""),
        (Kind.SUBJECT, KIEU, "payroll"),
        (Kind.RECORD, "p-42-2026-09", "payroll"),
    ):
        with pytest.raises(OnHold, match=held.id):
            office.erase(office.again("privacy"), kind, name, collection)
    assert rows_of(office.service, KIEU)
    office.house.hands.seconds += 600
    with pytest.raises(StepUpRequired):
        holds.lift(office.service, office.privacy, held.id, "case closed")
    holds.lift(office.service, office.again("privacy"), held.id, "case closed")
    assert office.erase_person().records == 4


@pytest.mark.parametrize(
    ("kind", "collection", "target"),
    [
        (HoldKind.COLLECTION, "payroll", ""),
        (HoldKind.SUBJECT, "payroll", "NV-0042"),
        (HoldKind.RECORD, "payroll", "p-42-2026-09"),
    ],
)
def test_a_hold_on_a_part_refuses_the_whole(
    office: Office, kind: HoldKind, collection: str, target: str
) -> None:
    holds.place(office.service, office.again("privacy"), kind, collection, target, "tax audit")
    with pytest.raises(OnHold):
        office.erase_person()
    assert office.erase(office.again("privacy"), Kind.RECORD, BINH, "employees").records == 1


def test_nobody_erases_what_their_role_does_not_reach(office: Office) -> None:
    head = office.again("hoa")
    with pytest.raises(Refused):
        office.erase(head, Kind.PERSON, KIEU)
    clerk = Caller(office.head.principal)
    office.house.hands.seconds += 600
    with pytest.raises(StepUpRequired):
        office.erase(clerk, Kind.RECORD, BINH, "employees")
    assert rows_of(office.service, KIEU)


def test_what_is_not_there_or_makes_no_sense_is_refused_in_words(office: Office) -> None:
    privacy = office.again("privacy")
    with pytest.raises(NotFound, match="nothing is kept on nv-9999"):
        office.erase(privacy, Kind.PERSON, "nv-9999")
    with pytest.raises(NotFound):
        office.erase(privacy, Kind.RECORD, "p-42-2026-09", "nowhere")
    for kind, name, collection in (
        (Kind.PERSON, "", ""),
        (Kind.PERSON, KIEU, "payroll"),
        (Kind.RECORD, "../x", "payroll"),
        (Kind.SUBJECT, " ", "payroll"),
    ):
        with pytest.raises(InvalidInput):
            office.erase(privacy, kind, name, collection)


def test_the_log_has_the_erasure_and_its_evidence_and_no_number(office: Office) -> None:
    done = office.erase_person()
    office.service.audit.drain()
    (stored,) = page(office.service.store, Question(kind="record.erase")).events
    assert stored.event.detail["erasure"] == done.id
    assert len(str(stored.event.detail["evidence"])) == 64
    assert stored.event.count == 4
    assert KIEU.encode() not in stored.body

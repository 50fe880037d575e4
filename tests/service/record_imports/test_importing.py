"""Importing a file: all or nothing of it, once, with the rights of whoever sent it, and sealed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from sqlalchemy import select, update

from secvault.access import add_grant
from secvault.audit.query import Question, page
from secvault.errors import Cancelled, Conflict, Damaged, InvalidInput, NotFound, Refused
from secvault.jobs import JobContext, queue
from secvault.records.imports import import_row
from secvault.records.imports.import_row import Import
from secvault.records.imports.spec import Dates, OnConflict
from secvault.service import Service, authentication, grants, people, records
from secvault.service.record_imports import requests
from secvault.service.record_imports.requests import IMPORT
from secvault.service.record_imports.running import do_import
from secvault.service.spine import Caller
from secvault.service.workflows import workflows
from secvault.store.tables import (
    data_key,
    object_actor,
    record,
    record_field,
    record_import,
    record_import_part,
)
from tests.running_service import House, payslip, signed_in, system_token
from tests.service.policy_house import changed, forced, raised
from tests.service.record_imports.files import (
    HEADING,
    PAYROLL,
    as_csv,
    imported,
    payroll_row,
    sent,
)


@pytest.fixture
def head(service: Service, house: House) -> Caller:
    """Who may enter everything in hr."""
    return Caller(authentication.authenticate(service, house.tokens["head"]))


@pytest.fixture
def clerk(service: Service, house: House) -> Caller:
    """Who may enter all but bank accounts."""
    return Caller(authentication.authenticate(service, house.tokens["clerk"]))


def _ids(service: Service) -> set[str]:
    with service.store.read() as connection:
        question = select(record.c.id).where(record.c.collection == PAYROLL)
        return set(connection.execute(question).scalars())


def _nothing_is_left(service: Service, found: Import) -> bool:
    """Whether key, parts and terms of an import are gone."""
    with service.store.read() as connection:
        keys = connection.execute(select(data_key.c.subject)).scalars().all()
        parts = connection.execute(select(record_import_part.c.number)).all()
        terms = import_row.terms_of(connection, found.id)
    return f"IMPORT/{found.id}" not in keys and not parts and terms is None


def _faults(service: Service, caller: Caller, found: Import) -> list[tuple[int, str, str]]:
    _, faults = requests.import_faults(service, caller, found.id)
    return [(one.line, one.field, one.detail) for one in faults]


def _events(service: Service) -> list[tuple[str, str, int | None, dict[str, object]]]:
    service.audit.drain()
    found = page(service.store, Question(kind="record.import"), limit=100).events
    return [
        (one.event.actor.subject, one.event.outcome, one.event.count, dict(one.event.detail))
        for one in reversed(found)
    ]


def test_the_records_of_a_file_are_stored_as_if_entered_by_hand(
    service: Service, head: Caller
) -> None:
    done = imported(service, head, as_csv(payroll_row(n) for n in range(1_203)))
    assert (done.state, done.total, done.created, done.faults) == ("done", 1_203, 1_203, 0)
    seen = records.read_record(service, head, PAYROLL, "pr-00007")
    assert seen.fields["gross_salary"] == {"amount": "12000007", "currency": "VND"}
    assert seen.masked["bank_account"] == "•••0007"
    assert seen.version == 1
    with service.store.read() as connection:
        makers = connection.execute(
            select(object_actor.c.subject).where(object_actor.c.object == "payroll/pr-00007")
        ).scalars()
        assert set(makers) == {head.principal.subject}
    assert _nothing_is_left(service, done)


def test_start_batches_and_end_are_on_record_with_counts_and_fields(
    service: Service, head: Caller
) -> None:
    done = imported(service, head, as_csv(payroll_row(n) for n in range(700)))
    told = _events(service)
    assert {one[0] for one in told} == {head.principal.subject}
    assert [(one[1], one[3]["state"], one[2]) for one in told] == [
        ("ok", "receiving", 0),
        ("ok", "receiving", 0),
        ("ok", "checking", 0),
        ("ok", "importing", 0),
        ("ok", "importing", 500),
        ("ok", "importing", 200),
        ("ok", "done", 700),
    ]
    assert {one[3]["run"] for one in told} == {done.id}
    service.audit.drain()
    found = page(service.store, Question(kind="record.import"), limit=2).events
    assert set(found[1].event.fields) == {*HEADING} - {"id"}


def test_a_file_with_any_fault_is_not_imported_and_each_is_told_without_its_value(
    service: Service, head: Caller
) -> None:
    before = _ids(service)
    rows = [
        payroll_row(1),
        payroll_row(2, gross_salary="a lot of money"),
        payroll_row(3, full_name=""),
        payroll_row(4, full_name="Lan\u202eTrần"),
        payroll_row(1),
        payroll_row(5, id="NV 5", status="unheard of"),
        payroll_row(6, bank_account="01\x0002"),
        payroll_row(7, id="pay-0042"),
    ]
    done = imported(service, head, as_csv(rows))
    assert (done.state, done.created, done.faults) == ("faulty", 0, 8)
    told = _faults(service, head, done)
    assert [(line, field) for line, field, _ in told] == [
        (3, "gross_salary"),
        (4, "full_name"),
        (5, "full_name"),
        (6, "id"),
        (7, "id"),
        (7, "status"),
        (8, "bank_account"),
        (9, "id"),
    ]
    said = " ".join(detail for _, _, detail in told)
    for value in ("a lot of money", "Trần", "unheard", "NV 5"):
        assert value not in said
    assert "forbidden character U+202E" in said
    assert "is that of row 2, too" in said
    assert _ids(service) == before
    assert _nothing_is_left(service, done)


def test_a_dry_run_stores_nothing_and_the_file_can_be_started_after_it(
    service: Service, head: Caller
) -> None:
    before = _ids(service)
    import_id = sent(service, head, as_csv([payroll_row(1), payroll_row(2)]))
    requests.check_import(service, head, import_id, by_worker=False)
    checked = do_import(service, import_id, Event())
    assert (checked.state, checked.total, checked.created) == ("checked", 2, 0)
    assert _ids(service) == before
    requests.start_import(service, head, import_id, by_worker=False)
    assert do_import(service, import_id, Event()).state == "done"
    assert _ids(service) == before | {"pr-00001", "pr-00002"}


def test_rows_without_an_id_get_one_of_their_own(service: Service, head: Caller) -> None:
    before = _ids(service)
    heading = [name for name in HEADING if name != "id"]
    done = imported(service, head, as_csv([payroll_row(1), payroll_row(1)], heading))
    assert (done.state, done.created) == ("done", 2)
    assert len(_ids(service) - before) == 2


def test_records_that_are_there_are_refused_skipped_or_updated(
    service: Service, head: Caller
) -> None:
    first = imported(service, head, as_csv([payroll_row(1), payroll_row(2)]))
    assert first.created == 2
    again = as_csv([payroll_row(1, status="paid", bank=""), payroll_row(3)])
    refused = imported(service, head, again)
    assert (refused.state, _faults(service, head, refused)[0][:2]) == ("faulty", (2, "id"))
    skipped = imported(service, head, again, on_conflict=OnConflict.SKIP)
    assert (skipped.state, skipped.created, skipped.skipped) == ("done", 1, 1)
    assert records.read_record(service, head, PAYROLL, "pr-00001").fields["status"] == "draft"
    again = as_csv([payroll_row(1, status="paid", bank=""), payroll_row(4)])
    updated = imported(service, head, again, on_conflict=OnConflict.UPDATE)
    assert (updated.state, updated.created, updated.updated) == ("done", 1, 1)
    seen = records.read_record(service, head, PAYROLL, "pr-00001")
    # The empty cell leaves what is there.
    assert (seen.version, seen.fields["status"], seen.fields["bank"]) == (2, "paid", "VCB")


def test_nobody_makes_a_record_of_somebody_elses_by_a_file(service: Service, head: Caller) -> None:
    imported(service, head, as_csv([payroll_row(1)]))
    content = as_csv([payroll_row(1, employee="nv-99999")])
    done = imported(service, head, content, on_conflict=OnConflict.UPDATE)
    assert done.state == "faulty"
    assert _faults(service, head, done)[0][:2] == (2, "employee")


def test_fields_that_the_caller_may_not_write_are_told_once_and_nothing_is_stored(
    service: Service, clerk: Caller, head: Caller
) -> None:
    before = _ids(service)
    done = imported(service, clerk, as_csv(payroll_row(n) for n in range(5)))
    assert (done.state, done.created) == ("faulty", 0)
    ((line, field, detail),) = _faults(service, clerk, done)
    assert (line, field) == (2, "bank_account")
    assert "bank" in detail
    assert _ids(service) == before
    # What they may enter by hand they may update by a file: here nothing but plain fields.
    imported(service, head, as_csv([payroll_row(1)]))
    heading = ("id", "status")
    content = as_csv([payroll_row(1, status="paid")], heading)
    done = imported(service, clerk, content, on_conflict=OnConflict.UPDATE)
    assert (done.state, done.updated) == ("done", 1)


def test_whoever_may_write_nothing_there_cannot_even_begin(
    service: Service, house: House, clerk: Caller
) -> None:
    auditor = Caller(authentication.authenticate(service, house.tokens["auditor"]))
    operator = Caller(authentication.local_operator(service))
    for caller in (auditor, operator):
        with pytest.raises(Refused):
            sent(service, caller, as_csv([payroll_row(1)]))
    with pytest.raises(Refused):
        sent(service, clerk, b"id\n", collection="payments")
    with pytest.raises(NotFound):
        sent(service, clerk, b"id\n", collection="nothing")
    with pytest.raises(Refused):
        requests.list_imports(service, auditor, 10)


@pytest.fixture
def in_small_batches(house: House) -> Service:
    """The service, whose imports have many transactions."""
    with House(
        house.folder,
        house.hands,
        house.tokens,
        house.seeds,
        {**house.more, "SECVAULT_IMPORTS__BATCH_ROWS": "10"},
    ).open() as opened:
        yield opened  # type: ignore[misc]


def _stopping_after(rows: int, do: Callable[[], object]) -> Callable[[Import], None]:
    """Does something once, when so many rows are stored."""
    done = []

    def tell(now: Import) -> None:
        if now.created >= rows and not done:
            done.append(True)
            do()

    return tell


def test_rights_that_are_lost_meanwhile_stop_it_and_it_goes_on_when_they_are_back(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    operator = Caller(authentication.local_operator(service))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(100)))
    requests.start_import(service, head, import_id, by_worker=False)

    def take_away() -> None:
        (held,) = (
            one
            for one in grants.list_grants(service, operator)
            if one.subject == head.principal.subject
        )
        grants.revoke_grant(service, operator, held.id)

    stopped = do_import(service, import_id, Event(), _stopping_after(30, take_away))
    assert (stopped.state, stopped.created) == ("stopped", 30)
    assert stopped.reason is not None
    assert stopped.reason.startswith("Not allowed: ")
    assert _events(service)[-1][1] == "denied"
    with pytest.raises(Refused):
        requests.resume_import(service, head, import_id, by_worker=False)
    with service.store.write() as connection:
        add_grant(
            connection,
            service.policy.rules,
            subject=head.principal.subject,
            role="role:hr.head",
            department="hr",
            granted_by="local:operator",
            at=service.clock.micros(),
        )
    requests.resume_import(service, head, import_id, by_worker=False)
    done = do_import(service, import_id, Event())
    assert (done.state, done.created) == ("done", 100)
    assert {f"pr-{n:05d}" for n in range(100)} <= _ids(service)


def test_somebody_who_is_disabled_meanwhile_imports_nothing_more(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    operator = Caller(authentication.local_operator(service))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(60)))
    requests.start_import(service, head, import_id, by_worker=False)

    def disable() -> None:
        people.disable_person(service, operator, "head")

    stopped = do_import(service, import_id, Event(), _stopping_after(20, disable))
    assert (stopped.state, stopped.created) == ("stopped", 20)


def test_signing_out_does_not_end_what_was_asked_for(service: Service, head: Caller) -> None:
    import_id = sent(service, head, as_csv([payroll_row(1)]))
    requests.start_import(service, head, import_id, by_worker=False)
    authentication.sign_out(service, head)
    assert do_import(service, import_id, Event()).state == "done"


def test_a_process_that_must_stop_leaves_off_and_another_goes_on(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(50)))
    requests.start_import(service, head, import_id, by_worker=False)
    cancel = Event()
    with pytest.raises(Cancelled):
        do_import(service, import_id, cancel, _stopping_after(20, cancel.set))
    assert requests.read_import(service, head, import_id).created == 20
    assert do_import(service, import_id, Event()).created == 50


def test_whoever_takes_it_up_shuts_out_whoever_was_at_it(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(80)))
    requests.start_import(service, head, import_id, by_worker=False)
    others: list[Import] = []

    def take_over() -> None:
        requests.resume_import(service, head, import_id, by_worker=False)
        others.append(do_import(service, import_id, Event()))

    done = do_import(service, import_id, Event(), _stopping_after(30, take_over))
    assert others[0].created == done.created == 80
    assert done.state == "done"
    assert len([one for one in _ids(service) if one.startswith("pr-")]) == 80


def test_one_that_is_cancelled_keeps_what_is_stored_and_nothing_of_the_file(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(60)))
    requests.start_import(service, head, import_id, by_worker=False)
    done = do_import(
        service,
        import_id,
        Event(),
        _stopping_after(20, lambda: requests.cancel_import(service, head, import_id)),
    )
    assert (done.state, done.created) == ("cancelled", 20)
    assert len([one for one in _ids(service) if one.startswith("pr-")]) == 20
    assert _nothing_is_left(service, done)
    with pytest.raises(Conflict):
        requests.resume_import(service, head, import_id)


def test_only_whoever_sent_it_starts_and_resumes_it_and_colleagues_see_and_end_it(
    service: Service, head: Caller, clerk: Caller
) -> None:
    import_id = sent(service, head, as_csv([payroll_row(1)]))
    for refused in (
        lambda: requests.put_part(service, clerk, import_id, 2, b"x"),
        lambda: requests.start_import(service, clerk, import_id),
        lambda: requests.resume_import(service, clerk, import_id),
    ):
        with pytest.raises(Refused):
            refused()
    assert requests.read_import(service, clerk, import_id).state == "receiving"
    assert [one.id for one in requests.list_imports(service, clerk, 10)] == [import_id]
    assert requests.cancel_import(service, clerk, import_id).state == "cancelled"


def test_the_file_and_what_is_said_of_it_lie_sealed(
    service: Service, head: Caller, house: House
) -> None:
    content = as_csv([payroll_row(77)])
    import_id = sent(service, head, content, dates=Dates.DAY_FIRST)
    with service.store.read() as connection:
        row = connection.execute(select(record_import)).one()
        part = connection.execute(select(record_import_part)).one()
    for stored in (part.sealed, row.terms):
        assert b"Lan 77" not in stored
        assert b"bank_account" not in stored
    database = (house.folder / "vault" / "secvault.db").read_bytes()
    assert b"0071000000077" not in database
    # A part in another place, and terms of another import, do not open.
    other = sent(service, head, content)
    with service.store.write() as connection:
        connection.execute(
            update(record_import_part)
            .where(record_import_part.c.import_id == other)
            .values(sealed=part.sealed)
        )
    requests.start_import(service, head, other, by_worker=False)
    stopped = do_import(service, other, Event())
    assert stopped.state == "stopped"
    assert "damaged" in (stopped.reason or "")
    with service.store.write() as connection:
        connection.execute(
            update(record_import)
            .where(record_import.c.id == import_id)
            .values(requested_by="user:somebody")
        )
    somebody = replace(head, principal=replace(head.principal, subject="user:somebody"))
    with pytest.raises((Damaged, Refused)):
        requests.start_import(service, somebody, import_id)


def test_a_file_that_is_not_whole_or_too_large_or_one_too_many_is_refused(
    service: Service, head: Caller, house: House
) -> None:
    made = sent(service, head, b"")
    with pytest.raises(InvalidInput, match="nothing of it was sent"):
        requests.start_import(service, head, made)
    requests.put_part(service, head, made, 2, b"x")
    with pytest.raises(InvalidInput, match="not all of its 2 parts"):
        requests.start_import(service, head, made)
    with pytest.raises(InvalidInput, match="is empty"):
        requests.put_part(service, head, made, 1, b"")
    for _ in range(9):
        sent(service, head, b"")
    with pytest.raises(Conflict, match="10 files of yours wait"):
        sent(service, head, b"")
    few = House(
        house.folder,
        house.hands,
        house.tokens,
        house.seeds,
        {"SECVAULT_IMPORTS__MAX_BYTES": "1024"},
    )
    with few.open() as opened, pytest.raises(InvalidInput, match="larger than 1024 bytes"):
        requests.put_part(opened, head, made, 3, b"x" * 1_024)


def test_a_part_may_be_sent_again(service: Service, head: Caller) -> None:
    content = as_csv([payroll_row(1)])
    import_id = sent(service, head, content)
    requests.put_part(service, head, import_id, 1, content)
    requests.start_import(service, head, import_id, by_worker=False)
    assert do_import(service, import_id, Event()).created == 1
    with pytest.raises(Conflict):
        requests.put_part(service, head, import_id, 1, content)


def test_what_nobody_imports_is_forgotten_after_some_days(
    service: Service, head: Caller, house: House
) -> None:
    old = sent(service, head, as_csv([payroll_row(1)]))
    house.hands.seconds += 6 * 86_400
    new = sent(service, signed_in(service, house, "head"), as_csv([payroll_row(2)]))
    house.hands.seconds += 2 * 86_400
    assert requests.forget_stale(service) == 1
    assert requests.forget_stale(service) == 0
    with service.store.read() as connection:
        states = {one: import_row.read_import(connection, one).state for one in (old, new)}
        keys = connection.execute(select(data_key.c.subject)).scalars().all()
    assert states == {old: "expired", new: "receiving"}
    assert f"IMPORT/{old}" not in keys
    assert _events(service)[-1][:2] == ("system:secvault", "ok")


def test_a_record_that_comes_meanwhile_is_not_overwritten(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(40)))
    requests.start_import(service, head, import_id, by_worker=False)

    def enter() -> None:
        records.create_record(service, head, PAYROLL, "pr-00025", payslip(bank="by hand"))

    stopped = do_import(service, import_id, Event(), _stopping_after(10, enter))
    assert (stopped.state, stopped.created) == ("stopped", 20)
    assert "row 27" in (stopped.reason or "")
    assert records.read_record(service, head, PAYROLL, "pr-00025").fields["bank"] == "by hand"


def test_a_field_that_becomes_sensitive_meanwhile_is_sealed_from_then_on(
    in_small_batches: Service, house: House
) -> None:
    service = in_small_batches
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    import_id = sent(service, head, as_csv(payroll_row(n) for n in range(40)))
    requests.start_import(service, head, import_id, by_worker=False)

    def reclassify() -> None:
        def edited(text: str) -> str:
            before, at, rest = text.partition("[collections.payroll.fields.bank]\n")
            changed_now = rest.replace(
                'class = "normal"', 'class = "personal"\nmask = "initials"', 1
            )
            return raised(before + at + changed_now, PAYROLL)

        forced(service, changed({"collections/hr.toml": edited}))

    done = do_import(service, import_id, Event(), _stopping_after(20, reclassify))
    assert (done.state, done.created) == ("done", 40), done.reason
    with service.store.read() as connection:
        question = select(record_field.c.record).where(record_field.c.field == "bank")
        sealed = set(connection.execute(question).scalars())
    assert sealed == {f"pr-{n:05d}" for n in range(20, 40)}
    assert records.read_record(service, head, PAYROLL, "pr-00039").fields["bank"] == "VCB"


def test_a_system_imports_with_its_token(service: Service) -> None:
    text = system_token(service, "hr-system", "hr", "role:hr.head")
    system = Caller(authentication.authenticate(service, text))
    assert imported(service, system, as_csv([payroll_row(1)])).state == "done"


def test_the_worker_does_what_was_asked_for(service: Service, head: Caller) -> None:
    import_id = sent(service, head, as_csv([payroll_row(1), payroll_row(2)]))
    requests.start_import(service, head, import_id)
    with service.store.write() as connection:
        (job,) = queue.claim(connection, 10, now=service.clock.micros())
    assert (job.kind, job.plan) == (IMPORT, import_id)
    (workflow,) = (one for one in workflows(service) if one.kind == IMPORT)
    context = JobContext(job.id, job.kind, job.plan, job.requested_by, Event())
    (step,) = workflow.steps
    assert step.act(context, {}) == {"state": "done", "records": 2}
    # A step may be done again after a kill.
    assert step.act(context, {}) == {"state": "done", "records": 2}
    assert requests.watch_import(service, head, import_id, lambda _now: None).state == "done"

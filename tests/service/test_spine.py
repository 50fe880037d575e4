"""Nothing is answered before its audit entry is on disk, and nothing undecided is done."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Connection

from secvault.audit.query import Question, page
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound, Refused, SecvaultError, Unavailable
from secvault.service import Service, audit_log, authentication, people, records, transit
from secvault.service.operation import Made
from secvault.service.spine import Caller, Operation, Outcome
from tests.running_service import PASSWORD, PAYSLIP, House, payslip

READ = Operation("record.read", "hr", "payroll", f"hr/payroll/{PAYSLIP}/bank", "bank")
CREATE = Operation("record.create", "hr", "payroll", "hr/payroll/x")


def _caller(service: Service, house: House, name: str, *actions: str) -> Caller:
    principal = authentication.authenticate(service, house.tokens[name])
    return Caller(principal, "request-1", frozenset(actions) if actions else None)


@contextmanager
def _log_that_cannot_be_written(house: House) -> Iterator[None]:
    """Takes away the table by which every event enters the log."""
    with closing(sqlite3.connect(house.folder / "vault" / "secvault.db")) as database:
        database.execute("ALTER TABLE audit_outbox RENAME TO gone")
        yield
        database.execute("ALTER TABLE gone RENAME TO audit_outbox")


def _events(service: Service, request: str = "request-1") -> list[tuple[str, str]]:
    service.audit.drain()
    found = page(service.store, Question(), limit=1000).events
    return [
        (stored.event.kind, stored.event.outcome)
        for stored in reversed(found)
        if stored.event.request == request
    ]


def test_a_read_that_cannot_be_recorded_gives_nothing_out(service: Service, house: House) -> None:
    head = _caller(service, house, "head")
    with _log_that_cannot_be_written(house), pytest.raises(Unavailable) as failed:
        records.read_record(service, head, "payroll", PAYSLIP)
    assert failed.value.status == 503
    assert "0071000123456" not in str(failed.value)
    assert records.read_record(service, head, "payroll", PAYSLIP).version == 1


def test_a_change_that_cannot_be_recorded_changes_nothing(service: Service, house: House) -> None:
    head = _caller(service, house, "head")
    with _log_that_cannot_be_written(house):
        with pytest.raises(Unavailable):
            records.update_record(service, head, "payroll", PAYSLIP, {"status": "paid"}, 1)
        with pytest.raises(Unavailable):
            records.create_record(service, head, "payroll", "new", payslip())
        with pytest.raises(Unavailable):
            records.delete_record(service, head, "payroll", PAYSLIP, 1)
    seen = records.read_record(service, head, "payroll", PAYSLIP)
    assert (seen.version, {**seen.fields, **seen.masked}) == (1, payslip(bank_account="•••3456"))
    with pytest.raises(NotFound):
        records.read_record(service, head, "payroll", "new")


def test_a_refusal_that_cannot_be_recorded_is_still_no(service: Service, house: House) -> None:
    clerk = _caller(service, house, "clerk")
    with _log_that_cannot_be_written(house), pytest.raises(SecvaultError) as failed:
        records.read_field(service, clerk, "payroll", PAYSLIP, "bank_account")
    assert failed.value.status in (403, 503)


def test_ciphertexts_and_keys_wait_for_the_log_too(service: Service, house: House) -> None:
    system = _caller(service, house, "system")
    transit.create_key(service, system, "transit", "k", transit.KeyOptions(exportable=False))
    with _log_that_cannot_be_written(house):
        with pytest.raises(Unavailable):
            transit.encrypt(service, system, "transit", "k", [transit.ToEncrypt(b"x")])
        with pytest.raises(Unavailable):
            transit.rotate_key(service, system, "transit", "k")
    assert transit.read_key(service, system, "transit", "k").latest_version == 1


def test_nobody_signs_in_unrecorded(service: Service, house: House) -> None:
    house.hands.seconds += 60
    code = house.hands.code(house.seeds["head"])
    with _log_that_cannot_be_written(house), pytest.raises(Unavailable):
        authentication.sign_in(service, "head", Secret.of(PASSWORD), Secret.of(code))


def test_an_action_that_the_route_did_not_declare_is_not_even_decided(
    service: Service, house: House
) -> None:
    caller = _caller(service, house, "head", "record.list")
    done: list[str] = []

    def act(_: object) -> Outcome[None]:
        done.append("done")
        return Outcome(None)

    for verb in (service.spine.read, service.spine.change):
        with pytest.raises(AssertionError, match=r"does not declare record\.read"):
            verb(caller, READ, act)
    with pytest.raises(AssertionError):
        service.spine.work(caller, READ, lambda: act(None))
    assert done == []
    assert _events(service) == []


def test_several_questions_at_once_have_the_answers_of_each(service: Service, house: House) -> None:
    asked = {
        (action, department, name): Operation(action, department, name, f"{department}/{name}")
        for action in ("record.read", "record.create", "person.read", "key.list", "mount.read")
        for department in ("hr", "it", "production")
        for name in ("payroll", "people", "*")
    }
    told = set()
    for name in house.tokens:
        caller = _caller(service, house, name)
        each = tuple(key for key, one in asked.items() if service.spine.ask(caller, one).allowed)
        assert service.spine.allowed(caller, asked) == each
        told.add(each)
    assert len(told) > 2
    with pytest.raises(AssertionError, match="does not declare"):
        service.spine.allowed(_caller(service, house, "head", "key.list"), asked)


def test_what_is_refused_is_not_done_and_is_recorded_once(service: Service, house: House) -> None:
    done: list[str] = []

    def act(_: object) -> Outcome[None]:
        done.append("done")
        return Outcome(None)

    auditor = _caller(service, house, "auditor")
    for verb in (service.spine.read, service.spine.change):
        with pytest.raises(Refused):
            verb(auditor, READ, act)
    with pytest.raises(Refused):
        service.spine.work(auditor, READ, lambda: act(None))
    assert done == []
    assert _events(service) == [("record.read", "denied")] * 3


def test_what_fails_is_recorded_as_an_error_and_undone(service: Service, house: House) -> None:
    head = _caller(service, house, "head")

    def act(connection: object) -> Outcome[None]:
        raise Conflict("not now")

    with pytest.raises(Conflict):
        service.spine.change(head, CREATE, act)
    assert _events(service) == [("record.create", "error")]


def test_work_that_no_transaction_can_hold_is_announced_first(
    service: Service, house: House
) -> None:
    admin = _caller(service, house, "admin")
    backup = Operation("backup.run", "it", "nightly", "it/backups/nightly")
    seen: list[list[tuple[str, str]]] = []

    def act() -> Outcome[str]:
        seen.append(_events(service))
        return Outcome("done")

    assert service.spine.work(admin, backup, act) == "done"
    assert seen == [[("backup.run", "intent")]]
    assert _events(service) == [("backup.run", "intent"), ("backup.run", "ok")]


def test_a_disabled_person_is_shown_as_disabled(service: Service, house: House) -> None:
    admin = _caller(service, house, "admin")
    assert people.disable_person(service, admin, "clerk").person.state == "disabled"
    assert people.enable_person(service, admin, "clerk").state == "active"
    with pytest.raises(Conflict, match="yourself"):
        people.disable_person(service, admin, "admin")


def test_reading_the_log_is_itself_in_the_log(service: Service, house: House) -> None:
    auditor = _caller(service, house, "auditor")
    audit_log.read_events(service, auditor, Question(), None, 10)
    assert ("audit.read", "ok") in _events(service)
    report = audit_log.verify_log(service, auditor)
    assert report.ok


def test_an_object_is_held_by_the_transaction_of_its_change_and_by_no_other(
    service: Service, house: House
) -> None:
    head = _caller(service, house, "head")
    held: list[bool] = []

    def made(_connection: Connection, hold: bool) -> Made:
        held.append(hold)
        return Made(frozenset({"user:other"}), frozenset({head.principal.subject}))

    operation = Operation("record.update", "hr", "payroll", "hr/payroll/p", made=made)
    with service.store.read() as connection:
        service.spine.require(head, operation, connection)
    assert held == [False]
    service.spine.change(head, operation, lambda _: Outcome(None))
    assert held == [False, False, True]

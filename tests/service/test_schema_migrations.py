"""Migrating records: as the present schema stores them, saying what they said, through kills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select, update

from secvault.audit.query import Question, page
from secvault.crypto.canonical import JsonValue, parse_canonical
from secvault.errors import Cancelled, Conflict, NotFound, Refused
from secvault.jobs import queue
from secvault.records import schema_migration
from secvault.records.blind_index import cut
from secvault.records.record import read_records
from secvault.records.schema_migration_run import MigrationRun
from secvault.service import Service, authentication, records, schema_migrations
from secvault.service import schema_migration_runs as runs
from secvault.service.spine import Caller
from secvault.store.tables import record, record_field, record_index
from tests.running_service import House, copied, payslip, system_token
from tests.service.policy_house import applied, without_tests
from tests.service.test_schema_changes import (
    BONUS,
    CLOSED,
    INDEXED,
    RETIRED,
    hr,
    up,
    without_required,
)

PAYROLL = "payroll"
COUNT = 25


@pytest.fixture(scope="module")
def untested(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with some payslips, without the policy's own tests."""
    folder = tmp_path_factory.mktemp("untested")
    made = without_tests(copied(furnished, folder / "house"), folder / "policies")
    with made.open() as service:
        head = Caller(authentication.authenticate(service, made.tokens["head"]))
        records.create_records(
            service,
            head,
            PAYROLL,
            {f"p-{n:02}": payslip(working_days=f"{n}") for n in range(1, COUNT)},
        )
    return made


@pytest.fixture
def house(untested: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return replace(copied(untested, tmp_path / "house"), more=untested.more)


@pytest.fixture
def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


@pytest.fixture
def head(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["head"]))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run has many transactions."""
    monkeypatch.setattr(schema_migrations, "BATCH", 7)


def contents(service: Service) -> Mapping[str, tuple[int, Mapping[str, JsonValue]]]:
    with service.store.read() as connection:
        ids = connection.execute(select(record.c.id).where(record.c.collection == PAYROLL))
        found = read_records(
            connection, service.keyring, service.collections[PAYROLL], list(ids.scalars())
        )
    return {
        one.id: (one.version, {name: one.value(name) for name in one.field_names}) for one in found
    }


def in_clear(service: Service, field: str) -> int:
    with service.store.read() as connection:
        rows = connection.execute(select(record.c.plain).where(record.c.collection == PAYROLL))
        plain: list[Any] = [parse_canonical(row.plain) for row in rows]
    return sum(field in one for one in plain)


def sealed(service: Service, field: str) -> int:
    question = select(record_field).where(
        record_field.c.collection == PAYROLL, record_field.c.field == field
    )
    with service.store.read() as connection:
        return len(connection.execute(question).all())


def tokens(service: Service, field: str) -> set[bytes]:
    question = select(record_index.c.token).where(
        record_index.c.collection == PAYROLL,
        record_index.c.field == field,
        record_index.c.kind == "exact",
    )
    with service.store.read() as connection:
        return set(connection.execute(question).scalars())


def left(service: Service) -> int:
    with service.store.read() as connection:
        return schema_migration.count_left(connection, service.collections[PAYROLL])


def test_what_became_sensitive_is_encrypted_and_an_index_made_anew(
    service: Service, operator: Caller, head: Caller
) -> None:
    before = contents(service)
    wide = tokens(service, "full_name")
    applied(service, operator, hr(CLOSED, INDEXED, up))
    assert (left(service), in_clear(service, "working_days")) == (COUNT, COUNT)
    told: list[tuple[int, int]] = []
    done = schema_migrations.migrate_collection(
        service, operator, PAYROLL, lambda so_far, of: told.append((so_far, of))
    )
    assert (done.version, done.migrated, done.left, done.damaged) == (3, COUNT, 0, ())
    assert told[0] == (0, COUNT)
    assert told[-1] == (COUNT, COUNT)
    assert (left(service), in_clear(service, "working_days")) == (0, 0)
    assert sealed(service, "working_days") == COUNT
    assert tokens(service, "full_name") == {cut(one, 20) for one in wide}
    assert contents(service) == before
    # And back again.
    applied(service, operator, hr(up, up))
    schema_migrations.migrate_collection(service, operator, PAYROLL)
    assert (in_clear(service, "working_days"), sealed(service, "working_days")) == (COUNT, 0)
    assert contents(service) == before


def test_what_stores_records_alike_leaves_nothing_to_migrate(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, hr(BONUS, RETIRED, without_required, up))
    done = schema_migrations.migrate_collection(service, operator, PAYROLL)
    assert (done.version, done.migrated, done.left) == (3, 0, 0)


def test_it_is_put_on_record_by_whom_and_how_many(service: Service, operator: Caller) -> None:
    applied(service, operator, hr(CLOSED, up))
    schema_migrations.migrate_collection(service, operator, PAYROLL)
    service.audit.drain()
    found = page(service.store, Question(kind="schema.migrate"), limit=10).events
    assert [each.event.outcome for each in reversed(found)] == ["intent", "ok"]
    assert found[0].event.actor.subject == "local:operator"
    assert (found[0].event.count, found[0].event.detail) == (
        COUNT,
        {"version": 3, "problems": 0},
    )


def test_a_damaged_record_is_named_and_stays_and_the_others_are_done(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, hr(CLOSED, up))
    with service.store.write() as connection:
        at = (record.c.collection == PAYROLL) & (record.c.id == "p-08")
        connection.execute(update(record).where(at).values(tag=bytes(32)))
        before = connection.execute(select(record).where(at)).one()
    done = schema_migrations.migrate_collection(service, operator, PAYROLL)
    assert (done.migrated, done.left, done.damaged) == (COUNT - 1, 1, ("p-08",))
    with service.store.read() as connection:
        assert connection.execute(select(record).where(at)).one() == before


def test_records_that_are_written_meanwhile_lose_nothing(
    service: Service, operator: Caller, head: Caller
) -> None:
    applied(service, operator, hr(CLOSED, up))

    def write(so_far: int, _of: int) -> None:
        if so_far == 7:
            records.update_record(service, head, PAYROLL, "p-20", {"working_days": "3"}, 1)
            records.delete_record(service, head, PAYROLL, "p-21", 1)

    done = schema_migrations.migrate_collection(service, operator, PAYROLL, write)
    assert done.migrated == COUNT - 2
    found = contents(service)
    assert found["p-20"][1]["working_days"] == "3"
    assert "p-21" not in found
    assert left(service) == 0


def test_a_schema_that_changes_meanwhile_is_the_one_that_records_come_to(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, hr(CLOSED, up))

    def change(so_far: int, _of: int) -> None:
        if so_far == 14:
            applied(service, operator, hr(CLOSED, INDEXED, up, up))

    done = schema_migrations.migrate_collection(service, operator, PAYROLL, change)
    assert (done.version, left(service)) == (4, 0)
    # Those of before the change twice.
    assert done.migrated == COUNT + 14


def test_an_approval_and_the_subject_stay(service: Service, operator: Caller, head: Caller) -> None:
    with service.store.read() as connection:
        question = select(record.c.id, record.c.subject, record.c.person)
        before = set(connection.execute(question.where(record.c.collection == PAYROLL)))
    applied(service, operator, hr(CLOSED, up))
    schema_migrations.migrate_collection(service, operator, PAYROLL)
    with service.store.read() as connection:
        assert set(connection.execute(question.where(record.c.collection == PAYROLL))) == before


def _work(service: Service, run: MigrationRun, cancel: Event | None = None) -> None:
    """What the worker does with it, without the worker."""
    with service.store.write() as connection:
        queue.claim(connection, 100, now=service.clock.micros())
    jobs = Caller(authentication.jobs())
    runs.do_requested_migration(service, jobs, run.collection, run.id, cancel or Event())
    with service.store.write() as connection:
        queue.finish(connection, run.id, "done", now=service.clock.micros())


def test_the_worker_does_what_it_is_asked_and_goes_on_where_it_was_stopped(
    service: Service, operator: Caller
) -> None:
    applied(service, operator, hr(CLOSED, up))
    run = runs.request_migration(service, operator, PAYROLL)
    assert (run.state, run.version, run.migrated, run.remaining) == ("requested", None, 0, None)
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        _work(service, run, cancel)
    assert not runs.read_run(service, operator, run.id).ended

    # A process that dies in its third batch.
    batches = iter(range(3))
    took = service.store.write

    class Dying:
        def __getattr__(self, name: str) -> object:
            return getattr(service.store, name)

        def write(self) -> object:
            if next(batches, None) is None:
                raise KeyboardInterrupt
            return took()

    jobs = Caller(authentication.jobs())
    dying = replace(service, store=Dying())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        runs.do_requested_migration(dying, jobs, PAYROLL, run.id, Event())
    seen = runs.read_run(service, operator, run.id)
    assert (seen.state, seen.migrated + left(service)) == ("running", COUNT)
    assert 0 < seen.migrated < COUNT
    _work(service, run)
    done = runs.read_run(service, operator, run.id)
    # Each was migrated once, and counted once.
    assert (done.state, done.version, done.migrated, done.remaining, done.damaged) == (
        "done",
        3,
        COUNT,
        0,
        0,
    )
    assert runs.list_runs(service, operator, 10) == (done,)
    with pytest.raises(Conflict):
        runs.stop_run(service, operator, run.id)


def test_a_run_that_is_stopped_does_no_more(service: Service, operator: Caller) -> None:
    applied(service, operator, hr(CLOSED, up))
    run = runs.request_migration(service, operator, PAYROLL)
    assert runs.stop_run(service, operator, run.id).state == "stopping"
    _work(service, run)
    assert runs.read_run(service, operator, run.id).state == "stopped"
    assert left(service) == COUNT


def test_only_who_may_migrate_may_ask_and_an_auditor_sees_it(
    service: Service, operator: Caller, head: Caller, house: House
) -> None:
    def who(name: str, department: str, role: str) -> Caller:
        text = system_token(service, name, department, role)
        return Caller(authentication.authenticate(service, text))

    in_hr, elsewhere = (
        who("hr-admin", "hr", "role:it.admin"),
        who("other-admin", "logistics", "role:it.admin"),
    )
    auditor = Caller(authentication.authenticate(service, house.tokens["auditor"]))
    run = runs.request_migration(service, in_hr, PAYROLL)
    for stranger in (head, elsewhere, auditor):
        with pytest.raises(Refused):
            runs.request_migration(service, stranger, PAYROLL)
        with pytest.raises(Refused):
            schema_migrations.migrate_collection(service, stranger, PAYROLL)
        with pytest.raises(Refused):
            runs.stop_run(service, stranger, run.id)
    with pytest.raises(Refused):
        runs.read_run(service, elsewhere, run.id)
    assert runs.list_runs(service, elsewhere, 10) == ()
    assert runs.list_runs(service, in_hr, 10) == runs.list_runs(service, auditor, 10) == (run,)
    with pytest.raises(NotFound):
        runs.request_migration(service, operator, "nothing")
    with pytest.raises(NotFound):
        runs.read_run(service, operator, "migrate:nothing")

"""Indexes under care: damage is found, tokens are made anew, and a killed run goes on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import delete, func, insert, select, update

from secvault.audit.query import Question, page
from secvault.errors import Conflict, NotFound, Refused
from secvault.records import index_state
from secvault.service import (
    Service,
    authentication,
    record_indexes,
    record_search,
    records,
    schema_migrations,
)
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, payslip
from tests.service.policy_house import (
    changed,
    forced,
    heads_read_accounts,
    reading_accounts,
)

EXACT = "index = { exact = 32, last = { length = 4, bits = 12 } }"
ACCOUNT = tables.record_index.c.field == "bank_account"


@pytest.fixture(autouse=True)
def clear(service: Service) -> None:
    """Heads search by the account."""
    heads_read_accounts(service)


def _as(service: Service, house: House, name: str) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens[name]))


def _operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


def _pay(service: Service, head: Caller, count: int = 6) -> None:
    for number in range(count):
        values = payslip(bank_account=f"00710001234{number:02}")
        records.create_record(service, head, "payroll", f"p-{number}", values)


def _by_account(service: Service, caller: Caller, number: int) -> list[str]:
    where = {"bank_account": f"00710001234{number:02}"}
    got = record_search.search_records(service, caller, "payroll", where)
    return [view.id for view in got.records]


def _of_accounts(edit: Callable[[str], str]) -> Callable[[str], str]:
    """The file of hr with the index over the bank account of payroll edited."""

    def edited(text: str) -> str:
        before, at, after = text.partition("[collections.payroll.fields.bank_account]")
        own, following, rest = after.partition("\n[collections.")
        return before + at + edit(own) + following + rest

    return edited


def _publish(service: Service, edit: Callable[[str], str], version: int) -> None:
    """Another schema of payroll, noted as `policy apply` notes it."""

    def raised(text: str) -> str:
        before, at, after = _of_accounts(edit)(text).partition("[collections.payroll]\n")
        return before + at + re.sub(r"version = \d+", f"version = {version}", after, count=1)

    bundle = changed({"collections/hr.toml": raised}, reading_accounts())
    forced(service, bundle)
    with service.store.write() as connection:
        index_state.declare(connection, service.collections.values(), service.clock.micros())


def test_a_sound_collection_checks_sound(service: Service, house: House) -> None:
    _pay(service, _as(service, house, "head"))
    told: list[tuple[int, int]] = []
    found = record_indexes.check_indexes(
        service, _operator(service), "payroll", lambda done, of: told.append((done, of))
    )
    assert found.sound
    assert found.records == 7
    assert told[-1] == (7, 7)


def test_missing_moved_and_made_up_tokens_are_found_and_mended(
    service: Service, house: House
) -> None:
    head = _as(service, house, "head")
    _pay(service, head)
    column = tables.record_index.c
    with service.store.write() as connection:
        account = connection.execute(
            select(tables.record_index).where(ACCOUNT, column.record == "p-2")
        ).first()
        assert account is not None
        connection.execute(delete(tables.record_index).where(ACCOUNT, column.record == "p-0"))
        here = ACCOUNT & (column.kind == "exact") & (column.record == "p-1")
        connection.execute(update(tables.record_index).where(here).values(record="p-3"))
        made_up = {**account._mapping, "record": "p-4", "token": b"\xff\xff\xff\xff"}
        connection.execute(insert(tables.record_index).values(made_up))
        connection.execute(
            update(tables.record_index)
            .where(ACCOUNT, column.kind == "last", column.record == "p-5")
            .values(token=b"\x00\x10")
        )
    assert _by_account(service, head, 0) == _by_account(service, head, 1) == []
    # A token that was moved finds nothing that is not sought.
    assert _by_account(service, head, 3) == ["p-3"]
    found = record_indexes.check_indexes(service, _operator(service), "payroll")
    assert {(one.record, one.what, one.tokens) for one in found.faults} == {
        ("p-0", "missing", 2),
        ("p-1", "missing", 1),
        ("p-3", "foreign", 1),
        ("p-4", "foreign", 1),
        ("p-5", "missing", 1),
        ("p-5", "foreign", 1),
    }
    assert {one.field for one in found.faults} == {"bank_account"}
    event = page(service.store, Question(kind="index.verify", outcome="ok")).events[0].event
    assert event.detail["problems"] == 6

    done = record_indexes.reindex_collection(service, _operator(service), "payroll")
    assert (done.records, done.changed, done.damaged) == (7, 5, ())
    assert record_indexes.check_indexes(service, _operator(service), "payroll").sound
    assert [_by_account(service, head, number) for number in range(6)] == [
        [f"p-{number}"] for number in range(6)
    ]


def test_a_damaged_record_is_named_and_stops_nothing(service: Service, house: House) -> None:
    head = _as(service, house, "head")
    _pay(service, head)
    field = tables.record_field.c
    here = (field.record == "p-2") & (field.field == "bank_account")
    with service.store.write() as connection:
        connection.execute(update(tables.record_field).where(here).values(envelope=b"\x01" * 40))
    found = record_indexes.check_indexes(service, _operator(service), "payroll")
    assert (found.faults, found.damaged) == ((), ("p-2",))
    done = record_indexes.reindex_collection(service, _operator(service), "payroll")
    assert done.damaged == ("p-2",)
    assert _by_account(service, head, 3) == ["p-3"]


def test_another_version_of_an_index_is_built_while_searches_go_on_and_kills_are_survived(
    service: Service, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_indexes, "BATCH", 2)
    head = _as(service, house, "head")
    _pay(service, head)
    later = "index = { exact = 40, version = 2 }"
    _publish(service, lambda text: text.replace(EXACT, later), 3)
    head = _as(service, house, "head")

    class Killed(Exception):
        """What a kill looks like from inside."""

    def kill(done: int, _of: int) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        record_indexes.reindex_collection(service, _operator(service), "payroll", kill)
    assert _by_account(service, head, 0) == ["p-0"]
    assert _by_account(service, head, 5) == ["p-5"]
    assert record_indexes.check_indexes(service, _operator(service), "payroll").sound
    told: list[int] = []
    done = record_indexes.reindex_collection(
        service, _operator(service), "payroll", lambda done, _of: told.append(done)
    )
    assert told[0] == 4
    assert (done.records, done.changed) == (3, 3)
    with service.store.read() as connection:
        versions = connection.execute(
            select(tables.record_index.c.version, func.count()).where(ACCOUNT).group_by("version")
        ).all()
    assert [tuple(row) for row in versions] == [(2, 7)]
    assert [_by_account(service, head, number) for number in (0, 5)] == [["p-0"], ["p-5"]]


def _reindexed(service: Service) -> None:
    record_indexes.reindex_collection(service, _operator(service), "payroll")


def _migrated(service: Service) -> None:
    schema_migrations.migrate_collection(service, _operator(service), "payroll")


@pytest.mark.parametrize("build", [_reindexed, _migrated])
def test_a_first_index_answers_when_it_is_complete(
    service: Service, house: House, build: Callable[[Service], None]
) -> None:
    _publish(service, lambda text: text.replace(f"{EXACT}\n", ""), 3)
    head = _as(service, house, "head")
    _pay(service, head, 2)
    _publish(service, lambda text: text.replace(EXACT, "index = { exact = 32 }"), 4)
    with pytest.raises(Conflict, match="reindex payroll"):
        _by_account(service, head, 0)
    assert record_indexes.check_indexes(service, _operator(service), "payroll").sound
    build(service)
    assert _by_account(service, head, 1) == ["p-1"]


def test_the_report_is_for_administrators_and_auditors_and_shows_no_value(
    service: Service, house: House
) -> None:
    for who in (_operator(service), _as(service, house, "auditor")):
        found = record_indexes.read_leakage(service, who, "payroll")
        assert {one.field for one in found} >= {"bank_account", "full_name", "gross_salary"}
        only = record_indexes.read_leakage(service, who, "payroll", "bank_account")
        assert [str(one.kind) for one in only] == ["exact", "last"]
        assert {one.records for one in only} == {1}
        assert record_indexes.check_indexes(service, who, "payroll").sound
    with pytest.raises(NotFound):
        record_indexes.read_leakage(service, _operator(service), "payroll", "status")
    with pytest.raises(NotFound):
        record_indexes.read_leakage(service, _operator(service), "nothing")
    head = _as(service, house, "head")
    for refused in (
        lambda: record_indexes.read_leakage(service, head, "payroll"),
        lambda: record_indexes.check_indexes(service, head, "payroll"),
        lambda: record_indexes.reindex_collection(service, head, "payroll"),
        lambda: record_indexes.reindex_collection(
            service, _as(service, house, "auditor"), "payroll"
        ),
    ):
        with pytest.raises(Refused):
            refused()

"""Single events are found by what they say."""

from __future__ import annotations

import pytest

from secvault.audit import Actor, AuditLog, DecisionNote, Event
from secvault.audit.search import LATEST, every, newest, of_decision
from secvault.clock import Clock
from secvault.errors import InvalidInput
from secvault.store import Store

T = 1_700_000_000_000_000


def decision_at(micros: int, number: int) -> str:
    return f"{micros // 1000:012x}{number:020x}"


class Log:
    """A log with a clock of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at = T
        clock = Clock(wall=lambda: self.at, monotonic=lambda: 0.0, sleep=lambda _: None)
        self.log = AuditLog(store, clock, node="test")

    def write(self, kind: str = "record.read", outcome: str = "ok", **more: object) -> None:
        made = Event(kind, outcome, Actor("user", "u-1"), "hr/payroll", "hr", **more)  # type: ignore[arg-type]
        self.log.record(made)


@pytest.fixture
def log(any_store: Store):  # type: ignore[no-untyped-def]
    made = Log(any_store)
    yield made
    made.log.close()


def test_a_decision_is_found_by_its_id_among_those_of_the_same_time(log: Log) -> None:
    for number in range(40):
        log.at += 300
        log.write(decision=DecisionNote("r", "ab", decision_at(log.at, number), at=log.at))
    log.at += 1_000_000_000
    log.write(decision=DecisionNote("r", "ab", decision_at(log.at, 99), at=log.at))
    with log.store.read() as connection:
        wanted = decision_at(T + 300 * 21, 20)
        found = of_decision(connection, wanted)
        assert found is not None
        assert found.event.decision is not None
        assert found.event.decision.id == wanted
        assert of_decision(connection, decision_at(T, 77)) is None
        assert of_decision(connection, decision_at(log.at, 99)) is not None


def test_the_first_entry_of_a_decision_counts_and_none_that_came_much_later(log: Log) -> None:
    note = DecisionNote("r", "ab", decision_at(T, 1), at=T)
    log.write("backup.run", "intent", decision=note)
    log.at += 5_000_000
    log.write("backup.run", "ok", decision=note)
    late = DecisionNote("r", "ab", decision_at(T, 2), at=T)
    log.at = T + LATEST + 1_000
    log.write(decision=late)
    with log.store.read() as connection:
        found = of_decision(connection, note.id)
        assert found is not None
        assert found.event.outcome == "intent"
        assert of_decision(connection, late.id) is None


@pytest.mark.parametrize("text", ["", "x" * 32, "0" * 31, "0" * 33, "A" * 32, "%" * 32])
def test_what_is_no_id_of_a_decision_is_said_to_be_none(log: Log, text: str) -> None:
    with log.store.read() as connection, pytest.raises(InvalidInput):
        of_decision(connection, text)


def test_events_of_a_kind_are_found_up_to_a_moment(log: Log) -> None:
    moments = {}
    for name in ("a", "b"):
        for kind in ("person.disable", "person.enable"):
            log.at += 10
            moments[kind, name] = log.at
            log.write(kind, detail={"person": name})
    log.write("person.disable", "denied")
    with log.store.read() as connection:
        both = ("person.disable", "person.enable")
        until = moments["person.disable", "b"]
        assert [one.event.detail["person"] for one in every(connection, both, until=until)] == [
            "a",
            "a",
            "b",
        ]
        last = newest(connection, [(both[0], "ok"), (both[1], "ok")], until=until)
        assert last is not None
        assert (last.event.kind, last.event.detail["person"]) == ("person.disable", "b")
        held = newest(connection, [(both[0], "ok")], until=log.at, holding='"person":"a"')
        assert held is not None
        assert held.t == moments["person.disable", "a"]
        assert newest(connection, [(both[0], "ok")], until=T) is None

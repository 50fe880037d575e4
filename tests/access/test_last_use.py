"""When a rule was last used: read from the audit log once, whatever is killed or comes twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from secvault.access import Policy, Rules, add_grant, build_snapshot, last_use
from secvault.access.grants import Grant
from secvault.access.last_use import DAY_MICROS, Uses, follow, read_uses, rules_given
from secvault.audit.event import Actor, DecisionNote, Event
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.store import Store, open_store
from secvault.store.tables import use_cursor
from tests.running_service import Hands

SUBJECT = "user:0190000000000000000000000000000a"


class Log:
    """An audit log that is written and followed."""

    def __init__(self, url: str, rules: Rules) -> None:
        self.hands = Hands()
        self.clock: Clock = self.hands.clock()
        self.store: Store = open_store(url)
        self.policy = Policy(self.store, rules, self.clock)
        self.audit = AuditLog(self.store, self.clock, node="test", wait_seconds=5)

    def note(self, rule: str, who: str = SUBJECT, outcome: str = "ok", **more: object) -> None:
        kind, _, identity = who.partition(":")
        event = Event(
            kind="record.list",
            outcome="ok",
            actor=Actor("user", identity),
            resource="hr/payroll/p-1",
            department="hr",
            decision=DecisionNote(rule=rule),
        )
        self.audit.record(
            replace(event, actor=Actor(kind, identity), outcome=outcome, **more)  # type: ignore
        )

    def follow(self) -> int:
        return follow(self.store, self.clock, self.policy)

    def uses(self) -> Uses:
        with self.store.read() as connection:
            return read_uses(connection)

    def today(self) -> int:
        return self.clock.micros() // DAY_MICROS


@pytest.fixture
def log(any_url: str, shipped: Rules) -> Iterator[Log]:
    """A log over each engine."""
    opened = Log(any_url, shipped)
    yield opened
    opened.audit.close()
    opened.store.close()


def test_the_newest_day_is_kept_whatever_else_was_recorded(log: Log) -> None:
    assert log.uses() == Uses({}, None)
    first = log.clock.micros()
    log.note("hr-clerk-list")
    log.note("hr-head-delete", outcome="denied")
    log.note("it-operator-person-read", who="local:operator")
    log.note("")
    assert log.follow() == 4
    assert log.uses() == Uses({SUBJECT: {("hr-clerk-list", "hr"): log.today()}}, first)
    log.hands.seconds += 3 * 86_400
    log.note("hr-clerk-list")
    log.note("hr-clerk-schema", department="it")
    assert log.follow() == 2
    assert log.uses().days[SUBJECT] == {
        ("hr-clerk-list", "hr"): log.today(),
        ("hr-clerk-schema", "it"): log.today(),
    }
    assert log.uses().since == first


def test_what_was_looked_at_is_not_looked_at_again_and_two_at_once_lose_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_use, "AT_ONCE", 3)
    for number in range(20):
        log.note(f"rule-{number}")
    looked: list[int] = []

    def work() -> None:
        looked.extend(log.follow() for _ in range(8))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(looked) == 20
    assert {rule for rule, _ in log.uses().days[SUBJECT]} == {f"rule-{n}" for n in range(20)}
    assert log.follow() == 0


def test_a_use_is_noted_with_the_place_in_the_log_or_not_at_all(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.note("hr-clerk-list")
    real = last_use.update

    def killed(*_: object) -> object:
        raise OSError("killed here")

    monkeypatch.setattr(last_use, "update", killed)
    with pytest.raises(OSError, match="killed"):
        log.follow()
    assert log.uses() == Uses({}, None)
    monkeypatch.setattr(last_use, "update", real)
    assert log.follow() == 1
    with log.store.read() as connection:
        assert connection.execute(select(use_cursor.c.seq)).scalar_one() == 0


def test_fields_that_were_shown_are_uses_of_the_rules_that_opened_them(log: Log) -> None:
    with log.store.write() as connection:
        add_grant(
            connection,
            log.policy.rules,
            subject=SUBJECT,
            role="role:hr.clerk",
            department="hr",
            granted_by="local:operator",
            at=log.clock.micros(),
        )
    log.note("hr-clerk-list", fields=("full_name", "gross_salary"))
    log.follow()
    used = {rule for rule, _ in log.uses().days[SUBJECT]}
    # Rights to one's own record are everybody's, and no use of a grant.
    assert {rule for rule in used if not rule.startswith("any-own-")} == {
        "hr-clerk-list",
        "hr-clerk-read-personal",
        # What the clerk sees masked; the head's rule for it in clear is not theirs.
        "hr-clerk-masked-salary",
    }


def test_a_grant_is_used_by_any_rule_that_it_gives_in_its_department(shipped: Rules) -> None:
    def grant(role: str, department: str) -> Grant:
        return Grant("g1", SUBJECT, role, department, 0, None, "local:operator", 0)

    snapshot = build_snapshot(shipped, [grant("role:hr.head", "hr")], epoch=1, at=1)
    uses = Uses({SUBJECT: {("hr-clerk-list", "hr"): 7, ("hr-head-delete", "it"): 9}}, 0)
    for role, department, last in (
        ("role:hr.head", "hr", 7),
        ("role:hr.clerk", "hr", 7),
        ("role:it.auditor", "*", None),
        ("role:it.auditor", "hr", None),
    ):
        given = rules_given(snapshot, shipped, role, department)
        assert uses.of_grant(given, grant(role, department)) == last
    inherited = {rule.id for rule in rules_given(snapshot, shipped, "role:hr.head", "hr")}
    assert {"hr-clerk-list", "hr-head-delete"} <= inherited
    assert "it-admin-grant-add" not in inherited

"""The policy of a running process: changes and moments take effect at once, errors stop answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, text

from secvault.access import AccessContext, AccessRequest, Decision, Policy, Rules
from secvault.access.compiled import Cell, CompiledRules
from secvault.access.grants import add_grant, revoke_grant
from secvault.access.rules import assemble
from secvault.access.self_check import MOST_ROWS
from secvault.access.vocabulary import ACTIONS, PRIVILEGED
from secvault.errors import Unavailable
from secvault.store import Store, open_store

SECOND = 1_000_000
READ = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read\n"


class Office:
    """A policy over a store, and somebody who grants and asks."""

    def __init__(self, store: Store, rules: Rules, now: Any, recheck: float = 0.0) -> None:
        self.store, self.rules, self.now = store, rules, now
        self.policy = Policy(store, rules, now.clock, recheck_seconds=recheck)

    def grant(self, role: str = "role:hr.clerk", subject: str = "user:1", **window: int) -> str:
        with self.store.write() as connection:
            return add_grant(
                connection,
                self.rules,
                subject=subject,
                role=role,
                department="hr",
                granted_by="local:operator",
                at=self.now.at,
                **window,
            ).id

    def revoke(self, grant: str) -> None:
        with self.store.write() as connection:
            revoke_grant(connection, grant, at=self.now.at)

    def request(self, subject: str = "user:1", action: str = "record.read") -> AccessRequest:
        context = AccessContext(self.now.at)
        return AccessRequest(subject, "hr", "payroll", "period", action, context)

    def ask(self, subject: str = "user:1") -> Decision:
        return self.policy.decide(self.request(subject))


@pytest.fixture
def office(store: Store, shipped: Rules, now: Any) -> Office:
    return Office(store, shipped, now)


@pytest.fixture
def small_office(sqlite_store: Store, shipped: Rules, now: Any) -> Office:
    return Office(sqlite_store, shipped, now)


def test_a_grant_and_its_end_take_effect_with_the_next_decision(office: Office) -> None:
    assert office.ask().kind == "no_role"
    grant = office.grant()
    assert office.ask().allowed
    office.revoke(grant)
    assert office.ask().kind == "no_role"


def test_a_change_by_another_process_takes_effect_with_the_next_decision(
    office: Office, now: Any
) -> None:
    other = Office(office.store, office.rules, now)
    grant = office.grant()
    assert other.ask().allowed
    office.revoke(grant)
    assert not other.ask().allowed


def test_a_change_takes_effect_within_what_is_read_of_one_moment(office: Office, now: Any) -> None:
    other = Office(office.store, office.rules, now)
    grant = office.grant()
    with ThreadPoolExecutor(1) as elsewhere, office.store.one_moment():
        assert office.ask().allowed
        elsewhere.submit(other.revoke, grant).result()
        assert not office.ask().allowed


def test_a_timed_grant_starts_and_ends_to_the_microsecond_without_a_change_of_epoch(
    office: Office,
) -> None:
    start = office.now.at + 60 * SECOND
    office.grant(not_before=start, expires_at=start + 60 * SECOND)
    answers = []
    for moment in (start - 1, start, start + 60 * SECOND - 1, start + 60 * SECOND, start):
        office.now.at = moment
        answers.append((office.ask().kind, office.ask().epoch))
    assert answers == [
        ("grant_not_started", 1),
        ("allow_rule", 1),
        ("allow_rule", 1),
        ("grant_expired", 1),
        ("allow_rule", 1),
    ]


def test_the_same_table_serves_whatever_time_does_to_grants(small_office: Office) -> None:
    small_office.grant(expires_at=small_office.now.at + SECOND)
    policy = small_office.policy
    first = policy.snapshot(small_office.now.at)
    assert policy.snapshot(small_office.now.at + SECOND - 1) is first
    later = policy.snapshot(small_office.now.at + SECOND)
    assert later is not first
    assert later.table is first.table
    assert policy.snapshot(small_office.now.at + SECOND + 1) is later
    epoch = first.epoch
    request = small_office.request()
    assert policy.decide_by_epoch(request, epoch) is not None
    assert policy.decide_by_epoch(request, epoch + 1) is None


def test_a_new_grant_leaves_what_is_compiled_of_everybody_else(small_office: Office) -> None:
    small_office.grant()
    first = small_office.policy.snapshot(small_office.now.at)
    small_office.grant(subject="user:2")
    second = small_office.policy.snapshot(small_office.now.at)
    assert second.table.rules is first.table.rules
    assert second.table.holdings.by_subject["user:1"] is first.table.holdings.by_subject["user:1"]
    assert small_office.ask("user:2").allowed


def test_a_grant_that_was_shortened_in_the_store_ends_when_the_store_says(
    small_office: Office,
) -> None:
    small_office.grant()
    assert small_office.ask().allowed
    with small_office.store.write() as connection:
        connection.execute(
            text("UPDATE role_grant SET expires_at = :end"), {"end": small_office.now.at + SECOND}
        )
        connection.execute(text("UPDATE epoch SET value = value + 1"))
    assert small_office.ask().allowed
    small_office.now.at += SECOND
    assert small_office.ask().kind == "grant_expired"


def test_inside_a_transaction_its_own_changes_count_and_stay_inside(office: Office) -> None:
    office.ask()

    def grant_ask_and_fail(connection: Connection) -> None:
        add_grant(
            connection,
            office.rules,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="local:operator",
            at=office.now.at,
        )
        assert office.policy.decide(office.request(), connection).allowed
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), office.store.write() as connection:
        grant_ask_and_fail(connection)
    assert not office.ask().allowed


def test_a_slow_recheck_is_overruled_by_a_connection(
    sqlite_store: Store, shipped: Rules, now: Any
) -> None:
    office = Office(sqlite_store, shipped, now, recheck=1.0)
    grant = office.grant()
    assert office.ask().allowed
    office.revoke(grant)
    assert office.ask().allowed
    with sqlite_store.read() as connection:
        assert not office.policy.decide(office.request(), connection).allowed
    office.now.at += SECOND
    assert not office.ask().allowed


def test_a_store_that_cannot_be_read_stops_every_answer(small_office: Office) -> None:
    small_office.grant()
    assert small_office.ask().allowed
    with small_office.store.write() as connection:
        connection.execute(text("ALTER TABLE epoch RENAME TO elsewhere"))
    with pytest.raises(Unavailable):
        small_office.ask()
    with small_office.store.write() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO epoch"))
    assert small_office.ask().allowed


def test_nothing_privileged_is_answered_while_the_store_cannot_be_read(
    small_office: Office,
) -> None:
    small_office.grant()
    assert small_office.ask().allowed
    with small_office.store.write() as connection:
        connection.execute(text("ALTER TABLE epoch RENAME TO elsewhere"))
    context = AccessContext(small_office.now.at, small_office.now.at)
    for action in sorted(PRIVILEGED):
        kind = ACTIONS[action]
        name = {"key": "transit/k", "plan": "nightly"}.get(kind, kind)
        with pytest.raises(Unavailable) as raised:
            small_office.policy.decide(AccessRequest("user:1", "it", name, "*", action, context))
        assert raised.value.status == 503


def test_a_policy_that_cannot_be_built_is_not_replaced_by_the_old_one(
    small_office: Office,
) -> None:
    small_office.grant()
    assert small_office.ask().allowed
    with small_office.store.write() as connection:
        connection.execute(text("UPDATE epoch SET value = value + 1"))
        connection.execute(text("ALTER TABLE role_grant RENAME TO elsewhere"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            small_office.ask()


def test_a_database_that_cannot_be_opened_is_an_error_not_an_answer(
    tmp_path: Any, shipped: Rules, now: Any
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/no/such/folder/store.db")
    with pytest.raises(Unavailable):
        Office(store, shipped, now).ask()


def test_somebody_with_a_grant_that_cannot_be_is_refused_and_nobody_else(
    small_office: Office,
) -> None:
    small_office.grant()
    small_office.grant(subject="user:2")
    with small_office.store.write() as connection:
        connection.execute(text("DROP TRIGGER role_grant_history"))
        connection.execute(
            text("UPDATE role_grant SET role = 'role:hr.gone' WHERE subject='user:2'")
        )
        connection.execute(text("UPDATE epoch SET value = value + 1"))
    assert small_office.ask().allowed
    refused = small_office.ask("user:2")
    assert refused.kind == "broken_grant"
    assert "there is no role 'role:hr.gone' in the policy; revoke it" in refused.reason_admin
    assert "role:hr" not in refused.reason_user


class Told(list[str]):
    """What was told in the log: the names of the events."""

    def __call__(self, event: str, **_facts: object) -> None:
        self.append(event)


def test_a_compiled_policy_that_differs_from_casbin_is_not_published(
    small_office: Office, parse: Callable[[str], Rules], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody breaks the compiler: denies are lost.
    original = CompiledRules._look_up

    def without_denies(self: CompiledRules, key: tuple[str, str, str, str]) -> Cell:
        return original(self, key)._replace(denies=())

    told = Told()
    monkeypatch.setattr(CompiledRules, "_look_up", without_denies)
    denying = parse(READ + "p,role:hr.clerk,hr,*,*,record.read,always,deny,never\n")
    policy = Policy(small_office.store, denying, small_office.now.clock, alarm=told)
    small_office.grant()
    for _ in range(2):
        with pytest.raises(Unavailable, match="nothing is answered"):
            policy.decide(small_office.request())
    assert told == ["access.table_differs"] * 2
    monkeypatch.undo()
    assert policy.decide(small_office.request()).kind == "deny_rule"


def test_another_matcher_is_answered_by_casbin_which_is_told(
    small_office: Office, model: str, parse: Callable[[str], Rules]
) -> None:
    told = Told()
    rules = parse(READ)
    narrower = assemble(
        model.replace('(p.act == "*" || r.act == p.act)', "r.act == p.act"),
        rules.rules,
        rules.links,
        rules.fields,
        rules.collections,
    )
    policy = Policy(small_office.store, narrower, small_office.now.clock, tell=told)
    small_office.grant()
    assert policy.snapshot(small_office.now.at).engine == "casbin"
    assert policy.decide(small_office.request()).allowed
    policy.publish(rules)
    assert policy.snapshot(small_office.now.at).engine == "table"
    assert told == ["access.engine_is_casbin"]


def test_a_policy_too_large_for_casbin_is_published_and_that_is_told(
    small_office: Office, parse: Callable[[str], Rules]
) -> None:
    told = Told()
    rows = "".join(
        f"p,role:hr.r{n},hr,payroll,*,record.read,always,allow,read-{n}\n"
        for n in range(MOST_ROWS + 1)
    )
    rules = parse(READ + rows)
    policy = Policy(small_office.store, rules, small_office.now.clock, tell=told)
    small_office.grant()
    assert policy.decide(small_office.request()).allowed
    assert policy.decide(small_office.request()).allowed
    assert told == ["access.not_compared_with_casbin"]


def test_other_rules_take_effect_with_the_next_decision(
    small_office: Office, parse: Callable[[str], Rules]
) -> None:
    small_office.grant()
    before = small_office.ask()
    rules = parse("p,role:hr.clerk,hr,payroll,*,record.list,always,allow,list\n")
    small_office.policy.publish(rules)
    after = small_office.ask()
    assert (before.allowed, after.allowed) == (True, False)
    assert after.policy_digest == rules.digest != before.policy_digest


def test_readers_never_see_a_wrong_answer_while_grants_and_rules_change(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    office = Office(sqlite_store, with_deny, now)
    # user:1 may and is forbidden, user:2 may always, user:3 now and then.
    office.grant(subject="user:1")
    office.grant("role:hr.suspended", subject="user:1")
    office.grant(subject="user:2")
    stage = (0, "revoked")
    stop = threading.Event()
    wrong: list[str] = []
    asked = [0] * 4
    swings = [0] * 4

    def read(number: int) -> None:
        while not stop.is_set():
            before = stage
            kinds = {name: office.ask(name) for name in ("user:1", "user:2", "user:3")}
            asked[number] += 1
            if kinds["user:1"].allowed or not kinds["user:2"].allowed:
                wrong.append(f"{kinds['user:1'].kind} {kinds['user:2'].kind}")
            if before is stage and before[1] != "changing":
                swings[number] += 1
                if kinds["user:3"].allowed is not (before[1] == "granted"):
                    wrong.append(f"{before}: {kinds['user:3'].kind}")

    pool = ThreadPoolExecutor(4)
    readers = [pool.submit(read, number) for number in range(4)]
    try:
        for turn in range(60):
            stage = (turn, "changing")
            grant = office.grant(subject="user:3")
            stage = (turn, "granted")
            stop.wait(0.005)
            stage = (turn, "changing")
            if turn % 3 == 0:
                office.policy.publish(with_deny)
            office.revoke(grant)
            stage = (turn, "revoked")
            stop.wait(0.005)
    finally:
        stop.set()
        for reader in readers:
            reader.result(timeout=60)
        pool.shutdown()
    assert not wrong, wrong[:5]
    assert min(asked) > 0
    assert sum(swings) > 0

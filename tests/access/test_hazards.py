"""The traps of Casbin that could touch us, one test each, named by their number and finding."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import casbin
import pytest
from sqlalchemy import Connection

from secvault.access import (
    AccessContext,
    AccessRequest,
    Decision,
    Grant,
    Policy,
    Rules,
    add_grant,
    build_snapshot,
    decide,
    revoke_grant,
)
from secvault.access.conditions import CONDITIONS, Condition, Outcome
from secvault.access.engine import Engine
from secvault.access.matcher import ParsedOnce
from secvault.access.rows import Case, Link
from secvault.access.rules import assemble, check_model
from secvault.errors import ConfigurationError, Conflict
from secvault.store import Store

AT = 1_700_000_000_000_000
Parse = Callable[[str], Rules]
Fields = Mapping[str, Mapping[str, str]]
READ = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read\n"


def granted(role: str, subject: str = "user:1", start: int = 0, end: int | None = None) -> Grant:
    return Grant(f"g-{role}", subject, role, "hr", start, end, "local:operator", 0)


def ask(
    rules: Rules, grants: Iterable[Grant], at: int = AT, subject: str = "user:1", **changed: str
) -> Decision:
    snapshot = build_snapshot(rules, grants, epoch=1, at=at)
    names = {
        "department": "hr",
        "object": "payroll",
        "field": "period",
        "action": "record.read",
        **changed,
    }
    return decide(snapshot, AccessRequest(subject, context=AccessContext(at), **names))


def test_h01_an_expired_role_does_not_come_back_when_the_policy_is_loaded_again(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    policy = Policy(sqlite_store, with_deny, now.clock)
    give = {"role": "role:hr.clerk", "department": "hr", "granted_by": "local:operator"}
    with sqlite_store.write() as connection:
        add_grant(connection, with_deny, subject="user:1", at=AT, expires_at=AT + 5, **give)
    for turn in range(5):
        with sqlite_store.write() as connection:
            add_grant(connection, with_deny, subject=f"user:x{turn}", at=AT, **give)
        names = ("user:1", "hr", "payroll", "period", "record.read")
        assert policy.decide(AccessRequest(*names, AccessContext(AT + 4))).allowed
        assert not policy.decide(AccessRequest(*names, AccessContext(AT + 5))).allowed


def test_h02_local_time_and_its_changes_have_no_say(
    with_deny: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2026-11-01 06:30 UTC is the repeated hour in New York.
    at = 1_793_514_600_000_000
    answers = []
    for zone in ("UTC", "America/New_York", "Asia/Ho_Chi_Minh"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        for moment in (at - 1, at, at + 3_600_000_000 - 1, at + 3_600_000_000):
            grant = granted("role:hr.clerk", start=at, end=at + 3_600_000_000)
            answers.append(ask(with_deny, [grant], moment).allowed)
    monkeypatch.undo()
    time.tzset()
    assert answers == [False, True, True, False] * 3
    assert ask(with_deny, [granted("role:hr.clerk", start=0)], 0).allowed


def test_h03_a_second_kind_of_link_between_roles_is_refused(shipped: Rules) -> None:
    # Beside a conditional `g`, Casbin would take a plain `g2` for conditional as well.
    mixed = shipped.model.replace("g = _, _, _", "g = _, _, _, (_, _)\ng2 = _, _")
    assert mixed != shipped.model
    with pytest.raises(ConfigurationError, match=r"\[role_definition\] must hold exactly"):
        check_model(mixed)


def test_h04_a_snapshot_taken_answers_the_same_while_others_are_built(with_deny: Rules) -> None:
    grants = [granted("role:hr.clerk"), granted("role:hr.suspended")]
    taken = build_snapshot(with_deny, grants, epoch=1, at=AT)
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))
    done = threading.Event()

    def rebuild() -> None:
        while not done.is_set():
            build_snapshot(with_deny, grants[:1], epoch=2, at=AT)

    builders = [threading.Thread(target=rebuild) for _ in range(2)]
    for builder in builders:
        builder.start()
    try:
        kinds = {decide(taken, request).kind for _ in range(400)}
    finally:
        done.set()
        for builder in builders:
            builder.join(60)
    assert kinds == {"deny_rule"}


@pytest.mark.parametrize("effect", ["Deny", "DENY", "denied", "forbid"])
def test_h05_a_misspelt_effect_is_refused_instead_of_passed_over(parse: Parse, effect: str) -> None:
    with pytest.raises(ConfigurationError, match="must be allow or deny"):
        parse(READ + f"p,role:hr.clerk,hr,payroll,period,record.read,always,{effect},x\n")


def test_h06_the_reason_is_the_first_rule_in_the_file_and_shows_the_roles(parse: Parse) -> None:
    rules = parse(
        READ
        + "p,role:hr.clerk,hr,*,*,record.read,always,allow,second\n"
        + "p,role:hr.clerk,hr,payroll,class:normal,record.read,always,allow,third\n"
    )
    decision = ask(rules, [granted("role:hr.clerk")])
    assert decision.rule == "read"
    assert decision.via == ("user:1", "grant g-role:hr.clerk", "role:hr.clerk")
    assert ask(rules, []).reason_admin == "user:1 has no grant in force"


@pytest.mark.parametrize("kind", ["P", "p2", "p ", "deny", ""])
def test_h07_a_row_of_an_unknown_kind_is_refused_instead_of_dropped(
    parse: Parse, kind: str
) -> None:
    with pytest.raises(ConfigurationError, match="line 3"):
        parse(READ + f"{kind},role:hr.clerk,hr,*,*,record.read,always,deny,x\n")


def test_h08_a_row_with_a_wrong_number_of_columns_is_refused_at_once(parse: Parse) -> None:
    with pytest.raises(ConfigurationError, match="has 8 columns; a p row has 9"):
        parse(READ + "p,role:hr.clerk,hr,payroll,*,record.list,always,allow\n")


def _chain(length: int) -> str:
    top = f"p,role:hr.r{length},hr,payroll,*,record.read,always,deny,top\n"
    links = (f"g,role:hr.r{n},role:hr.r{n + 1},hr\n" for n in range(1, length))
    return READ + top + "".join(links)


def test_h09_a_deny_at_the_deepest_level_allowed_is_applied_and_a_deeper_one_refused(
    parse: Parse,
) -> None:
    rules = parse(_chain(8))
    decision = ask(rules, [granted("role:hr.clerk"), granted("role:hr.r1")])
    assert (decision.kind, decision.rule) == ("deny_rule", "top")
    with pytest.raises(ConfigurationError, match="deeper than 8 roles"):
        parse(_chain(9))


@pytest.mark.parametrize(
    ("after", "second"),
    [
        ("[policy_definition]", "p2 = sub, dom, obj, fld, act, cond, eft, id"),
        ("[policy_effect]", "e2 = !some(where (p.eft == deny))"),
        ("[matchers]", "m2 = r.act == p.act"),
        ("[request_definition]", "r2 = sub, dom"),
    ],
)
def test_h10_a_second_definition_that_casbin_would_mix_up_is_refused(
    shipped: Rules, after: str, second: str
) -> None:
    # Casbin judges rows of p2 by the effect e, whatever e2 says.
    with pytest.raises(ConfigurationError, match=r"must hold exactly|keep one \[matchers\]"):
        check_model(shipped.model.replace(after, f"{after}\n{second}"))


def test_h11_a_deny_on_everything_reaches_a_named_object(with_deny: Rules, shipped: Rules) -> None:
    assert not ask(with_deny, [granted("role:hr.clerk"), granted("role:hr.suspended")]).allowed
    assert type(Engine(shipped, "hr", shipped.links)._enforcer) is ParsedOnce
    assert ParsedOnce.__mro__[1] is casbin.Enforcer


def test_h12_decisions_go_on_while_another_thread_holds_the_building_lock(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    policy = Policy(sqlite_store, with_deny, now.clock)
    names = ("user:1", "hr", "payroll", "period", "record.read")
    request = AccessRequest(*names, AccessContext(AT))
    policy.decide(request)
    answered = threading.Event()

    def reader() -> None:
        policy.decide(request)
        answered.set()

    with policy._building:
        thread = threading.Thread(target=reader)
        thread.start()
        assert answered.wait(60)
    thread.join(60)


def test_h12_a_condition_that_asks_for_a_decision_itself_does_not_hang(with_deny: Rules) -> None:
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))
    inner = build_snapshot(with_deny, [granted("role:hr.clerk")], epoch=1, at=AT)
    registry = {
        **CONDITIONS,
        "always": lambda _text: Condition(lambda _context: decide(inner, request).allowed),
    }
    outer = build_snapshot(with_deny, [granted("role:hr.clerk")], epoch=1, at=AT, registry=registry)
    assert decide(outer, request).allowed


def test_h13_a_change_that_fails_in_the_store_changes_no_answer(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    policy = Policy(sqlite_store, with_deny, now.clock)
    give = {"subject": "user:1", "department": "hr", "granted_by": "local:operator", "at": AT}
    with sqlite_store.write() as connection:
        add_grant(connection, with_deny, role="role:hr.clerk", **give)
        deny = add_grant(connection, with_deny, role="role:hr.suspended", **give)
    names = ("user:1", "hr", "payroll", "period", "record.read")
    request = AccessRequest(*names, AccessContext(AT))
    assert policy.decide(request).kind == "deny_rule"

    def fail(connection: Connection) -> None:
        revoke_grant(connection, deny.id, at=AT)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"), sqlite_store.write() as connection:
        fail(connection)
    assert policy.decide(request).kind == "deny_rule"


def test_h14_a_right_given_twice_cannot_survive_its_revocation(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    policy = Policy(sqlite_store, with_deny, now.clock)
    give = {"role": "role:hr.clerk", "department": "hr", "granted_by": "local:operator", "at": AT}
    with sqlite_store.write() as connection:
        grant = add_grant(connection, with_deny, subject="user:1", **give)
    with pytest.raises(Conflict), sqlite_store.write() as connection:
        add_grant(connection, with_deny, subject="user:1", **give)
    with sqlite_store.write() as connection:
        revoke_grant(connection, grant.id, at=AT)
    names = ("user:1", "hr", "payroll", "period", "record.read")
    assert not policy.decide(AccessRequest(*names, AccessContext(AT))).allowed


def test_h15_without_rows_nothing_is_allowed_least_of_all_empty_names(
    model: str, fields: Fields, with_deny: Rules
) -> None:
    head, _, _ = model.partition("[matchers]")
    loose = f"{head}[matchers]\nm = r.act == p.act\n"
    assert casbin.Enforcer(casbin.Enforcer.new_model(text=loose)).enforce("", "", "", "", "", {})
    empty = Engine(assemble(loose, (), (), fields), "hr", [])
    assert not empty.allows(Case("", "", "", "", ""), {})
    assert not empty.allows(Case("user:1", "hr", "payroll", "period", "record.read"), {})
    with pytest.raises(ConfigurationError, match="without rules"):
        build_snapshot(assemble(model, (), (), fields), [], epoch=0, at=AT)
    for name in ("department", "object", "field", "action"):
        assert ask(with_deny, [granted("role:hr.clerk")], **{name: ""}).kind == "unknown_name"
    assert ask(with_deny, [], subject="").kind == "unknown_name"


@pytest.mark.parametrize(
    "subject", ["role:hr.clerk", "hr.clerk", "user:", "user", "role:any.signed_in", "user:role:hr"]
)
def test_h16_a_subject_named_like_a_role_is_not_that_role(with_deny: Rules, subject: str) -> None:
    assert ask(with_deny, [granted("role:hr.clerk")], subject=subject).kind == "unknown_name"


def test_h16_names_that_nobody_has_leave_no_trace_in_casbin(
    with_deny: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    original = Engine.allows

    def watched(self: Engine, case: Case, outcomes: Mapping[str, Outcome]) -> bool:
        asked.add(case.subject)
        return original(self, case, outcomes)

    monkeypatch.setattr(Engine, "allows", watched)
    clerk = granted("role:hr.clerk")
    snapshot = build_snapshot(with_deny, [clerk], epoch=1, at=AT, engine="casbin")
    for number in range(100):
        for subject in (f"user:{number}x", f"guest:{number}", f"svc:{number}"):
            for department in ("hr", f"d{number}"):
                names = (subject, department, "payroll", "period", "record.read")
                assert not decide(snapshot, AccessRequest(*names, AccessContext(AT))).allowed
    assert asked == {"role:any.signed_in"}


def test_h17_role_names_are_no_patterns(parse: Parse) -> None:
    rules = parse(
        "p,role:hr.book,hr,payroll,*,record.list,always,allow,one\n"
        "p,role:hr.booking,hr,payroll,*,record.read,always,allow,two\n"
        "p,role:hr.b_ok,hr,payroll,*,record.read,always,allow,three\n"
    )
    assert not ask(rules, [granted("role:hr.book")]).allowed
    assert ask(rules, [granted("role:hr.booking")]).allowed
    engine = Engine(rules, "hr", [Link("user:1", "role:hr.*", "hr")])
    case = Case("user:1", "hr", "payroll", "period", "record.read")
    assert not engine.allows(case, {"always": Outcome.HOLDS})
    assert engine._enforcer.rm_map["g"].matching_func is None


@pytest.mark.parametrize("name", ["transit/aXb", "transit/a.b\n", "transit/a.bc", "transit/a.b/c"])
def test_h18_an_object_is_compared_letter_by_letter(parse: Parse, name: str) -> None:
    rules = parse("p,role:hr.keys,hr,transit/a.b,*,data.encrypt,always,allow,one\n")
    asked = {"action": "data.encrypt", "field": "*"}
    assert ask(rules, [granted("role:hr.keys")], object="transit/a.b", **asked).allowed
    assert not ask(rules, [granted("role:hr.keys")], object=name, **asked).allowed


@pytest.mark.parametrize(
    "name",
    ["Payroll", "/payroll", "hr/payroll", "payroll/", "../hr/payroll", "payroll ", "ｐayroll"],
)
def test_h19_another_spelling_of_an_object_is_no_object(parse: Parse, name: str) -> None:
    rules = parse(
        "p,role:hr.clerk,hr,*,*,record.read,always,allow,read\n"
        "p,role:hr.clerk,hr,payroll,*,record.read,always,deny,never\n"
    )
    assert ask(rules, [granted("role:hr.clerk")], object=name).kind == "unknown_name"


@pytest.mark.parametrize("name", ["transit//a", "transit/../a", "/transit/a", "a", "transit/a/"])
def test_h19_a_key_has_one_spelling(shipped: Rules, name: str) -> None:
    cryptor = granted("role:it.cryptor")
    asked = {"action": "data.encrypt", "field": "*"}
    assert ask(shipped, [cryptor], object="transit/a", **asked).allowed
    assert ask(shipped, [cryptor], object=name, **asked).kind == "unknown_name"


def test_h20_casbin_logs_nothing_and_a_name_forges_no_line(
    with_deny: Rules, caplog: pytest.LogCaptureFixture
) -> None:
    forged = "payroll\n2026 Request: user:1 ---> True"
    with caplog.at_level(logging.DEBUG):
        ask(with_deny, [granted("role:hr.clerk")], action="record.delete", field="*")
        decision = ask(with_deny, [granted("role:hr.clerk")], object=forged)
    assert not caplog.records
    assert "\n" not in decision.reason_admin
    assert "\\n" in decision.reason_admin


def test_h21_the_file_is_real_csv(parse: Parse) -> None:
    assert parse(READ.replace("payroll", '"payroll"')).rules[0].obj == "payroll"
    for row in (
        'p,"role:hr.clerk, x",hr,payroll,*,record.list,always,allow,x',
        "p,role:hr.clerk),hr,payroll,*,record.list,always,allow,x",
        'p,"role:hr.clerk,hr,payroll,*,record.list,always,deny,x\n' + READ,
    ):
        with pytest.raises(ConfigurationError, match="line 3"):
            parse(READ + row + "\n")


def test_h22_a_remembered_yes_does_not_outlive_a_deny_or_a_lost_role(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    policy = Policy(sqlite_store, with_deny, now.clock)
    names = ("user:1", "hr", "payroll", "period", "record.read")
    request = AccessRequest(*names, AccessContext(AT))
    give = {"subject": "user:1", "department": "hr", "granted_by": "local:operator", "at": AT}
    with sqlite_store.write() as connection:
        clerk = add_grant(connection, with_deny, role="role:hr.clerk", **give)
    assert [policy.decide(request).kind for _ in range(3)] == ["allow_rule"] * 3
    with sqlite_store.write() as connection:
        deny = add_grant(connection, with_deny, role="role:hr.suspended", **give)
    assert policy.decide(request).kind == "deny_rule"
    with sqlite_store.write() as connection:
        revoke_grant(connection, deny.id, at=AT)
    assert policy.decide(request).allowed
    with sqlite_store.write() as connection:
        revoke_grant(connection, clerk.id, at=AT)
    assert not policy.decide(request).allowed


def test_h23_a_process_that_was_told_nothing_notices_a_change_by_itself(
    sqlite_store: Store, with_deny: Rules, now: Any
) -> None:
    first, second = (Policy(sqlite_store, with_deny, now.clock) for _ in range(2))
    names = ("user:1", "hr", "payroll", "period", "record.read")
    request = AccessRequest(*names, AccessContext(AT))
    assert not first.decide(request).allowed
    assert not second.decide(request).allowed
    with sqlite_store.write() as connection:
        add_grant(
            connection,
            with_deny,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="local:operator",
            at=AT,
        )
    assert first.decide(request).allowed
    assert second.decide(request).allowed

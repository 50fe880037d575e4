"""The model file: whatever would change what its rows mean is refused, by the trap's number."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.matcher import answering, parse_matcher
from secvault.access.rows import Rule
from secvault.access.rules import assemble, parse_rules
from secvault.errors import ConfigurationError

AT = 1_700_000_000_000_000
Fields = Mapping[str, Mapping[str, str]]
CLERK = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, None, "local:operator", 0)


@pytest.mark.parametrize(
    "role_definition", ["g = _, _, _, (_, _)", "g = _, _", "g = _, _, _\ng2 = _, _", "g2 = _, _, _"]
)
def test_h03_a_model_with_conditional_or_second_role_links_is_refused(
    model: str, fields: Fields, role_definition: str
) -> None:
    changed = model.replace("g = _, _, _", role_definition)
    with pytest.raises(ConfigurationError, match="role_definition"):
        parse_rules(changed, "", fields)


@pytest.mark.parametrize(
    "section",
    [
        "[policy_definition]\np2 = sub, dom, obj, fld, act, cond, eft, id",
        "[policy_effect]\ne2 = !some(where (p.eft == deny))",
        "[matchers]\nm2 = r.sub == p.sub",
        "[request_definition]\nr2 = sub, obj, act",
        "[constraint_definition]\nc = sod",
    ],
)
def test_h10_a_model_with_a_second_section_is_refused(
    model: str, fields: Fields, section: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.conf"):
        parse_rules(f"{model}\n{section}\n", "", fields)


def test_h10_a_model_whose_effect_lets_a_deny_lose_is_refused(model: str, fields: Fields) -> None:
    loose = model.replace(" && !some(where (p.eft == deny))", "")
    assert loose != model
    with pytest.raises(ConfigurationError, match="policy_effect"):
        parse_rules(loose, "", fields)


@pytest.mark.parametrize("function", ["keyMatch", "keyMatch2", "regexMatch", "globMatch", "eval"])
def test_h18_a_model_that_compares_by_patterns_is_refused(
    model: str, fields: Fields, function: str
) -> None:
    loose = model.replace("r.obj == p.obj", f"{function}(r.obj, p.obj)")
    assert loose != model
    with pytest.raises(ConfigurationError, match=function):
        parse_rules(loose, "", fields)


def test_many_threads_can_decide_at_the_same_moment(with_deny: Rules) -> None:
    # Casbin parses its matcher for every decision, which fails in threads of Python 3.11.
    snapshot = build_snapshot(with_deny, [CLERK], epoch=1, at=AT, engine="casbin", memo_size=0)
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))

    def many(_number: int) -> bool:
        return all(decide(snapshot, request).allowed for _ in range(500))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(8)))


@pytest.mark.parametrize("matcher", ["r.sub ==", "", "r.sub.upper() == p.sub", "r.who == p.sub"])
def test_a_matcher_that_is_none_is_refused_when_it_is_loaded(
    model: str, fields: Fields, matcher: str
) -> None:
    head, _, _ = model.partition("[matchers]")
    with pytest.raises(ConfigurationError, match=r"model\.conf"):
        parse_rules(f"{head}[matchers]\nm = {matcher}\n", "", fields)


def test_a_matcher_that_says_yes_to_everything_still_opens_nothing(
    model: str, fields: Fields
) -> None:
    head, _, _ = model.partition("[matchers]")
    rules = (Rule("role:hr.clerk", "hr", "payroll", "*", "record.list", "always", "allow", "one"),)
    loose = assemble(head + "[matchers]\nm = g(r.sub, p.sub, r.dom) || 1 == 1", rules, (), fields)
    snapshot = build_snapshot(loose, [], epoch=1, at=AT)
    request = AccessRequest("user:1", "hr", "payroll", "*", "record.list", AccessContext(AT))
    assert decide(snapshot, request).kind == "engine_error"


def test_the_shipped_matcher_is_understood_in_any_order_and_no_other(
    model: str, fields: Fields
) -> None:
    def engine(changed: str) -> str:
        return answering(parse_matcher(changed), "table")

    assert engine(model) == "table"
    head, _, matcher = model.partition("m = ")
    parts = matcher.strip().split(" && ")
    assert len(parts) == 6
    for turn in range(len(parts)):
        turned = " && ".join(parts[turn:] + parts[:turn])
        assert engine(f"{head}m = {turned}\n") == "table"
    swapped = matcher.replace('p.obj == "*" || r.obj == p.obj', 'r.obj == p.obj || p.obj == "*"')
    assert swapped != matcher
    assert engine(f"{head}m = {swapped}") == "table"
    for left_out in parts:
        rest = " && ".join(part for part in parts if part is not left_out)
        assert engine(f"{head}m = {rest}\n") == "casbin"
    assert engine(model.replace("r.dom == p.dom", "r.dom != p.dom")) == "casbin"
    assert engine(model.replace("p.eft, r.ctx", 'p.eft, r.ctx) && (r.act != "x"')) == "casbin"
    assert answering(parse_matcher(model), "verify") == "verify"

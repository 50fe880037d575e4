"""Casbin's policies become rows, grants to give, or problems with their line: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access import Rules
from secvault.access.casbin_import import Imported, Words, import_casbin
from secvault.errors import InvalidInput

MODEL = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""
DENYING = MODEL.replace("p = sub, dom, obj, act", "p = sub, dom, obj, act, eft").replace(
    "e = some(where (p.eft == allow))",
    "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
)
PLAIN = (
    MODEL.replace("sub, dom, obj", "sub, obj")
    .replace("_, _, _", "_, _")
    .replace("g(r.sub, p.sub, r.dom) && r.dom == p.dom", "g(r.sub, p.sub)")
)
WORDS = Words(
    actions={"read": "record.read", "list": "record.list"},
    objects={"salaries": "payroll"},
    departments={"people": "hr"},
)
Fields = Mapping[str, Mapping[str, str]]


@pytest.fixture
def take_over(fields: Fields) -> Callable[..., Imported]:
    """Take over a policy; the words as above."""
    return lambda policy, model=MODEL, words=WORDS: import_casbin(model, policy, words, fields)


def lines(imported: Imported) -> list[int]:
    return [int(problem.field.removeprefix("policy line ")) for problem in imported.problems]


def test_rules_inheritance_and_holders_are_told_apart_and_the_rows_are_a_policy(
    take_over: Callable[..., Imported], parse: Callable[[str], Rules]
) -> None:
    found = take_over(
        "# a remark\n"
        "p, clerk, people, salaries, read\n"
        "p, head, people, employees, list\n"
        "\n"
        "g, head, clerk, people\n"
        "g, alice, head, people\n"
        "g, svc:sync, clerk, people\n"
    )
    assert found.rows == (
        "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,imported-2",
        "p,role:hr.head,hr,employees,*,record.list,always,allow,imported-3",
        "g,role:hr.head,role:hr.clerk,hr",
    )
    assert found.grants == (
        ("user:alice", "role:hr.head", "hr"),
        ("svc:sync", "role:hr.clerk", "hr"),
    )
    assert found.problems == ()
    assert parse("\n".join(found.rows) + "\n").roles == {"role:hr.clerk", "role:hr.head"}


def test_a_policy_without_domains_is_taken_into_one_department(
    take_over: Callable[..., Imported],
) -> None:
    words = Words(WORDS.actions, WORDS.objects, department="hr")
    found = take_over("p, clerk, salaries, read\ng, alice, clerk\n", PLAIN, words)
    assert found.rows == ("p,role:hr.clerk,hr,payroll,*,record.read,always,allow,imported-1",)
    assert found.grants == (("user:alice", "role:hr.clerk", "hr"),)
    assert lines(take_over("p, clerk, salaries, read\n", PLAIN)) == [1]


def test_denies_are_taken_over_where_they_have_an_effect_and_named_where_not(
    take_over: Callable[..., Imported],
) -> None:
    denying = "p, clerk, people, salaries, read, deny\n"
    assert take_over(denying, DENYING).rows == (
        "p,role:hr.clerk,hr,payroll,*,record.read,always,deny,imported-1",
    )
    ignored = DENYING.replace(" && !some(where (p.eft == deny))", "")
    found = take_over(denying, ignored)
    assert (found.rows, lines(found)) == ((), [1])
    assert take_over("p, clerk, people, salaries, read\n", DENYING).rows[0].split(",")[7] == "allow"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p2, clerk, people, salaries, read", "begins with 'p2'"),
        ("p, clerk, people, salaries", "has 3 values"),
        ("g, alice, clerk", "a g row has 3"),
        ("p, clerk, elsewhere, salaries, read", "domain 'elsewhere'"),
        ("p, clerk, people, salaries, write", "act 'write'"),
        ("p, clerk, people, *, read", "obj '*'"),
        ("p, clerk, people, cars, read", "obj 'cars' cannot be the object"),
        ("p, clerk, people, invoices, read", "belongs to accounting"),
        ("p, The Boss, people, salaries, read", "cannot be the name of a role"),
        ("p, clerk, people, , read", "has an empty cell"),
        ('p, clerk, people, "salaries, read', "is not proper CSV"),
        ("p, clerk, people, salaries, read", "says the same as line 2"),
    ],
)
def test_what_cannot_be_said_here_is_listed_with_its_line(
    take_over: Callable[..., Imported], row: str, said: str
) -> None:
    found = take_over(f"g, alice, clerk, people\np, clerk, people, salaries, read\n{row}\n")
    assert lines(found) == [3]
    assert said in found.problems[0].detail
    assert (len(found.rows), len(found.grants)) == (1, 1)


def test_a_right_of_a_person_is_no_row(take_over: Callable[..., Imported]) -> None:
    found = take_over("p, alice, people, salaries, read\ng, alice, clerk, people\n")
    assert (found.rows, lines(found)) == ((), [1])


@pytest.mark.parametrize(
    "model",
    [
        "",
        "no model",
        MODEL.replace("r.obj == p.obj", "keyMatch(r.obj, p.obj)"),
        MODEL.replace(" && r.dom == p.dom", ""),
        MODEL.replace("some(where (p.eft == allow))", "!some(where (p.eft == deny))"),
        MODEL.replace("some(where (p.eft == allow))", "priority(p.eft) || deny"),
        MODEL.replace("r = sub, dom, obj, act", "r = sub, dom, obj, act, at"),
        MODEL.replace("g = _, _, _", "g = _, _, _\ng2 = _, _"),
        MODEL + "[constraint_definition]\nc = sod(a, b)\n",
        MODEL.replace("[policy_effect]", "[effect]"),
        MODEL + "[matchers]\nm = true\n",
    ],
)
def test_a_model_of_another_kind_is_refused(take_over: Callable[..., Imported], model: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        take_over("", model)
    assert refused.value.fields[0].field == "model"


cell = st.sampled_from(
    ["clerk", "head", "alice", "people", "salaries", "read", "*", "", '"', "x y"]
)
row = st.lists(cell, min_size=1, max_size=6).map(", ".join)


@given(st.lists(st.tuples(st.sampled_from(["p, ", "g, ", "q, ", "# "]), row), max_size=8))
def test_every_line_becomes_a_row_a_grant_or_a_problem(
    fields: Fields, given_rows: list[tuple[str, str]]
) -> None:
    found = import_casbin(MODEL, "\n".join(a + b for a, b in given_rows), WORDS, fields)
    spoken = sum(not start.startswith("#") for start, _ in given_rows)
    assert len(found.rows) + len(found.grants) + len(set(lines(found))) >= spoken

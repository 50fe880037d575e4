"""What a policy's author may not have meant is said with its line, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secvault.access import Grant, Rules
from secvault.access.advice import advise, advise_on_grants
from secvault.access.obligations import Obligations, load_obligations, parse_obligations
from secvault.access.rules import parse_rules
from secvault.config import shipped_policies

AT = 1_700_000_000_000_000
GUARDED = parse_obligations(
    'version = 1\n[[obligation]]\nactions = ["policy.apply", "grant.add"]\n'
    "slots = [{ people = 1 }]\n[privileged]\nclasses = ['salary']\n"
)
NOBODY = parse_obligations("version = 1\n")
READ = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read\n"
EVERYBODY = "p,role:it.admin,*,approvals,*,approval.give,always,allow,give\n"


def codes(parse: Callable[[str], Rules], rows: str, obligations: Obligations = GUARDED) -> set[str]:
    return {
        f"{one.code}:{one.line}"
        for one in advise(parse(rows + EVERYBODY), obligations)
        if one.code != "unreachable"
    }


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (READ, set()),
        # By another rule of the role, by one with fewer conditions, by an inherited one.
        (READ + "p,role:hr.clerk,hr,*,*,record.read,always,allow,x\n", {"shadowed:2"}),
        (READ + "p,role:hr.clerk,hr,payroll,*,record.read,recovering,allow,x\n", {"shadowed:3"}),
        (
            READ
            + "p,role:hr.head,hr,payroll,*,record.read,always,allow,x\n"
            + "g,role:hr.head,role:hr.clerk,hr\n",
            {"shadowed:3"},
        ),
        # Only together do the two leave nothing over.
        (
            (
                "p,role:hr.clerk,hr,payroll,class:salary,record.read,always,allow,a\n"
                "p,role:hr.clerk,hr,payroll,gross_salary,record.read,recovering,allow,b\n"
            ),
            {"shadowed:3"},
        ),
        # Another condition, or another class, is another thing.
        (
            READ.replace("always", "recovering")
            + READ.replace("read\n", "x\n").replace("always", "aal2_fresh:9"),
            set(),
        ),
        (READ + "p,role:hr.clerk,hr,payroll,class:bank,record.read,always,allow,x\n", set()),
        ("p,role:it.auditor,*,*,*,record.list,always,allow,x\n", {"wide:2"}),
        (READ + "p,role:hr.out,hr,*,*,*,always,deny,x\n", {"forbids-everything:3"}),
    ],
)
def test_rules_that_add_nothing_or_reach_far_are_named_by_line(
    parse: Callable[[str], Rules], rows: str, found: set[str]
) -> None:
    assert codes(parse, rows) == found


def test_a_rule_for_a_class_that_no_field_has_matches_nothing(model: str) -> None:
    rows = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
    rows += READ + "p,role:hr.clerk,hr,*,class:bank,record.read,always,allow,x\n"
    rules = parse_rules(model, rows, {"payroll": {"a": "normal"}}, {"payroll": "hr"})
    assert {one.code for one in advise(rules, GUARDED)} >= {"matches-nothing"}


def test_collections_that_no_role_opens_are_named(parse: Callable[[str], Rules]) -> None:
    found = advise(parse(READ + EVERYBODY), GUARDED)
    texts = [one.text for one in found if one.code == "unreachable"]
    assert "no role that can be given opens anything of employees in hr" in texts
    assert not any("of payroll" in text for text in texts)


def test_what_one_person_could_do_alone_is_named(parse: Callable[[str], Rules]) -> None:
    alone = "p,role:it.admin,*,policy,*,policy.apply,always,allow,a\n"
    alone += "p,role:it.admin,*,grants,*,grant.add,always,allow,g\n"
    assert codes(parse, alone, NOBODY) == {"alone:0"}
    assert codes(parse, alone) == set()
    assert "nobody-approves" in {one.code for one in advise(parse(READ), GUARDED)}


def test_roles_that_nobody_holds_and_privileged_ones_without_end_are_named(
    parse: Callable[[str], Rules],
) -> None:
    rules = parse(
        READ
        + "p,role:hr.payer,hr,payroll,class:salary,record.read,always,allow,pay\n"
        + "p,role:hr.spare,hr,payroll,*,record.list,always,allow,spare\n"
        + "p,role:hr.basic,hr,payroll,*,record.list,recovering,allow,basic\n"
        + "g,role:hr.payer,role:hr.basic,hr\n"
    )

    def grant(number: int, role: str, end: int | None) -> Grant:
        return Grant(f"g{number}", f"user:{number}", role, "hr", 0, end, "user:9", 0)

    grants = [
        grant(1, "role:hr.clerk", None),
        grant(2, "role:hr.payer", None),
        grant(3, "role:hr.payer", AT + 1),
        grant(4, "role:hr.spare", AT),
    ]
    found = advise_on_grants(rules, GUARDED, grants, AT)
    assert [(one.code, one.line, one.text.split()[-1]) for one in found] == [
        ("role-nobody-holds", 4, "role:hr.spare"),
        ("privileged-without-end", 3, "g2)"),
    ]


def test_the_shipped_policy_has_nothing_to_warn_of(shipped: Rules) -> None:
    found = advise(shipped, load_obligations(shipped_policies()))
    assert [one for one in found if one.level != "note"] == []

"""A policy of a few rows and a test file for it, as texts that tests change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secvault.access.policytest import Report, check_policy_tests
from secvault.access.policytest.mutation import Mutation
from secvault.access.rows import Link, Rule

POLICIES = Path(__file__).parents[3] / "policies"
HEADER = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
FIELDS = {
    "payroll": {"month": "normal", "gross": "salary", "account": "bank"},
    "employees": {"name": "personal", "hired_on": "normal"},
    "invoices": {"number": "normal", "total": "price"},
}
COLLECTIONS = {"payroll": "hr", "employees": "hr", "invoices": "accounting"}
ROLES = """\
p,role:hr.clerk,hr,*,*,record.list,always,allow,clerk-list
p,role:hr.clerk,hr,payroll,*,record.read,always,allow,clerk-read
p,role:hr.clerk,hr,payroll,class:salary,record.read_masked,always,allow,clerk-masked
p,role:hr.head,hr,payroll,class:bank,record.read,aal2_fresh:300,allow,head-bank
p,role:hr.suspended,hr,*,*,*,always,deny,suspended
g,role:hr.head,role:hr.clerk,hr
p,role:it.auditor,*,log,*,audit.read,always,allow,auditor-read
"""
OBLIGATIONS = 'version = 1\n[[obligation]]\nactions = ["grant.add"]\nslots = [{ people = 1 }]\n'
TESTS = """\
title = "Payroll"
now = 2026-11-03T10:00:00Z
[subjects.clerk]
grants = ["role:hr.clerk"]
[subjects.head]
grants = ["role:hr.head"]
facts = { second_factor_age = 60 }
[subjects.suspended]
grants = ["role:hr.head", "role:hr.suspended"]
facts = { second_factor_age = 60 }
[subjects.auditor]
grants = [{ role = "role:it.auditor", department = "*" }]

[[matrix]]
title = "Who sees what"
subjects = ["clerk", "head", "suspended"]
department = "hr"
objects = ["payroll"]
actions = ["record.read"]
[matrix.fields]
month = ["allow", "allow", "deny"]
gross = ["masked", "masked", "deny"]
account = ["deny", "allow", "deny"]

[[matrix]]
subjects = ["clerk", "suspended"]
department = "hr"
objects = ["*", "employees"]
[matrix.actions]
"record.list" = ["allow", "deny"]

[[matrix]]
subjects = ["auditor"]
department = "*"
[matrix.actions]
"audit.read" = "allow"

[[second_person]]
actions = ["grant.add"]
"""


def texts(roles: str = ROLES, tests: str = TESTS, obligations: str = OBLIGATIONS) -> dict[str, str]:
    return {
        "model.conf": (POLICIES / "model.conf").read_text(),
        "roles.csv": HEADER + roles,
        "obligations.toml": obligations,
        "tests/payroll.toml": tests,
    }


def run(roles: str = ROLES, tests: str = TESTS, **more: str) -> Report:
    return check_policy_tests(texts(roles, tests, **more), FIELDS, COLLECTIONS)


def mutate(roles: str = ROLES, tests: str = TESTS) -> Mutation:
    report = check_policy_tests(texts(roles, tests), FIELDS, COLLECTIONS, mutation=True)
    assert not report.failures
    assert report.mutation is not None
    return report.mutation


def rows(rules: tuple[Rule, ...], links: tuple[Link, ...]) -> str:
    """The rows of `roles.csv` that say this."""
    lines = [
        f"p,{r.sub},{r.dom},{r.obj},{r.fld},{r.act},{r.cond},{r.eft},row{number}"
        for number, r in enumerate(rules)
    ]
    lines += [f"g,{one.member},{one.role},{one.department}" for one in links]
    return "\n".join(lines) + "\n"


def shipped_texts() -> Mapping[str, str]:
    files = [*POLICIES.glob("*.*"), *POLICIES.glob("tests/*.toml")]
    return {file.relative_to(POLICIES).as_posix(): file.read_text() for file in files}

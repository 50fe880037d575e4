"""Invariants hold over everybody and everything, and name who breaks them."""

from __future__ import annotations

import pytest

from secvault.errors import ConfigurationError
from tests.access.policytest.small import ROLES, TESTS, run

READ = 'actions = ["record.read"]\n'
NOBODY = '[[nobody]]\nmay = { actions = ["record.list"] }\n'
BANK = READ + 'fields = ["class:bank"]\n'


def broken(entry: str, roles: str = ROLES) -> tuple[str, ...]:
    failures = [one for one in run(roles, f"{TESTS}\n{entry}").failures if "invariant" in one.what]
    return tuple(reason for one in failures for reason in one.why)


@pytest.mark.parametrize(
    ("entry", "breach"),
    [
        ('[[only]]\nroles = ["role:hr.head"]\n' + BANK, None),
        ('[[only]]\nroles = ["role:hr.clerk"]\n' + BANK, "role:hr.head of hr may record.read"),
        ('[[only]]\nroles = ["role:hr.head"]\n' + READ, "role:hr.clerk of hr may record.read"),
        ('[[never]]\nroles = ["role:hr.clerk"]\n' + BANK, None),
        ('[[never]]\nroles = ["role:hr.head"]\n' + BANK, "role:hr.head of hr may"),
        ('[[never]]\nroles = ["role:hr.suspended"]\neven_with_other_roles = true\n' + READ, None),
        (
            '[[never]]\nroles = ["role:hr.clerk"]\neven_with_other_roles = true\n' + BANK,
            "role:hr.clerk of hr, who is also role:hr.head of hr, may record.read payroll",
        ),
        ('[[needs]]\nconditions = ["aal2_fresh:300"]\n' + BANK, None),
        ('[[needs]]\nconditions = ["recovering"]\n' + BANK, "role:hr.head of hr may record.read"),
        ('[[everybody]]\nactions = ["audit.read"]\n', "everybody signed in may not always audit"),
        ('[[exactly]]\nrole = "role:it.auditor"\nactions = ["audit.read"]\n', None),
        (
            '[[exactly]]\nrole = "role:it.auditor"\nactions = ["audit.verify"]\n',
            "role:it.auditor of every department may audit.read log",
        ),
        (
            '[[exactly]]\nrole = "role:hr.clerk"\nactions = ["record.list"]\n',
            "role:hr.clerk of hr may record.read payroll in hr",
        ),
        (
            '[[exactly]]\nrole = "role:it.auditor"\nactions = ["audit.read", "audit.verify"]\n',
            "may nowhere audit.verify",
        ),
        (
            NOBODY + 'and = { actions = ["audit.read"] }\n',
            None,
        ),
        (
            NOBODY + 'and = { actions = ["record.read"], fields = ["account"] }\n',
            "role:hr.head of hr may both record.list",
        ),
        ('[[second_person]]\nactions = ["grant.revoke"]\n', "grant.revoke needs no other people"),
        ('[[privileged]]\nroles = ["role:hr.head"]\n', "role:hr.head is not privileged"),
    ],
)  # fmt: skip
def test_an_invariant_holds_or_says_who_breaks_it(entry: str, breach: str | None) -> None:
    found = broken(entry)
    if breach is None:
        assert found == ()
    else:
        assert any(breach in one for one in found), found


def test_what_everybody_may_is_no_right_of_a_role() -> None:
    more = "p,role:any.signed_in,*,vault,*,vault.status,always,allow,status\n"
    entry = '[[exactly]]\nrole = "role:it.auditor"\nactions = ["audit.read"]\n'
    assert broken(entry, ROLES + more) == ()
    in_it = '[[everybody]]\ndepartments = ["it"]\nactions = ["vault.status"]\n'
    assert broken(in_it, ROLES + more) == ()


OWN = "p,role:any.signed_in,hr,*,class:bank,record.read,own_record and aal2_fresh:60,allow,own\n"


@pytest.mark.parametrize(
    "entry",
    [
        '[[only]]\nroles = ["role:hr.head"]\n' + BANK,
        '[[never]]\nroles = ["role:hr.clerk"]\n' + BANK,
        (
            '[[nobody]]\nmay = { actions = ["audit.read"], departments = ["hr"] }\n'
            'and = { actions = ["record.read"], fields = ["class:bank"], FILL }\n'
        ),
    ],
)
def test_what_is_left_out_by_its_condition_breaks_nothing(entry: str) -> None:
    fill = 'leaving_out = ["own_record"]'
    without = entry.replace(", FILL", "")
    left_out = entry.replace("FILL", fill) if "FILL" in entry else f"{entry}{fill}\n"
    assert broken(without, ROLES + OWN)
    assert broken(left_out, ROLES + OWN) == ()
    # Only what needs the condition is left out, and nothing that a role opens without it.
    opened = OWN.replace("own_record and ", "")
    assert broken(left_out, ROLES + opened)


def test_a_condition_that_is_left_out_is_one() -> None:
    with pytest.raises(ConfigurationError, match="leaving_out"):
        broken('[[only]]\nroles = ["role:hr.head"]\nleaving_out = ["own"]\n' + BANK)


def test_what_everybody_may_of_their_own_hides_no_further_right_of_a_role() -> None:
    entry = '[[exactly]]\nrole = "role:hr.clerk"\nactions = ["record.list"]\n'
    found = broken(entry, ROLES + OWN)
    assert any("role:hr.clerk of hr may record.read payroll in hr" in one for one in found)


def test_what_a_deny_may_take_from_somebody_is_not_for_everybody() -> None:
    more = (
        "p,role:any.signed_in,*,vault,*,vault.status,always,allow,status\n"
        "p,role:hr.late,hr,vault,*,vault.status,aal2_fresh:300,deny,no-status\n"
    )
    found = broken('[[everybody]]\nactions = ["vault.status"]\n', ROLES + more)
    assert found == (
        "role:hr.late of hr may not always vault.status vault in hr",
        "role:hr.suspended of hr may not always vault.status vault in hr",
    )


def test_an_invariant_counts_for_fields_and_collections_that_are_not_there_yet() -> None:
    more = "p,role:hr.clerk,hr,*,class:health,record.read,always,allow,health\n"
    entry = '[[never]]\nroles = ["role:hr.clerk"]\n' + READ + 'fields = ["class:health"]\n'
    assert any("<new in hr>, <health>" in one for one in broken(entry, ROLES + more))

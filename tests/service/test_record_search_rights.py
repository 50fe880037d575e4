"""Whatever the policy says, a search finds what single decisions list and show in clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.access import AccessRequest, Policy, add_grant
from secvault.access.conditions import About
from secvault.access.in_force import GivenByHand, InForce
from secvault.access.rules import Rules, parse_rules
from secvault.access.surroundings import NOWHERE
from secvault.config import shipped_policies
from secvault.errors import Refused
from secvault.records.collection import Collection
from secvault.service import Service, authentication, record_search, records
from secvault.service.asking import Asking
from secvault.service.spine import Caller, Spine
from tests.running_service import House, payslip

HEADER = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
GROSS = {"amount": "31500000", "currency": "VND"}
PEOPLE = {"p-0": "nv-1", "p-1": "nv-2", "p-2": "nv-1", "p-3": "nv-3"}

rows = st.lists(
    st.tuples(
        st.sampled_from(
            ["always", "own_record", "aal2_fresh:300", "own_record and aal2_fresh:300"]
        ),
        st.sampled_from(["allow", "allow", "allow", "deny"]),
        st.sampled_from(["record.list", "record.read", "record.read_masked"]),
        st.sampled_from(["*", "*", "class:salary", "status"]),
    ),
    max_size=5,
    unique=True,
)


class Given(GivenByHand):
    """Rules, and the collections that they are about."""

    def __init__(self, rules: Rules, collections: Mapping[str, Collection]) -> None:
        super().__init__(rules)
        self._in_force = InForce(0, "", rules, collections=collections)


@dataclass(frozen=True)
class Paid:
    """A service with payslips of several people, and who asks."""

    service: Service
    caller: Caller

    def under(self, text: str) -> Service:
        """The service by other rules."""
        collections = self.service.collections
        classes = {
            name: {field.name: str(field.sensitivity) for field in one.fields.values()}
            for name, one in collections.items()
        }
        departments = {name: one.department for name, one in collections.items()}
        model = (shipped_policies() / "model.conf").read_text()
        rules = parse_rules(model, HEADER + text, classes, departments)
        service = self.service
        policy = Policy(service.store, Given(rules, collections), service.clock)
        spine = Spine(service.store, service.clock, policy, service.audit)
        return replace(service, policy=policy, spine=spine)


@pytest.fixture
def paid(service: Service, house: House) -> Paid:
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    for record_id, employee in PEOPLE.items():
        records.create_record(service, head, "payroll", record_id, payslip(employee=employee))
    records.delete_record(service, head, "payroll", "pay-0042", 1)
    with service.store.write() as connection:
        add_grant(
            connection,
            service.policy.rules,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="user:2",
            at=service.clock.micros(),
        )
    operator = authentication.local_operator(service)
    return Paid(service, Caller(replace(operator, subject="user:1", kind="user")))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows,
    st.sampled_from([None, "nv-1", "nv-3"]),
    st.sampled_from([None, 10, 4000]),
    st.sampled_from(
        [
            ({"gross_salary": GROSS}, "id", ["gross_salary"]),
            ({"gross_salary": {"from": GROSS, "to": GROSS}}, "status", ["gross_salary", "status"]),
            ({"status": "draft"}, "-id", ["status"]),
            ({}, "-status", ["status"]),
            ({}, "id", []),
        ]
    ),
    st.integers(1, 3),
)
def test_a_search_finds_what_single_decisions_list_and_show_in_clear(
    paid: Paid,
    rows: list[tuple[str, str, str, str]],
    employee: str | None,
    age: int | None,
    asked: tuple[dict[str, Any], str, list[str]],
    limit: int,
) -> None:
    where, sort, fields = asked
    unlike = {
        ("*", "record.list", "always"): "allow",
        ("*", "record.read", "always"): "allow",
        ("class:salary", "record.read", "own_record"): "allow",
    }
    for cond, effect, action, field in rows:
        unlike["*" if action == "record.list" else field, action, cond] = effect
    text = "".join(
        f"p,role:hr.clerk,hr,payroll,{','.join(rule)},{effect},r{number}\n"
        for number, (rule, effect) in enumerate(unlike.items())
    )
    service = paid.under(text)
    now = service.clock.micros()
    factor = None if age is None else now - age * 1_000_000
    principal = replace(paid.caller.principal, employee=employee, teams=(), second_factor_at=factor)
    caller = Caller(principal)
    asking = Asking(service.store, service.clock, service.policy, NOWHERE)

    def allowed(person: str, action: str, field: str = "*") -> bool:
        context = replace(asking.context(caller), about=About(person, ""))
        request = AccessRequest("user:1", "hr", "payroll", field, action, context)
        return service.policy.decide(request).allowed

    expected = [
        record_id
        for record_id, person in PEOPLE.items()
        if allowed(person, "record.list")
        and all(allowed(person, "record.read", field) for field in fields)
    ]
    found: list[str] = []
    after = ""
    try:
        while True:
            page = record_search.search_records(
                service, caller, "payroll", where, sort, after, limit
            )
            found += [view.id for view in page.records]
            shown = {name for view in page.records for name in view.fields}
            assert set(fields) <= shown or not page.records
            if not page.next:
                break
            assert len(page.records) == limit
            after = page.next
    except Refused:
        assert not expected
        return
    assert found == sorted(expected, reverse=sort.startswith("-"))

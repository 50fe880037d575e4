"""The page of a policy made at random is what single decisions leave of all records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from secvault.access import AccessRequest, Policy, add_grant
from secvault.access.rules import parse_rules
from secvault.access.surroundings import NOWHERE
from secvault.config import shipped_policies
from secvault.records import facts
from secvault.records.record import record_ids
from secvault.service import Service, authentication
from secvault.service.asking import Asking
from secvault.service.spine import Caller, Operation
from secvault.store import tables

HEADER = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
CONDITIONS = ("always", "own_record", "own_team", "own_record and own_team", "own_team and ticket")
rules = st.lists(
    st.tuples(
        st.sampled_from(CONDITIONS),
        st.sampled_from(["allow", "allow", "deny"]),
        st.sampled_from(["role:hr.some", "role:hr.other", "role:any.signed_in"]),
    ),
    min_size=1,
    max_size=4,
    unique=True,
)
said = st.sampled_from([None, "nv-1", "nv-2", "nv-3"])
teams = st.sampled_from([None, "kho", "line a", "office"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rules,
    st.lists(st.tuples(said, teams), max_size=12),
    st.sampled_from([None, "nv-1"]),
    st.sets(st.sampled_from(["kho", "line a"])),
    st.integers(1, 5),
)
def test_each_page_is_what_single_decisions_leave_of_all_records(
    paged: tuple[Service, Callable[[str], Policy]],
    rows: list[tuple[str, str, str]],
    kept: list[tuple[str | None, str | None]],
    employee: str | None,
    own_teams: set[str],
    limit: int,
) -> None:
    service, policy_of = paged
    unlike: dict[tuple[str, str], str] = {}
    for cond, effect, sub in rows:
        unlike.setdefault((cond, sub), effect)
    text = "".join(
        f"p,{sub},hr,contracts,*,record.list,{cond},{effect},r{number}\n"
        for number, ((cond, sub), effect) in enumerate(unlike.items())
    )
    policy = policy_of(text)
    asking = Asking(service.store, service.clock, policy, NOWHERE)
    principal = replace(
        authentication.local_operator(service),
        subject="user:1",
        kind="user",
        employee=employee,
        teams=tuple(sorted(own_teams)),
    )
    caller = Caller(principal)
    collection = replace(service.collections["contracts"], team_field="workplace")
    with service.store.write() as connection:
        connection.execute(delete(tables.record))
        for number, (person, team) in enumerate(kept):
            connection.execute(
                insert(tables.record).values(
                    collection="contracts",
                    id=f"c-{number:02}",
                    subject="s",
                    version=1,
                    plain=b"{}",
                    tag=b"",
                    created_at=0,
                    updated_at=0,
                    person=person,
                    team=team,
                )
            )
    operation = Operation("record.list", "hr", "contracts", "hr/contracts")
    asker = asking.context(caller).asker
    sorts = facts.sorts_of(collection, asker)
    allowed, _ = asking.decide_sorts(caller, operation, [sort.about for sort in sorts])
    among = facts.any_of(sort for sort in sorts if sort.about in allowed)

    expected = []
    for number, (person, team) in enumerate(kept):
        about = facts.About(person, team)
        context = replace(asking.context(caller), about=about)
        asked = AccessRequest("user:1", "hr", "contracts", "*", "record.list", context)
        single = policy.decide(asked)
        assert single.allowed is (facts.sort_of(about, asker) in allowed)
        if single.allowed:
            expected.append(f"c-{number:02}")
    found: list[str] = []
    with service.store.read() as connection:
        while True:
            got = record_ids(connection, collection, found[-1] if found else "", limit, among)
            found += got
            if len(got) < limit:
                break
    assert found == expected


@pytest.fixture
def paged(service: Service) -> tuple[Service, Callable[[str], Policy]]:
    """The service, and policies of rows that are made up."""
    model = (shipped_policies() / "model.conf").read_text()
    more = "p,role:hr.some,hr,contracts,*,record.read,always,allow,x\n"
    more += "p,role:hr.other,hr,contracts,*,record.read,always,allow,y\n"
    classes: Mapping[str, Mapping[str, str]] = {"contracts": {"kind": "normal"}}

    def policy_of(rows: str) -> Policy:
        rules = parse_rules(model, HEADER + rows + more, classes)
        return Policy(service.store, rules, service.clock)

    with service.store.write() as connection:
        add_grant(
            connection,
            policy_of("").rules,
            subject="user:1",
            role="role:hr.some",
            department="hr",
            granted_by="user:2",
            at=service.clock.micros(),
        )
    return service, policy_of

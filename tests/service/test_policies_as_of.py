"""The past: after a thousand random changes, each moment answers as it was answered then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, func, select

from secvault.access import (
    AccessContext,
    AccessRequest,
    Decision,
    Policy,
    Snapshot,
    add_grant,
    decide,
    list_grants,
    revoke_grant,
)
from secvault.access.bundle import Bundle, bundle_of
from secvault.access.entitlements import Entitlement, what_can
from secvault.access.grants import extend_grant, shorten_grant
from secvault.access.publication import latest_version, publish
from secvault.clock import Clock
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.service.policies.published import Published
from secvault.store import Store, open_store
from secvault.store.migrate import upgrade
from secvault.store.tables import role_grant_end
from tests.service.policy_house import SHIPPED

CHANGES, MOMENTS = 1000, 50
START = 1_700_000_000_000_000
PEOPLE = [f"user:{number}" for number in range(4)]
ROLES = ("clerk", "head", "payer")
SCHEMA = """
department = "hr"
title = { en = "HR" }
[collections.payroll]
title = { en = "Payroll" }
[collections.payroll.fields.period]
title = { en = "Period" }
type = "text"
class = "normal"
[collections.payroll.fields.salary]
title = { en = "Salary" }
type = "text"
class = "CLASS"
mask = "hidden"
"""
ROWS = [
    f"p,role:hr.{role},hr,payroll,{field},{action},{condition},{effect},{role}-{number}"
    for number, (role, (field, action), (condition, effect)) in enumerate(
        product(
            ROLES,
            (("*", "record.read"), ("class:salary", "record.read"), ("*", "record.list")),
            (("always", "allow"), ("aal2_fresh:300", "allow"), ("recovering", "deny")),
        )
    )
]
PROBES = [
    (who, action, field, second)
    for who in PEOPLE
    for action, field in (
        ("record.read", "period"),
        ("record.read", "salary"),
        ("record.list", "*"),
    )
    for second in (False, True)
]
Answers = tuple[list[tuple[bool, str, str, str]], dict[str, tuple[Entitlement, ...]]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    upgrade(opened)
    yield opened
    opened.close()


def some_policy(draw: Random) -> Bundle:
    """A policy in which every role has a rule, so that no grant is ever broken by accident."""
    rows = [f"p,role:hr.{role},hr,payroll,*,collection.read,always,allow,{role}" for role in ROLES]
    rows += draw.sample(ROWS, draw.randrange(1, 10))
    if draw.random() < 0.3:
        rows.append("g,role:hr.head,role:hr.clerk,hr")
    known = draw.choice(("salary", "bank"))
    return bundle_of(
        {
            "model.conf": SHIPPED.files["model.conf"],
            "roles.csv": "ptype,sub,dom,obj,fld,act,cond,eft,id\n" + "\n".join(rows) + "\n",
            "obligations.toml": "version = 1\n",
            "collections/hr.toml": SCHEMA.replace("CLASS", known),
        }
    )


class House:
    """Somebody who changes things at random, and remembers what was answered."""

    def __init__(self, store: Store, draw: Random) -> None:
        self.store, self.draw = store, draw
        self.at = START
        clock = Clock(wall=lambda: self.at, monotonic=lambda: 0.0, sleep=lambda _: None)
        self.policy = Policy(store, Published(), clock)
        self.bundles = [some_policy(draw) for _ in range(20)]
        with store.write() as connection:
            self.publish(connection)

    def change(self, times: int) -> None:
        """So many changes, each at its own moment; in one transaction, to save the disk's time."""
        with self.store.write() as connection:
            for _ in range(times):
                self.at += self.draw.choice((0, 1, 1_000, 1_000_000))
                chosen = self.draw.random()
                if chosen < 0.1:
                    self.publish(connection)
                elif chosen < 0.55:
                    self.grant(connection)
                elif chosen < 0.75:
                    self.move_an_end(connection)
                else:
                    self.revoke(connection)

    def publish(self, connection: Connection) -> None:
        latest = latest_version(connection)
        number = latest.number if latest else 0
        chosen = self.draw.choice(self.bundles)
        publish(connection, chosen, over=number, at=self.at, by="user:x", note="x")

    def grant(self, connection: Connection) -> None:
        start = self.at + self.draw.choice((0, 0, 500, 2_000_000))
        end = self.draw.choice((None, start + 1, start + 700, start + 5_000_000))
        with suppress(Conflict, InvalidInput):
            add_grant(
                connection,
                self.policy.in_force(connection).rules,
                subject=self.draw.choice(PEOPLE),
                role=f"role:hr.{self.draw.choice(ROLES)}",
                department="hr",
                granted_by="user:x",
                at=self.at,
                not_before=start,
                expires_at=end,
            )

    def move_an_end(self, connection: Connection) -> None:
        live = list_grants(connection, standing_at=self.at)
        if not live:
            return
        chosen = self.draw.choice(live)
        move = self.draw.choice((1, 700, 1_000_000, 5_000_000))
        with suppress(Conflict, InvalidInput):
            if self.draw.random() < 0.5:
                later = (chosen.expires_at or self.at) + move
                extend_grant(connection, chosen.id, at=self.at, expires_at=later)
            else:
                end = max(self.at, chosen.not_before) + move
                shorten_grant(connection, chosen.id, end, at=self.at)

    def revoke(self, connection: Connection) -> None:
        live = [one for one in list_grants(connection) if one.revoked_at is None]
        if live:
            revoke_grant(connection, self.draw.choice(live).id, at=self.at)

    def answers(self, snapshot: Snapshot, at: int) -> Answers:
        decided = [told(snapshot, at, *probe) for probe in PROBES]
        return decided, {who: what_can(snapshot, who) for who in PEOPLE}


def told(
    snapshot: Snapshot, at: int, who: str, action: str, field: str, second: bool
) -> tuple[bool, str, str, str]:
    context = AccessContext(at, second_factor_at=at if second else None, recovering=second)
    asked = AccessRequest(who, "hr", "payroll", field, action, context)
    found: Decision = decide(snapshot, asked)
    return found.allowed, found.kind, found.rule, found.policy_digest


def test_after_a_thousand_changes_fifty_past_moments_answer_as_they_did_then(
    store: Store,
) -> None:
    house = House(store, Random(24))
    recorded: list[tuple[int, Answers]] = []
    for _ in range(MOMENTS):
        house.change(CHANGES // MOMENTS)
        # Between two changes, when both are over.
        house.at += 1
        recorded.append((house.at, house.answers(house.policy.snapshot(house.at), house.at)))
        house.at += 1
    with store.read() as connection:
        moved = connection.execute(select(func.count()).select_from(role_grant_end)).scalar_one()
    assert moved > MOMENTS
    house.at += 10_000_000
    with store.read() as connection:
        for at, answers in recorded:
            assert house.answers(house.policy.as_of(connection, at), at) == answers
    assert len({str(answers) for _, answers in recorded}) > MOMENTS // 2
    assert {kind for _, (decided, _) in recorded for _, kind, _, _ in decided} >= {
        "allow_rule",
        "deny_rule",
        "condition_failed",
        "grant_expired",
        "no_role",
    }


def test_before_the_first_policy_there_is_no_answer(store: Store) -> None:
    house = House(store, Random(1))
    with store.read() as connection, pytest.raises(NotFound, match="history begins later"):
        house.policy.as_of(connection, START - 1)


def test_an_answer_of_the_past_is_for_its_moment_only(store: Store) -> None:
    house = House(store, Random(1))
    with store.read() as connection:
        snapshot = house.policy.as_of(connection, START + 5)
    assert [snapshot.covers(START + 5 + step) for step in (-1, 0, 1)] == [False, True, False]

"""The policy of a past moment is what it was then, whatever was granted and revoked since."""

from __future__ import annotations

import random
from dataclasses import replace

from sqlalchemy import Connection

from secvault.access import Grant, Policy, Rules, add_grant, list_grants, revoke_grant
from secvault.access.as_of import as_of, known_grants
from secvault.access.entitlements import what_can
from secvault.access.grants import extend_grant, shorten_grant
from secvault.errors import Conflict
from secvault.store import Store
from tests.access.conftest import FakeTime

SUBJECTS = ("user:1", "user:2", "svc:1")
ROLES = ("role:hr.clerk", "role:hr.payer", "role:hr.suspended")


def test_after_a_thousand_changes_fifty_past_moments_are_what_they_were(
    sqlite_store: Store, with_deny: Rules, now: FakeTime
) -> None:
    chance = random.Random(5)
    policy = Policy(sqlite_store, with_deny, now.clock)
    recorded: dict[int, dict[str, object]] = {}

    def change(connection: Connection) -> bool:
        now.at += chance.randint(1, 1000)
        live = [one for one in list_grants(connection) if one.revoked_at is None]
        if live and chance.random() < 0.45:
            revoke_grant(connection, chance.choice(live).id, at=now.at)
            return True
        try:
            add_grant(
                connection,
                with_deny,
                subject=chance.choice(SUBJECTS),
                role=chance.choice(ROLES),
                department="hr",
                granted_by="user:9",
                at=now.at,
                not_before=now.at + chance.choice([0, 0, 500]),
                expires_at=chance.choice([None, now.at + 1000, now.at + 20_000]),
            )
        except Conflict:
            return False
        return True

    for _ in range(50):
        with sqlite_store.write() as connection:
            changed = 0
            while changed < 20:
                changed += change(connection)
        now.at += 1
        snapshot = policy.snapshot(now.at)
        recorded[now.at] = {one: what_can(snapshot, one) for one in SUBJECTS}
    assert len(recorded) >= 50
    assert len({str(one) for one in recorded.values()}) > 20
    with sqlite_store.read() as connection:
        for moment, answers in recorded.items():
            snapshot = as_of(connection, with_deny, moment)
            assert {one: what_can(snapshot, one) for one in SUBJECTS} == answers


def test_a_grant_that_had_run_out_is_known_until_the_role_was_given_anew() -> None:
    first = Grant("g1", "user:1", "role:hr.clerk", "hr", 0, 100, "user:9", 0, revoked_at=500)
    second = Grant("g2", "user:1", "role:hr.clerk", "hr", 500, None, "user:9", 500)
    revoked = Grant("g3", "user:1", "role:hr.payer", "hr", 0, None, "user:9", 0, revoked_at=200)
    every = (first, second, revoked)

    def at(moment: int) -> set[str]:
        return {one.id for one in known_grants(every, moment)}

    assert at(50) == {"g1", "g3"}
    assert at(199) == {"g1", "g3"}
    assert at(200) == {"g1"}
    assert at(499) == {"g1"}
    assert at(500) == {"g2"}
    assert all(one.revoked_at is None for one in known_grants(every, 50))
    assert known_grants((replace(second, created_at=9),), 8) == ()


def test_a_grant_has_the_end_that_it_had_then(sqlite_store: Store, with_deny: Rules) -> None:
    def end(at: int) -> int | None:
        with sqlite_store.read() as connection:
            (path,) = {one.way for one in what_can(as_of(connection, with_deny, at), "user:1")}
            return path.until

    with sqlite_store.write() as connection:
        grant = add_grant(
            connection,
            with_deny,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="user:9",
            at=100,
        )
        shorten_grant(connection, grant.id, 900, at=200)
        extend_grant(connection, grant.id, at=300, expires_at=2000)
        shorten_grant(connection, grant.id, 800, at=300)
    moments = (100, 199, 200, 299, 300, 799)
    assert [end(at) for at in moments] == [None, None, 900, 900, 800, 800]

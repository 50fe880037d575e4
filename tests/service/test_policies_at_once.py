"""Policies published at the same moment, and decisions meanwhile: each is whole, one at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from secvault.access import AccessContext, AccessRequest, Policy, add_grant
from secvault.access.bundle import Bundle, bundle_of
from secvault.access.publication import publish
from secvault.clock import system_clock
from secvault.errors import Conflict
from secvault.service import authentication, opening
from secvault.service.policies import operations as policies
from secvault.service.policies.published import Published, parse_bundle
from secvault.service.spine import Caller
from secvault.store import open_store
from secvault.store.migrate import upgrade
from tests.running_service import Hands
from tests.service.policy_house import SHIPPED, WHOLE, more
from tests.service.test_approvals_at_once import HouseAt

PUBLICATIONS, READERS, LEAST = 100, 4, 2_000
SCHEMA = """
department = "hr"
title = { en = "HR" }
[collections.NAME]
title = { en = "Pay" }
[collections.NAME.fields.period]
title = { en = "Period" }
type = "text"
class = "normal"
"""


def bundle(collection: str, action: str, approved: str) -> Bundle:
    """A policy of one collection, one right and one obligation; no two of them mix unseen."""
    row = f"p,role:hr.clerk,hr,{collection},*,{action},always,allow,only\n"
    return bundle_of(
        {
            "model.conf": SHIPPED.files["model.conf"],
            "roles.csv": "ptype,sub,dom,obj,fld,act,cond,eft,id\n" + row,
            "obligations.toml": "version = 1\n[[obligation]]\n"
            f'actions = ["{approved}"]\nslots = [{{ people = 1 }}]\n',
            "collections/hr.toml": SCHEMA.replace("NAME", collection),
        }
    )


def test_no_answer_is_of_two_policies_or_of_one_that_was_replaced_before_it_was_asked(
    tmp_path: Path,
) -> None:
    store, clock = open_store(f"sqlite:///{tmp_path / 'store.db'}"), system_clock()
    upgrade(store)
    sides = (
        bundle("payroll", "record.list", "key.export"),
        bundle("contracts", "record.read", "key.delete"),
    )
    parsed = [parse_bundle(one) for one in sides]
    # What is right for each: the collection, whether listing and whether reading is allowed.
    right = {
        parsed[0].rules.digest: ({"payroll"}, {"key.export"}, [True, False, False, False]),
        parsed[1].rules.digest: ({"contracts"}, {"key.delete"}, [False, False, False, True]),
    }
    policy = Policy(store, Published(), clock)
    with store.write() as connection:
        publish(connection, sides[0], over=0, at=clock.micros(), by="user:x", note="x")
        add_grant(
            connection,
            parsed[0].rules,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="local:operator",
            at=clock.micros(),
        )
    published = 1
    done = threading.Event()
    wrong: list[object] = []
    asked = [0] * READERS
    questions = [
        (collection, action)
        for collection in ("payroll", "contracts")
        for action in ("record.list", "record.read")
    ]

    def read(number: int) -> None:
        while not done.is_set() or asked[number] < LEAST:
            least = published
            for at, (collection, action) in enumerate(questions):
                context = AccessContext(clock.micros())
                answer = policy.decide(
                    AccessRequest("user:1", "hr", collection, "*", action, context)
                )
                asked[number] += 1
                if answer.allowed is not right[answer.policy_digest][2][at]:
                    wrong.append(answer)
            whole = policy.in_force()
            collections, approved, _ = right[whole.rules.digest]
            if (set(whole.collections), set(whole.obligations.slots)) != (collections, approved):
                wrong.append(whole)
            if whole.number < least:
                wrong.append((whole.number, least))

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read, number) for number in range(READERS)]
        try:
            for number in range(1, PUBLICATIONS + 1):
                with store.write() as connection:
                    made = publish(
                        connection,
                        sides[number % 2],
                        over=number,
                        at=clock.micros(),
                        by="user:x",
                        note="x",
                    )
                published = made.number
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert wrong == []
    assert min(asked) >= LEAST
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> HouseAt:
    """A vault that nobody has opened yet, over each engine."""
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    house = HouseAt(tmp_path, Hands(), {}, {}, url=url)
    opening.create_vault(house.settings, house.hands.clock())
    return house


def test_of_those_who_start_first_one_publishes_and_of_those_who_apply_one_wins(
    empty: HouseAt,
) -> None:
    together = threading.Barrier(3, timeout=300)

    def start(number: int) -> str:
        row = f"p,role:hr.clerk,hr,payroll,*,record.delete,always,allow,by-{number}\n"
        bundle = more(row)
        together.wait()
        with empty.open() as service:
            operator = Caller(authentication.local_operator(service))
            assert service.policy.in_force().number == 1
            plan = policies.plan(service, operator, bundle)
            together.wait()
            try:
                made = policies.apply(
                    service, operator, bundle, note="at once", expected=plan.digest
                )
            except Conflict:
                return ""
            assert service.policy.in_force().digest == made.digest
            return made.digest

    with ThreadPoolExecutor(3) as pool:
        ends = sorted(pool.map(start, range(3)))
    assert ends[:2] == ["", ""]
    with empty.open() as service:
        operator = Caller(authentication.local_operator(service))
        history = policies.history(service, operator)
        assert [(one.number, one.digest) for one in history] == [
            (2, ends[2]),
            (1, WHOLE.digest),
        ]
        assert policies.verify(service, operator).ok

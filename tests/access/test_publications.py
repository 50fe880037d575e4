"""Decisions in threads while policies are published: never one from a half-built state.

SVTEST_DECISIONS: how many; a policy is published after each thousand of them.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from secvault.access import AccessContext, AccessRequest, Policy, Rules
from secvault.access.grants import add_grant
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch

DECISIONS = int(os.environ.get("SVTEST_DECISIONS", "100000"))
PUBLICATIONS = DECISIONS // 1_000
READERS = 4

ROWS = """\
p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read-{n}
p,role:hr.clerk,hr,payroll,*,record.list,aal2_fresh:300,allow,list-{n}
p,role:hr.payer,hr,payroll,class:bank,record.read,always,{effect},bank-{n}
p,role:hr.suspended,hr,*,*,*,always,deny,suspended-{n}
g,role:hr.payer,role:hr.clerk,hr
"""


def _requests(at: int) -> list[tuple[AccessRequest, str]]:
    """Requests, and the rule that allows each where bank accounts are open; empty for a refusal."""
    context = AccessContext(at)
    return [
        (AccessRequest(subject, "hr", "payroll", field, action, context), rule)
        for subject, field, action, rule in (
            ("user:payer", "period", "record.read", "read"),
            ("user:payer", "bank_account", "record.read", "bank"),
            ("user:payer", "*", "record.list", ""),
            ("user:clerk", "period", "record.read", "read"),
            ("user:clerk", "bank_account", "record.read", ""),
            ("user:suspended", "period", "record.read", ""),
            ("user:nobody", "period", "record.read", ""),
        )
    ]


class Readers:
    """Threads that ask all the time, and hold each answer against what was in force."""

    def __init__(self, policy: Policy, versions: list[Rules], at: int, epoch: int) -> None:
        self.policy, self.at, self.epoch = policy, at, epoch
        self.number_of = {rules.digest: number for number, rules in enumerate(versions)}
        # The turn whose version is in force; below zero while that is being changed.
        self.turn = 0
        self.decided = [0] * READERS
        self.wrong: list[str] = []
        self.done = threading.Event()

    def read(self, reader: int) -> None:
        drawn = random.Random(reader)
        requests = _requests(self.at)
        while not self.done.is_set():
            request, rule = drawn.choice(requests)
            turn = self.turn
            decision = self.policy.decide_by_epoch(request, self.epoch)
            if decision is None:
                # Just published, not built yet: no answer is the right one.
                self.policy.snapshot(self.at)
                continue
            version = self.number_of[decision.policy_digest]
            expected = f"{rule}-{version}" if rule and _opens(rule, version) else ""
            if decision.allowed is not bool(expected) or decision.decisive != expected:
                self.wrong.append(f"{request} by {version}: {decision.decisive or 'no'}")
            # What was in force before the question, and still is after it, must have answered.
            if turn == self.turn >= 0 and version != turn % len(self.number_of):
                self.wrong.append(f"version {version} answered in turn {turn}")
            self.decided[reader] += 1


def _opens(rule: str, version: int) -> bool:
    return rule != "bank" or version % 2 == 1


@pytest.mark.slow
@pytest.mark.timeout(600 + DECISIONS // 1_000)
def test_no_decision_is_wrong_or_half_built_while_policies_are_published(
    sqlite_store: Store, parse: Callable[[str], Rules], now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each version allows or denies bank accounts, and its rules have names of their own.
    versions = [parse(ROWS.format(n=n, effect="allow" if n % 2 else "deny")) for n in range(8)]
    give = {"department": "hr", "granted_by": "local:operator", "at": now.at}
    holders = {"payer": ["payer"], "clerk": ["clerk"], "suspended": ["payer", "suspended"]}
    with sqlite_store.write() as connection:
        for name, roles in holders.items():
            for role in roles:
                given = {"subject": f"user:{name}", "role": f"role:hr.{role}", **give}
                add_grant(connection, versions[0], **given)
        epoch = read_epoch(connection, POLICY)
    policy = Policy(sqlite_store, versions[0], now.clock)
    # The self-check has tests of its own; here it would only keep the publisher busy.
    monkeypatch.setattr(policy._builder, "_compare", lambda _made: None)
    policy.snapshot(now.at)
    readers = Readers(policy, versions, now.at, epoch)
    with ThreadPoolExecutor(READERS) as pool:
        running = [pool.submit(readers.read, number) for number in range(READERS)]
        try:
            for turn in range(1, PUBLICATIONS + 1):
                readers.turn = -turn
                policy.publish(versions[turn % len(versions)])
                policy.snapshot(now.at)
                readers.turn = turn
                share = DECISIONS * turn // PUBLICATIONS
                while sum(readers.decided) < share and not any(one.done() for one in running):
                    readers.done.wait(0.0005)
        finally:
            readers.done.set()
        for one in running:
            one.result()
    assert not readers.wrong, (len(readers.wrong), readers.wrong[:5])
    assert sum(readers.decided) >= DECISIONS
    assert min(readers.decided) > 0

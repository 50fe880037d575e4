"""What the tests of audit share: a fresh store of either kind, a clock that steps, an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from secvault.audit import Actor, AuditLog, DecisionNote, Event
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store

ORIGIN = "vault.example.com/audit"
STARTED = 1_790_000_000_000_000


@pytest.fixture
def stepping() -> Clock:
    """A clock that is a millisecond later each time it is looked at."""
    moments = count(STARTED, 1_000)
    return Clock(
        wall=lambda: next(moments), monotonic=lambda: next(moments) / 1e6, sleep=lambda _: None
    )


@pytest.fixture
def log(any_store: Store, stepping: Clock) -> Iterator[AuditLog]:
    """The log of `any_store`."""
    opened = AuditLog(any_store, stepping, node="node-1")
    yield opened
    opened.close()


@pytest.fixture
def signer() -> NoteSigner:
    """The key of the log."""
    return NoteSigner(ORIGIN, Secret(bytes(range(32))))


@pytest.fixture
def reading() -> Callable[[int], Event]:
    """A clerk reads the bank account of payment number so-and-so."""

    def event(number: int) -> Event:
        return Event(
            kind="record.read",
            outcome="ok",
            actor=Actor("user", "u-7", "s-1", ("password", "totp"), ("role:accounting.clerk",)),
            resource=f"accounting/payments/pay-{number}/bank_account",
            department="accounting",
            fields=("bank_account",),
            decision=DecisionNote("payments.read", "ab" * 32, f"d-{number}"),
            request=f"r-{number}",
            detail={"collection": "payments", "version": 3},
        )

    return event

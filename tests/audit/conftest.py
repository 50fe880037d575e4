"""What the tests of audit share: a fresh store of either kind, a clock that steps, an event."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from secvault.audit import Actor, AuditLog, DecisionNote, Event
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store, migrate, open_store

ORIGIN = "vault.example.com/audit"
STARTED = 1_790_000_000_000_000


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("audit") / "empty.db"
    store = open_store(f"sqlite:///{file}")
    migrate.upgrade(store)
    store.close()
    return file


@pytest.fixture
def sqlite_url(empty_database: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite database."""
    file = tmp_path / "store.db"
    shutil.copy(empty_database, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database of each kind that secvault runs on."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("postgresql_url"))
    store = open_store(url)
    migrate.upgrade(store)
    store.close()
    return url


@pytest.fixture
def any_store(any_url: str) -> Iterator[Store]:
    """A fresh store of each kind."""
    store = open_store(any_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """A fresh store in a file."""
    store = open_store(sqlite_url)
    yield store
    store.close()


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

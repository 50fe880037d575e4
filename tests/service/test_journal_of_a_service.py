"""What a journal alone has is there for whoever reads, verifies or saves the log."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from secvault.audit.event import Actor, Event
from secvault.audit.query import Question
from secvault.backup.database import PostgresqlPrograms, copy_database
from secvault.service import Service, audit_log, authentication
from secvault.service.spine import Caller
from tests.running_service import House


@pytest.fixture
def kept(service: Service) -> str:
    """The request id of an event that this service's journal has and its log, perhaps, has not."""
    event = Event("data.encrypt", "ok", Actor("svc", "s-1"), "it/transit/payroll", request="r-kept")
    made = service.audit.draft(event)
    deadline = time.monotonic() + 300
    while not service.audit.keep([made]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return event.request


def _auditor(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["auditor"]), "request-1")


def test_the_first_page_of_a_query_has_it(service: Service, house: House, kept: str) -> None:
    found = audit_log.read_events(service, _auditor(service, house), Question(), None, 10)
    assert kept in {stored.event.request for stored in found.events}


def test_a_verification_and_a_checkpoint_cover_it(
    service: Service, house: House, kept: str
) -> None:
    auditor = _auditor(service, house)
    before = audit_log.verify_log(service, auditor)
    assert before.ok
    audit_log.take_checkpoint(service, auditor)
    assert audit_log.verify_log(service, auditor).ok
    found = audit_log.read_events(service, auditor, Question(kind="data.encrypt"), None, 10)
    assert [stored.event.request for stored in found.events] == [kept]
    assert found.events[0].seq < before.size


def test_a_backup_of_the_database_has_it(service: Service, tmp_path: Path, kept: str) -> None:
    service.backups.settle()
    copy = copy_database(service.store, tmp_path, PostgresqlPrograms(), lambda _: None)
    with closing(sqlite3.connect(copy.file)) as database:
        bodies = database.execute("SELECT body FROM audit_event WHERE kind = 'data.encrypt'")
        assert [kept.encode() in body for (body,) in bodies] == [True]


def test_the_journal_goes_when_the_service_ends(house: House) -> None:
    folder = house.folder / "vault" / "secvault.db-audit"
    with house.open() as service:
        event = Event("data.encrypt", "ok", Actor("svc", "s-1"), "it/transit/payroll")
        while not service.audit.keep([service.audit.draft(event)]):
            time.sleep(0.01)
        assert [file.suffix for file in folder.iterdir()] == [".journal"]
        assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.iterdir()) == []

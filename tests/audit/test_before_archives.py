"""A database from before the log had archives, personal parts and streams goes on with its log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import sign_head
from secvault.audit.query import Question, events
from secvault.audit.verify import verify
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner
from secvault.store import migrate, open_store
from secvault.store.tables import audit_event
from tests.audit.conftest import ORIGIN

LAST_BEFORE = 32


def before(folder: Path) -> Path:
    """The migrations of that program."""
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (folder / "versions").glob("0*.py"):
        if int(file.name[:4]) > LAST_BEFORE:
            file.unlink()
    return folder


def test_its_entries_stay_as_they_are_and_others_follow(
    any_store_url: str,
    stepping: Clock,
    reading: Callable[[int], Event],
    signer: NoteSigner,
    tmp_path: Path,
) -> None:
    store = open_store(any_store_url)
    migrate.upgrade(store, before(tmp_path / "before"))
    log = AuditLog(store, stepping, node="node-1")
    log.record_many(map(reading, range(300)))
    log.close()
    rows = select(audit_event).order_by(audit_event.c.seq)
    with store.read() as connection:
        old = connection.execute(rows).all()
    assert migrate.upgrade(store) == (f"{LAST_BEFORE:04d}", migrate.head())
    log = AuditLog(store, stepping, node="node-1")
    log.record_many(map(reading, range(300, 400)))
    sign_head(store, stepping, signer, origin=ORIGIN)
    with store.read() as connection:
        assert connection.execute(rows).all()[:300] == old
    found = events(store, Question(kind="record.read", actor="user:u-7"))
    assert [each.event.request for each in found] == [f"r-{n}" for n in range(400)]
    assert verify(store, [signer.verifier()], origin=ORIGIN).ok
    log.close()
    store.close()

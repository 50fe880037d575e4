"""Keeping locked what snapshots are made of, for as long as they need it.

A bucket's default retention locks an object from the day that it is written. restic writes a piece
of data once: the newest snapshot needs packs of long ago, whose lock has ended, and whoever holds
the credentials could destroy it with them. So the locks of all that the repository is made of now
are extended from time to time, by the role that prunes. In COMPLIANCE mode a lock can only be made
longer. What is forgotten is hidden by then, and its lock runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from secvault.backup import bucket, bucket_locks
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import S3Location
from secvault.backup.repository_faults import RepositoryDenied
from secvault.store import tables

PARTS = 4
"""It is done each time that this part of the lock's days has passed."""


@dataclass(frozen=True)
class Extended:
    """What was done: objects whose lock was made longer. refused: the credentials may not."""

    objects: int
    refused: bool = False


def extend_locks(engine: BackupEngine, name: str) -> Extended | None:
    """Extend the locks of what the repository is made of; None where there is none or it is early.

    Between two of these, everything is locked for half of the bucket's days at least. Raises
    RepositoryUnreachable and others.
    """
    repository = engine.repository(name).pruner()
    place = repository.place
    if not isinstance(place, S3Location):
        return None
    client = bucket.s3_client(repository)
    try:
        lock = bucket.inspect_bucket(client, place.bucket).object_lock
    except RepositoryDenied:
        # Who may not see the lock may not change one; the bucket's checks say what is missing.
        return None
    if lock is None:
        return None
    now = engine.clock.now()
    every = timedelta(days=lock.days) / PARTS
    last = _last(engine, name)
    if last is not None and engine.clock.micros() - last < every / timedelta(microseconds=1):
        return None
    try:
        objects = bucket_locks.extend(client, place, lock, written_before=now - every, now=now)
    except RepositoryDenied:
        return Extended(0, refused=True)
    table = tables.backup_repository
    with engine.store.write() as connection:
        connection.execute(
            update(table)
            .where(table.c.name == name)
            .values(locks_extended_at=engine.clock.micros())
        )
    return Extended(objects)


def _last(engine: BackupEngine, name: str) -> int | None:
    table = tables.backup_repository
    with engine.store.read() as connection:
        return connection.execute(
            select(table.c.locks_extended_at).where(table.c.name == name)
        ).scalar_one_or_none()

"""Snapshots of runs that died before they knew whether everything had been read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import select

from secvault.backup import withdrawal
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryLocked
from secvault.backup.restic import Snapshot
from secvault.store import tables

_RUN = "run="


def withdraw(engine: BackupEngine, repository: Repository, there: Sequence[Snapshot]) -> None:
    """Forget the snapshots of failed runs that are not noted on the run's row.

    restic makes a snapshot also where it could not read a file, and only its end tells. Called
    when a newer one is saved. Runs that this vault does not know are left alone; so is everything
    while others work on the repository: the next run comes back to it.
    """
    of_run = {
        tag.removeprefix(_RUN): one.id
        for one in there
        for tag in one.tags or ()
        if tag.startswith(_RUN)
    }
    table = tables.backup_run
    wanted = select(table.c.id, table.c.snapshot).where(
        table.c.id.in_([*of_run]), table.c.state == "failed"
    )
    with engine.store.read() as connection:
        failed = connection.execute(wanted).all()
    left = [of_run[run] for run, noted in failed if noted != of_run[run]]
    with suppress(RepositoryLocked):
        withdrawal.withdraw(engine, repository, left)

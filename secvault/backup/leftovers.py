"""Snapshots of runs that died before they knew whether everything had been read."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import func, select

from secvault.backup import withdrawal
from secvault.backup.engine import BackupEngine
from secvault.backup.repository_faults import RepositoryLocked
from secvault.store import tables


def withdraw(engine: BackupEngine, name: str, plan: str) -> None:
    """Forget the snapshots of the plan's runs that ended, since one was done, without knowing any.

    name: of the repository. restic makes a snapshot also where it could not read a file, and only
    its end tells. Called when a newer one is saved. Runs that this vault does not know are left
    alone; so is everything while others work on the repository.
    """
    tags = {f"run={run}" for run in _without_snapshot(engine, plan)}
    if not tags:
        return
    repository = engine.repository(name)
    found = engine.restic.snapshots(repository, tags=(f"plan={plan}",), skip_damaged=True)
    left = [one.id for one in found if tags & {*(one.tags or ())}]
    with suppress(RepositoryLocked):
        withdrawal.withdraw(engine, repository, left)


def _without_snapshot(engine: BackupEngine, plan: str) -> tuple[str, ...]:
    table = tables.backup_run
    done = select(func.max(table.c.started_at)).where(table.c.plan == plan, table.c.state == "done")
    wanted = select(table.c.id).where(
        table.c.plan == plan,
        table.c.state.in_(("failed", "cancelled")),
        table.c.snapshot.is_(None),
        table.c.started_at >= func.coalesce(done.scalar_subquery(), 0),
    )
    with engine.store.read() as connection:
        return tuple(connection.execute(wanted).scalars())

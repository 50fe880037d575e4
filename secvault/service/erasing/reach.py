"""When an erasure has reached the backups: computed from the runs of each plan since."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from secvault.service.service import Service
from secvault.store.tables import backup_run

DAY = 86_400 * 1_000_000


@dataclass(frozen=True)
class Reach:
    """How far an erasure has come in the backups of all plans. Times in micros.

    known: whether every plan has saved data keys since, so that a restore leaves out what was
    erased. gone_after: when the last data keys from before may go; None while it is not known.
    gone: whether a run of each plan since then has removed them. Of the plans that there are and
    that save secvault itself: what others have left, nobody looks after.
    """

    known: bool
    gone_after: int | None
    gone: bool


def reach_of(service: Service, connection: Connection, erased_at: int) -> Reach:
    """How far an erasure of this moment has come by now."""
    days = service.settings.backup.keys_days
    firsts: list[int | None] = []
    removed: list[bool] = []
    lasting: list[int] = []
    run = backup_run.c
    for plan in sorted(name for name, one in service.backups.plans().items() if one.vault):
        # The oldest data keys without it are as old as the first run after it.
        first = connection.execute(
            select(func.min(run.data_at)).where(
                run.plan == plan, run.state == "done", run.data_at >= erased_at
            )
        ).scalar_one()
        firsts.append(first)
        newest = connection.execute(
            select(func.max(run.data_at)).where(run.plan == plan, run.state == "done")
        ).scalar_one()
        # Data keys copied before it may have been saved as late as that run's end, whether it
        # failed afterwards or not; they are kept for so many days from then on.
        copied_before = (run.plan == plan) & (run.started_at < erased_at)
        last, begun, ended = connection.execute(
            select(
                func.max(run.finished_at), func.count(run.started_at), func.count(run.finished_at)
            ).where(copied_before)
        ).one()
        lasting.append(max(erased_at, last or erased_at) + days * DAY)
        removed.append(first is not None and begun == ended and newest > lasting[-1])
    known = [one for one in firsts if one is not None]
    if len(known) < len(firsts):
        return Reach(known=False, gone_after=None, gone=False)
    gone_after = max(lasting, default=erased_at + days * DAY)
    return Reach(known=True, gone_after=gone_after, gone=all(removed))

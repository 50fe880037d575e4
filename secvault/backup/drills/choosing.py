"""Which repository a drill reads, and which snapshot of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Column, Connection, func, select

from secvault.backup.drills.order import LATEST, Wanted
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import Repository
from secvault.backup.restic import Snapshot
from secvault.backup.sources.source import leads_nowhere_else
from secvault.config import PlanSettings
from secvault.crypto.aead import Random
from secvault.errors import Damaged, NotFound
from secvault.store import tables

_RUN = "run="
Chosen = Literal["newest", "random", "turn", "named"]


@dataclass(frozen=True)
class Choice:
    """What is drilled. name: of the repository. listed: the plan's snapshots there, newest last."""

    name: str
    repository: Repository
    snapshot: Snapshot
    chosen: Chosen
    listed: tuple[Snapshot, ...]


def repository_for(engine: BackupEngine, plan: PlanSettings, wanted: Wanted) -> str:
    """The name of the repository that this drill reads."""
    names = (plan.repository, *plan.copies)
    if wanted.repository or plan.drill.repository == "first":
        return wanted.repository or names[0]
    with engine.store.read() as connection:
        drilled = last_drilled(connection, wanted.plan, tables.drill.c.repository, names)
    return next_in_turn(names, drilled)


def choose(
    engine: BackupEngine, plan: PlanSettings, wanted: Wanted, name: str, repository: Repository
) -> Choice:
    """The snapshot of this drill. name: of the repository.

    A snapshot that cannot be read is passed over here; the repository level names it. Raises
    NotFound where there is none, Damaged where the snapshot is of no backup run, and what
    `Restic.snapshots` raises.
    """
    listed = _listed(engine, wanted.plan, repository, skip_damaged=True)
    if not any(one.id.startswith(_id_of(wanted)) for one in listed):
        # Damaged ones are passed over; where nothing else fits, they are the finding.
        _listed(engine, wanted.plan, repository, skip_damaged=False)
    if not listed:
        raise NotFound(
            f"{wanted.plan} has no snapshot in {name}: run `secvault backup run {wanted.plan}`"
        )
    snapshot, chosen = _snapshot(
        engine, plan, wanted, listed, _that_count(engine, wanted.plan, name, listed)
    )
    if not all(map(leads_nowhere_else, snapshot.paths or ())):
        raise Damaged("the snapshot names a path that is not absolute, or leads out of its folder")
    return Choice(name, repository, snapshot, chosen, listed)


def _listed(
    engine: BackupEngine, plan: str, repository: Repository, *, skip_damaged: bool
) -> tuple[Snapshot, ...]:
    # Without a lock: whoever saves or prunes meanwhile is not turned away.
    return engine.restic.snapshots(
        repository, tags=(f"plan={plan}",), skip_damaged=skip_damaged, locked=False
    )


def _id_of(wanted: Wanted) -> str:
    return "" if wanted.snapshot == LATEST else wanted.snapshot


def next_in_turn(names: Sequence[str], drilled: Mapping[str, int]) -> str:
    """The one that was drilled longest ago; first of all, in their order, those that never were."""
    return min(names, key=lambda name: (drilled.get(name, -1), names.index(name)))


def random_below(random: Random, count: int) -> int:
    """A number from 0 to below `count`, each as likely. count: 1 to 2**32."""
    # Of 64 bits, those are drawn again that would favour the lowest.
    fair = (1 << 64) - (1 << 64) % count
    while True:
        drawn = int.from_bytes(random(8), "big")
        if drawn < fair:
            return drawn % count


def last_drilled(
    connection: Connection, plan: str, column: Column[str], names: Iterable[str]
) -> dict[str, int]:
    """When a drill of each was last begun that has ended; those that never were are left out.

    However it ended: what fails again and again keeps the others from no turn. column: of the
    drills' table, by which they are told apart.
    """
    drill = tables.drill
    rows = connection.execute(
        select(column, func.max(drill.c.started_at))
        .where(drill.c.plan == plan, drill.c.state.in_(("done", "failed")), column.is_not(None))
        .group_by(column)
    )
    wanted = {*names}
    return {name: at for name, at in rows if name in wanted}


def run_of(snapshot: Snapshot) -> str:
    """The run that the snapshot says it is of; empty where it says none."""
    tags = (tag.removeprefix(_RUN) for tag in snapshot.tags or () if tag.startswith(_RUN))
    return next(tags, "")


def _that_count(
    engine: BackupEngine, plan: str, name: str, listed: Sequence[Snapshot]
) -> Sequence[Snapshot]:
    """The snapshots without those of runs that were not whole: killed ones leave such behind.

    Those of runs that nobody knows count, and where none is left, all do.
    """
    run, copy = tables.backup_run, tables.backup_copy
    runs = {run_of(one) for one in listed}
    own = select(run.c.id, run.c.snapshot).where(run.c.plan == plan, run.c.repository == name)
    copied = select(copy.c.run, copy.c.snapshot).where(
        copy.c.plan == plan, copy.c.repository == name
    )
    made: dict[str, str | None] = {}
    with engine.store.read() as connection:
        for asked in (own, copied):
            made |= {of: id_ for of, id_ in connection.execute(asked) if of in runs}
    counting = [one for one in listed if made.get(run_of(one), one.id) == one.id]
    return counting or listed


def _snapshot(
    engine: BackupEngine,
    plan: PlanSettings,
    wanted: Wanted,
    listed: Sequence[Snapshot],
    counting: Sequence[Snapshot],
) -> tuple[Snapshot, Chosen]:
    if wanted.snapshot and wanted.snapshot != LATEST:
        found = [one for one in listed if one.id.startswith(wanted.snapshot)]
        if len(found) != 1:
            raise NotFound(
                f"{wanted.plan} has {len(found)} snapshots whose id begins with {wanted.snapshot}"
            )
        return found[0], "named"
    if wanted.snapshot == LATEST or plan.drill.snapshot == "newest":
        return counting[-1], "newest"
    if plan.drill.snapshot == "random":
        return counting[random_below(engine.random, len(counting))], "random"
    by_id = {one.id: one for one in counting}
    with engine.store.read() as connection:
        drilled = last_drilled(connection, wanted.plan, tables.drill.c.snapshot, by_id)
    return by_id[next_in_turn([*by_id], drilled)], "turn"

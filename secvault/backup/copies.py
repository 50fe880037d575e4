"""Copies of a plan's snapshots in further repositories, and what is known of each.

Two ways. copy: `restic copy` brings the snapshots over, those that were missed included; their
trees are compared. run: what was staged is saved a second time, straight from the source. The
second is also taken where one restic cannot reach both: two buckets with different credentials.
The data keys go into the repository beside each copy, in the same way and before the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert, select, update

from secvault.backup import restic_copies, run
from secvault.backup.engine import LONGEST_ERROR, BackupEngine
from secvault.backup.repository import KEYS, Repository, one_restic_reaches
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.backup.run import Run
from secvault.errors import BackupFailed, Conflict, Damaged, NotFound, SecvaultError
from secvault.store import tables

Way = Literal["copy", "run"]
State = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class RunCopy:
    """A run's copy in a further repository. Times in micros; state: running, done or failed."""

    run: str
    repository: str
    plan: str
    way: Way
    state: State
    snapshot: str | None
    started_at: int
    finished_at: int | None
    error: str | None


def copy(engine: BackupEngine, run_id: str, repository: str, cancel: Cancel) -> RunCopy:
    """Bring the run's snapshot into a further repository of its plan; again, it does no harm.

    Snapshots of the plan that are newer than the newest there come along. Raises NotFound where the
    plan names no such copy, Conflict while the run has no snapshot, RepositoryDamaged for damage in
    the first repository, and what saving raises. The failure stands on the copy's row by then.
    """
    made_by = run.read_run(engine, run_id)
    plan = engine.plan(made_by.plan)
    if repository not in plan.copies:
        raise NotFound(f"the plan {made_by.plan} keeps no copy in {repository}")
    if made_by.snapshot is None:
        raise Conflict(f"the run {run_id} has saved nothing yet that could be copied")
    source = engine.opened_repository(made_by.repository)
    way = _way(engine, plan.copies_by, source, repository)
    _begin(engine, made_by, repository, way)
    try:
        if way == "copy":
            snapshot = _copy_over(engine, made_by, source, repository, cancel, vault=plan.vault)
        else:
            snapshot = _save_again(engine, made_by, repository, cancel)
    except BaseException as error:
        _end(engine, run_id, repository, state="failed", error=_reason(error))
        raise
    return _end(engine, run_id, repository, state="done", snapshot=snapshot)


def of_run(engine: BackupEngine, run_id: str) -> tuple[RunCopy, ...]:
    """The copies of a run, by the name of the repository."""
    table = tables.backup_copy
    with engine.store.read() as connection:
        rows = connection.execute(
            select(*_COLUMNS).where(table.c.run == run_id).order_by(table.c.repository)
        ).all()
    return tuple(RunCopy(*row) for row in rows)


def of_plan(
    engine: BackupEngine, plan_name: str, limit: int, repository: str | None = None
) -> tuple[RunCopy, ...]:
    """The newest copies of a plan, in one repository or in all of them, newest first."""
    table = tables.backup_copy
    asked = select(*_COLUMNS).where(table.c.plan == plan_name)
    if repository is not None:
        asked = asked.where(table.c.repository == repository)
    with engine.store.read() as connection:
        rows = connection.execute(
            asked.order_by(table.c.started_at.desc(), table.c.run, table.c.repository).limit(limit)
        ).all()
    return tuple(RunCopy(*row) for row in rows)


def snapshots(engine: BackupEngine, plan_name: str, repository: str) -> tuple[Snapshot, ...]:
    """What the plan has in one of its repositories, newest last. Raises NotFound."""
    if repository not in engine.repositories_of(plan_name):
        raise NotFound(f"the plan {plan_name} does not save into {repository}")
    opened = engine.repository(repository)
    return engine.restic.snapshots(opened, tags=(f"plan={plan_name}",))


def _way(engine: BackupEngine, wanted: Way, source: Repository, repository: str) -> Way:
    if wanted == "copy" and one_restic_reaches(source, engine.repository(repository)):
        return "copy"
    return "run"


def _copy_over(
    engine: BackupEngine,
    made_by: Run,
    source: Repository,
    repository: str,
    cancel: Cancel,
    *,
    vault: bool,
) -> str:
    plan, tag = made_by.plan, f"run={made_by.id}"
    if vault:
        # Before the rest, as in the first: a copy of which the keys are missing opens nothing.
        beside = engine.opened_repository(made_by.repository + KEYS)
        _bring(engine, plan, tag, beside, repository + KEYS, cancel)
    return _bring(engine, plan, tag, source, repository, cancel)


def _bring(
    engine: BackupEngine, plan: str, tag: str, source: Repository, name: str, cancel: Cancel
) -> str:
    """The snapshot of the run in that repository, copied if it is not there."""
    target = engine.ready_repository(name, like=source)
    tags = (f"plan={plan}",)
    here = engine.restic.snapshots(source, tags=tags)
    wanted = _missing(here, engine.restic.snapshots(target, tags=tags), tag)
    if wanted:
        restic_copies.copy_snapshots(
            engine.restic.command, target, source, [one.id for one in wanted], cancel
        )
    there = [one for one in engine.restic.snapshots(target, tags=tags) if tag in (one.tags or ())]
    own = [one for one in here if tag in (one.tags or ())]
    if not own or not there:
        raise BackupFailed(
            f"the snapshot of this run is not in {target.location} though it was copied; copy again"
        )
    if own[-1].tree != there[-1].tree:
        raise Damaged(f"the copy in {target.location} is not what was saved; keep both, and look")
    return there[-1].id


def _missing(here: Sequence[Snapshot], there: Sequence[Snapshot], tag: str) -> tuple[Snapshot, ...]:
    """What to copy, oldest first: all that is newer than the newest there, and the run's own.

    What is older was copied once, and retention took it there.
    """
    copied = {run_tag for one in there for run_tag in one.tags or () if run_tag.startswith("run=")}
    newest = max((one.time for one in there), default=None)
    return tuple(
        one
        for one in sorted(here, key=lambda one: one.time)
        if not copied & set(one.tags or ())
        and (newest is None or one.time > newest or tag in (one.tags or ()))
    )


def _save_again(engine: BackupEngine, made_by: Run, repository: str, cancel: Cancel) -> str:
    """Save what was staged, which is staged anew if it is not there any more."""
    counts = next(
        (one.snapshot for one in of_run(engine, made_by.id) if one.repository == repository), None
    )
    summary = run.save_into(
        engine,
        made_by,
        repository,
        lambda: engine.ready_repository(repository),
        counts,
        _unseen,
        cancel,
    )
    if summary is not None:
        return summary.snapshot_id
    if counts is None:
        raise Conflict(f"the copy of {made_by.id} in {repository} is made elsewhere")
    return counts


def _begin(engine: BackupEngine, made_by: Run, repository: str, way: Way) -> None:
    table = tables.backup_copy
    engine.mark(tables.backup_run, made_by.id, phase=f"copying to {repository}")
    with engine.store.write() as connection:
        again = connection.execute(
            update(table)
            .where(table.c.run == made_by.id, table.c.repository == repository)
            .values(way=way, state="running", finished_at=None, error=None)
        )
        if not again.rowcount:
            connection.execute(
                insert(table).values(
                    run=made_by.id,
                    repository=repository,
                    plan=made_by.plan,
                    way=way,
                    state="running",
                    started_at=engine.clock.micros(),
                )
            )


def _end(engine: BackupEngine, run_id: str, repository: str, **values: object) -> RunCopy:
    table = tables.backup_copy
    own = (table.c.run == run_id) & (table.c.repository == repository)
    with engine.store.write() as connection:
        connection.execute(
            update(table).where(own).values(finished_at=engine.clock.micros(), **values)
        )
        return RunCopy(*connection.execute(select(*_COLUMNS).where(own)).one())


def _reason(error: BaseException) -> str:
    if isinstance(error, SecvaultError):
        return error.detail.encode("utf-8", "backslashreplace").decode()[:LONGEST_ERROR]
    return f"an unexpected {type(error).__name__}; the log says where"


def _unseen(_progress: Progress) -> None:
    """The run's phase says that a copy is being made."""


_COLUMNS = [tables.backup_copy.c[name] for name in RunCopy.__dataclass_fields__]

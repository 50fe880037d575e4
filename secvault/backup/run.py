"""A backup run: stage a consistent copy, save it with restic, keep what retention says.

Each step can be done again after a kill without harm, so a durable workflow may repeat it. What
counts is the snapshot whose id the run's row has: it is written after restic has read everything.
The data keys are staged and saved apart from all else (`keys_apart`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, update

from secvault.backup import (
    arbiter,
    keys_apart,
    known_repositories,
    leftovers,
    manifest,
    numbers,
    retaining,
    saving,
    staging,
)
from secvault.backup.claims import PROGRESS
from secvault.backup.engine import BackupEngine
from secvault.backup.progress import Meter
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import (
    ParentMissing,
    RepositoryDamaged,
    RepositoryMissing,
    SourceUnreadable,
)
from secvault.backup.restic import BackupSummary, Cancel, Progress, Restic, Snapshot
from secvault.backup.retaining import Retained
from secvault.backup.sources.source import leads_nowhere_else
from secvault.backup.steps import attempts
from secvault.backup.withdrawal import withdraw
from secvault.config import PlanSettings
from secvault.errors import Conflict, Damaged, NotFound
from secvault.store import tables

OnProgress = Callable[[Progress], None]
OWN_TAG = "secvault"


@dataclass(frozen=True)
class Run:
    """A run as stored. Times in micros; snapshot, sizes and error as far as known.

    state: see `claims`. source to seconds_left: how far the phase is; rate in bytes a second.
    cancel_by: who has asked for its end. beat_at: the last sign of life of its process.
    """

    id: str
    plan: str
    repository: str
    state: str
    phase: str
    requested_by: str
    started_at: int
    finished_at: int | None
    data_at: int | None
    audit_size: int | None
    snapshot: str | None
    files: int | None
    bytes: int | None
    bytes_added: int | None
    source: str | None
    bytes_done: int | None
    bytes_expected: int | None
    files_done: int | None
    files_expected: int | None
    rate: int | None
    seconds_left: int | None
    cancel_by: str | None
    beat_at: int
    error: str | None


def begin(engine: BackupEngine, plan_name: str, run_id: str, requested_by: str) -> Run:
    """Claim the plan for this run; the same id again resumes it.

    Raises PlanBusy, NotFound, and Cancelled where the end of this run was asked for.
    """
    plan = engine.plan(plan_name)
    engine.claim(
        tables.backup_run,
        plan_name,
        run_id,
        repository=plan.repository,
        requested_by=requested_by,
        started_at=engine.clock.micros(),
    )
    return read_run(engine, run_id)


def stage(engine: BackupEngine, run_id: str, cancel: Cancel) -> None:
    """Copy what the plan saves, with its manifest. Raises what `staging.stage` raises."""
    run = read_run(engine, run_id)
    head = staging.stage(engine, engine.plan(run.plan), run.plan, run_id, cancel)
    # Once there is a snapshot, the row tells of that: what is staged anew is for a copy.
    if run.snapshot is None:
        engine.mark(tables.backup_run, run_id, data_at=head.data_at, audit_size=head.audit_size)


def save(engine: BackupEngine, run_id: str, on_progress: OnProgress, cancel: Cancel) -> None:
    """Save the staged copy and the plan's folders; the snapshot that the row has already counts.

    Raises what `Restic.backup` and `stage` raise; no snapshot counts then.
    """
    run = read_run(engine, run_id)
    repository = engine.plan(run.plan).repository
    engine.mark(tables.backup_run, run_id, phase="opening the repository")
    staged = engine.scratch / staging.staging(run.plan)
    with numbers.Looking(engine, engine.plan(run.plan), staged) as looking:
        summary = save_into(
            engine,
            run,
            repository,
            lambda: engine.ready_repository(repository),
            run.snapshot,
            on_progress,
            cancel,
            looking.start,
        )
        if summary is not None:
            # Before the row has the snapshot: what is saved again after a kill is counted again.
            looking.keep(run_id, summary)
            head = manifest.read(staged / manifest.NAME)
    if summary is not None:
        engine.mark(
            tables.backup_run,
            run_id,
            # Where it is, though the plan was changed meanwhile; and what is in it.
            repository=repository,
            data_at=head.data_at,
            audit_size=head.audit_size,
            snapshot=summary.snapshot_id,
            files=summary.files_total,
            bytes=summary.bytes_total,
            bytes_added=summary.bytes_added,
        )
        leftovers.withdraw(engine, repository, run.plan)


def save_into(
    engine: BackupEngine,
    run: Run,
    name: str,
    opened: Callable[[], Repository],
    snapshot: str | None,
    on_progress: OnProgress,
    cancel: Cancel,
    on_listed: Callable[[], None] = lambda: None,
) -> BackupSummary | None:
    """Save the run into this repository; None when the snapshot that it has there is there still.

    name: of the repository. opened: opens it, while what is to be saved is listed. snapshot: the
    one that counts already. on_listed: called when all that is saved stands in the manifest, before
    restic reads it. Raises what `Restic.backup` and `stage` raise.
    """
    plan = engine.plan(run.plan)
    if snapshot is not None and snapshot in _made(engine, opened(), run.id):
        return None
    if not staging.is_staged(engine, plan, run.plan, run.id):
        stage(engine, run.id, cancel)
    is_listed, turn = False, threading.Lock()

    def listed() -> None:
        nonlocal is_listed
        with turn:
            is_listed = True
            engine.mark(tables.backup_run, run.id, phase="saving")
        on_listed()

    with saving.listing(engine, plan, run.plan, cancel, listed) as wanted:
        repository = opened()
        # Asking restic takes it another key: the rows say the same of a run that was not begun yet.
        followed = _parent_by_rows(engine, run, name)
        parent = followed or _parent_by_restic(engine, run, name, repository)
        if plan.vault:
            # Before the rest: a backup of which the keys are missing opens nothing.
            engine.mark(tables.backup_run, run.id, phase="saving the data keys")
            keys_apart.save(engine, run.plan, run.id, cancel, name)
        with turn:
            phase = "saving" if is_listed else "hashing files"
            engine.mark(tables.backup_run, run.id, phase=phase)

        def saved(following: str | None) -> BackupSummary:
            return engine.restic.backup(
                repository,
                wanted.paths,
                host=engine.host,
                tags=(OWN_TAG, f"plan={run.plan}", f"run={run.id}", *plan.tags),
                excludes=wanted.excludes,
                awaited=wanted.found_out,
                parent=following,
                on_progress=Meter(engine, tables.backup_run, run.id, on_progress),
                cancel=cancel,
            )

        try:
            try:
                return saved(parent)
            except (ParentMissing, RepositoryMissing, RepositoryDamaged):
                if followed is None:
                    raise
                # Removed by somebody, or damaged; what is there by now, and whether it is ours,
                # counts.
                return saved(_parent_by_restic(engine, run, name, repository))
        except SourceUnreadable as error:
            made = error.snapshot_id
            if made is not None and not withdraw(engine, repository, [made]):
                error.detail += (
                    f" (the storage keeps the incomplete snapshot {made[:8]}; "
                    "do not restore from it)"
                )
            raise


def _parent_by_rows(engine: BackupEngine, run: Run, name: str) -> str | None:
    """The newest snapshot of the plan that counts, in the repository of that name.

    None where only the repository can tell: for a first run, for one that is done again, which may
    have made a snapshot that nobody knows of, and for copies.
    """
    table = tables.backup_run
    newest = (
        select(table.c.snapshot)
        .where(
            table.c.plan == run.plan,
            table.c.repository == name,
            table.c.id != run.id,
            table.c.snapshot.is_not(None),
        )
        .order_by(table.c.started_at.desc())
        .limit(1)
    )
    with engine.store.read() as connection:
        if name != run.repository or attempts(connection, run.id, "save") != 1:
            return None
        return connection.execute(newest).scalar_one_or_none()


def _parent_by_restic(
    engine: BackupEngine, run: Run, name: str, repository: Repository
) -> str | None:
    """The plan's newest snapshot that can be read; those that this run made before are withdrawn.

    Raises RepositoryGone, and what `Restic.snapshots` raises.
    """
    # One that is damaged must not keep what is new from being saved; retention tells of it.
    there = known_repositories.listed(engine.store, engine.restic, name, repository, run.plan)
    made = [one.id for one in there if f"run={run.id}" in (one.tags or ())]
    # Made by a process that was killed before it knew whether everything was read.
    withdraw(engine, repository, made)
    return next((one.id for one in reversed(there) if one.id not in made), None)


def _made(engine: BackupEngine, repository: Repository, run_id: str) -> list[str]:
    found = engine.restic.snapshots(repository, tags=(f"run={run_id}",), skip_damaged=True)
    return [one.id for one in found]


def retain(engine: BackupEngine, run_id: str, cancel: Cancel) -> Retained:
    """Forget the plan's snapshots that retention no longer keeps, and data keys of long ago."""
    run = read_run(engine, run_id)
    engine.mark(tables.backup_run, run_id, phase="applying retention")
    return retaining.retain(engine, run.plan, cancel, run_id)


def finish(engine: BackupEngine, connection: Connection, run_id: str) -> Run:
    """Call the run done, in the caller's transaction. Raises Conflict when it was given up."""
    table = tables.backup_run
    now = engine.clock.micros()
    ended = connection.execute(
        update(table)
        .where(table.c.id == run_id, table.c.state == "running", table.c.node == engine.node)
        .values(
            state="done",
            phase="done",
            finished_at=now,
            beat_at=now,
            **dict.fromkeys(PROGRESS),
        )
    )
    if ended.rowcount != 1:
        raise Conflict(f"the run {run_id} was given up for dead, or ended elsewhere")
    return Run(*connection.execute(select(*_COLUMNS).where(table.c.id == run_id)).one())


def read_run(engine: BackupEngine, run_id: str) -> Run:
    """A stored run. Raises NotFound."""
    found = find_run(engine, run_id)
    if found is None:
        raise NotFound(f"there is no backup run {run_id}")
    return found


def find_run(engine: BackupEngine, run_id: str) -> Run | None:
    """A stored run, or None."""
    with engine.store.read() as connection:
        return run_in(connection, run_id)


def run_in(connection: Connection, run_id: str) -> Run | None:
    """The same, in the caller's transaction."""
    table = tables.backup_run
    row = connection.execute(select(*_COLUMNS).where(table.c.id == run_id)).one_or_none()
    return Run(*row) if row else None


def newest_runs(
    engine: BackupEngine, limit: int, *, plan: str | None = None, state: str | None = None
) -> tuple[Run, ...]:
    """The newest runs, newest first: of all plans and in all states, unless one is named."""
    table = tables.backup_run
    asked = [
        column == value
        for column, value in ((table.c.plan, plan), (table.c.state, state))
        if value is not None
    ]
    newest_first = select(*_COLUMNS).order_by(table.c.started_at.desc(), table.c.id)
    with engine.store.read() as connection:
        rows = connection.execute(newest_first.where(*asked).limit(limit)).all()
    return tuple(Run(*row) for row in rows)


def snapshots(engine: BackupEngine, plan_name: str) -> tuple[Snapshot, ...]:
    """The plan's snapshots in its repository, newest last."""
    plan = engine.plan(plan_name)
    repository = engine.opened_repository(plan.repository)
    return engine.restic.snapshots(repository, tags=(f"plan={plan_name}",))


def newest_snapshot(engine: BackupEngine, plan_name: str) -> Snapshot:
    """The plan's newest snapshot. Raises NotFound."""
    found = snapshots(engine, plan_name)
    if not found:
        raise NotFound(f"{plan_name} has no snapshot yet: run `secvault backup run {plan_name}`")
    return found[-1]


def snapshot(engine: BackupEngine, plan_name: str, snapshot_id: str) -> Snapshot:
    """One of the plan's snapshots by its id or the beginning of it. Raises NotFound."""
    found = [one for one in snapshots(engine, plan_name) if one.id.startswith(snapshot_id)]
    if len(found) != 1 or not snapshot_id:
        raise NotFound(f"{plan_name} has {len(found)} snapshots whose id begins with {snapshot_id}")
    return found[0]


def staged_in(folder: Path, saved: Snapshot, plan_name: str) -> Path:
    """Where the copy of secvault lies in a restored tree: under its full path of then."""
    for path in filter(leads_nowhere_else, saved.paths or ()):
        if Path(path).name == staging.staging(plan_name):
            return folder / path.lstrip("/")
    raise Damaged("the snapshot holds no copy of secvault; it was not made by a backup run")


def compare_restored(
    engine: BackupEngine, plan_name: str, saved: Snapshot, folder: Path
) -> manifest.Comparison:
    """Hash every restored file against the manifest that was saved with it. Raises Damaged."""
    staged = staged_in(folder, saved, plan_name)
    was_at = Path("/") / staged.relative_to(folder)
    head = manifest.read(staged / manifest.NAME)
    if head.plan != plan_name:
        raise Damaged(f"the manifest in the snapshot is of the plan {head.plan!r}")
    compared = manifest.compare(manifest.entries(head, staged), folder, settled=was_at)
    repository = engine.plan(plan_name).repository
    return judged(engine, head, compared, repository, saved.id, was_at)


def judged(
    engine: BackupEngine,
    head: manifest.Manifest,
    compared: manifest.Comparison,
    repository: str,
    snapshot_id: str,
    was_at: Path,
) -> manifest.Comparison:
    """A comparison without what the snapshot does not hold on purpose, or as it was by then.

    was_at: where the staged copy lay, of which nothing has an excuse.
    """
    if compared.whole:
        return compared
    plan, opened = engine.plan(head.plan), engine.repository(repository)
    return judged_in(engine.restic, plan, opened, head, compared, snapshot_id, was_at)


def judged_in(
    restic: Restic,
    plan: PlanSettings,
    repository: Repository,
    head: manifest.Manifest,
    compared: manifest.Comparison,
    snapshot_id: str,
    was_at: Path,
) -> manifest.Comparison:
    """The same, of a repository at hand."""
    doubtful = compared.absent or compared.altered
    if not doubtful:
        return compared
    if head.format == manifest.FIRST_FORMAT and not plan.excludes:
        return compared
    saved_as = restic.ls(repository, snapshot_id)
    if head.format == manifest.FIRST_FORMAT:
        # It lists what the plan's excludes left out, too.
        kept = {entry.path for entry in saved_as}
        own = f"{was_at}{os.sep}"
        return compared.without_missing(lambda path: path not in kept and not path.startswith(own))
    return arbiter.judged(compared, saved_as, settled=was_at)


_COLUMNS = [tables.backup_run.c[name] for name in Run.__dataclass_fields__]

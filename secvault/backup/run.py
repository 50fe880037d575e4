"""A backup run: stage a consistent copy, save it with restic, keep what retention says.

Each step can be done again after a kill without harm, so a durable workflow may repeat it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select, update

from secvault.backup import manifest
from secvault.backup.database import copy_database
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel, ForgetReport, Progress, Retention, Snapshot
from secvault.errors import BackupFailed, Conflict, Damaged, NotFound, SecvaultError
from secvault.store import tables

OnProgress = Callable[[Progress], None]
OWN_TAG = "secvault"


@dataclass(frozen=True)
class Run:
    """A run as stored. Times in micros; snapshot, sizes and error as far as known."""

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
    error: str | None


def begin(engine: BackupEngine, plan_name: str, run_id: str, requested_by: str) -> Run:
    """Claim the plan for this run; the same id again resumes it. Raises Conflict, NotFound."""
    plan = engine.plan(plan_name)
    engine.release_silent(tables.backup_run, plan_name)
    present = find_run(engine, run_id)
    now = engine.clock.micros()
    if present is None:
        try:
            with engine.store.write() as connection:
                connection.execute(
                    insert(tables.backup_run).values(
                        id=run_id,
                        plan=plan_name,
                        repository=plan.repository,
                        state="running",
                        phase="begun",
                        requested_by=requested_by,
                        started_at=now,
                        node=engine.node,
                        beat_at=now,
                    )
                )
        except Conflict:
            raise Conflict(f"a backup of {plan_name} is running already; wait for it") from None
    elif present.state == "failed":
        engine.mark(tables.backup_run, run_id, state="running", error=None, finished_at=None)
    return read_run(engine, run_id)


def stage(engine: BackupEngine, run_id: str) -> None:
    """Copy the database and our own files as of one moment, and write the manifest of it all."""
    run = read_run(engine, run_id)
    plan = engine.plan(run.plan)
    engine.mark(tables.backup_run, run_id, phase="copying the database")
    try:
        folder = engine.fresh_folder(staging(run.plan))
        data_at = engine.clock.micros()
        copy = copy_database(engine.store, folder, engine.postgresql)
        for own in engine.own_folders:
            shutil.copytree(own, folder / own.name, symlinks=True)
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(
            f"the copy to save cannot be made in {engine.scratch}: {error}"
        ) from None
    engine.mark(tables.backup_run, run_id, phase="hashing files")
    files: list[manifest.FileEntry] = []
    unreadable: list[str] = []
    for found in manifest.entries((folder, *map(Path.absolute, plan.folders))):
        if isinstance(found, OSError):
            unreadable.append(f"{found.filename}: {found.strerror}")
        else:
            files.append(found)
    if unreadable:
        raise BackupFailed(f"{len(unreadable)} files cannot be read, first {unreadable[0]}")
    manifest.write(
        manifest.Manifest(
            format=manifest.FORMAT,
            run=run.id,
            plan=run.plan,
            data_at=data_at,
            audit_size=copy.audit_size,
            database=copy.dialect,
            files=tuple(files),
        ),
        folder / manifest.NAME,
    )
    engine.mark(tables.backup_run, run_id, data_at=data_at, audit_size=copy.audit_size)


def save(engine: BackupEngine, run_id: str, on_progress: OnProgress, cancel: Cancel) -> None:
    """Save the staged copy and the plan's folders; a snapshot that this run made before counts."""
    run = read_run(engine, run_id)
    plan = engine.plan(run.plan)
    engine.mark(tables.backup_run, run_id, phase="opening the repository")
    repository = engine.ready_repository(plan.repository)
    made = engine.restic.snapshots(repository, tags=(f"run={run.id}",))
    if made:
        engine.mark(tables.backup_run, run_id, snapshot=made[-1].id)
        return
    staged = engine.scratch / staging(run.plan)
    if not _holds_copy_of(staged, run_id):
        stage(engine, run_id)
    engine.mark(tables.backup_run, run_id, phase="saving")
    summary = engine.restic.backup(
        repository,
        (staged, *map(Path.absolute, plan.folders)),
        host=engine.host,
        tags=(OWN_TAG, f"plan={run.plan}", f"run={run.id}"),
        excludes=plan.excludes,
        on_progress=on_progress,
        cancel=cancel,
    )
    engine.mark(
        tables.backup_run,
        run_id,
        snapshot=summary.snapshot_id,
        files=summary.files_total,
        bytes=summary.bytes_total,
        bytes_added=summary.bytes_added,
    )


def _holds_copy_of(staged: Path, run_id: str) -> bool:
    # Another node may have staged it, or another run have wiped it, before this process came.
    try:
        return manifest.read(staged / manifest.NAME).run == run_id
    except Damaged:
        return False


def retain(engine: BackupEngine, run_id: str) -> ForgetReport:
    """Forget the plan's snapshots that retention no longer keeps."""
    run = read_run(engine, run_id)
    plan = engine.plan(run.plan)
    engine.mark(tables.backup_run, run_id, phase="applying retention")
    retention = Retention(
        last=plan.keep_last,
        daily=plan.keep_daily,
        weekly=plan.keep_weekly,
        monthly=plan.keep_monthly,
        yearly=plan.keep_yearly,
    )
    repository = engine.ready_repository(plan.repository)
    return engine.restic.forget(repository, retention, tags=(f"plan={run.plan}",), prune=True)


def finish(engine: BackupEngine, run_id: str) -> Run:
    """Put the staged copy away and call the run done."""
    run = read_run(engine, run_id)
    shutil.rmtree(engine.scratch / staging(run.plan), ignore_errors=True)
    if run.state == "running":
        engine.mark(
            tables.backup_run,
            run_id,
            state="done",
            phase="done",
            finished_at=engine.clock.micros(),
        )
    return read_run(engine, run_id)


def fail(engine: BackupEngine, run_id: str, error: SecvaultError) -> None:
    """Call the run failed, for the reason given."""
    with engine.store.write() as connection:
        connection.execute(
            update(tables.backup_run)
            .where(tables.backup_run.c.id == run_id, tables.backup_run.c.state == "running")
            .values(state="failed", finished_at=engine.clock.micros(), error=error.detail[:1000])
        )


def run_backup(
    engine: BackupEngine,
    plan_name: str,
    run_id: str,
    *,
    requested_by: str,
    on_progress: OnProgress,
    cancel: Cancel,
) -> tuple[Run, ForgetReport]:
    """All steps in this process, one after the other. Raises what the failing step raised."""
    begin(engine, plan_name, run_id, requested_by)
    try:
        with engine.beating(tables.backup_run, run_id):
            stage(engine, run_id)
            save(engine, run_id, on_progress, cancel)
            report = retain(engine, run_id)
    except SecvaultError as error:
        fail(engine, run_id, error)
        raise
    return finish(engine, run_id), report


def read_run(engine: BackupEngine, run_id: str) -> Run:
    """A stored run. Raises NotFound."""
    found = find_run(engine, run_id)
    if found is None:
        raise NotFound(f"there is no backup run {run_id}")
    return found


def find_run(engine: BackupEngine, run_id: str) -> Run | None:
    """A stored run, or None."""
    table = tables.backup_run
    with engine.store.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(table.c.id == run_id)).one_or_none()
    return Run(*row) if row else None


def newest_runs(engine: BackupEngine, limit: int) -> tuple[Run, ...]:
    """The newest runs of all plans, newest first."""
    table = tables.backup_run
    with engine.store.read() as connection:
        rows = connection.execute(
            select(*_COLUMNS).order_by(table.c.started_at.desc(), table.c.id).limit(limit)
        ).all()
    return tuple(Run(*row) for row in rows)


def snapshots(engine: BackupEngine, plan_name: str) -> tuple[Snapshot, ...]:
    """The plan's snapshots in its repository, newest last."""
    plan = engine.plan(plan_name)
    repository = engine.repository(plan.repository)
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
    for path in saved.paths or ():
        if Path(path).name == staging(plan_name):
            return folder / path.lstrip("/")
    raise Damaged("the snapshot holds no copy of secvault; it was not made by a backup run")


def compare_restored(
    engine: BackupEngine, plan_name: str, saved: Snapshot, folder: Path
) -> manifest.Comparison:
    """Hash every restored file against the manifest that was saved with it. Raises Damaged."""
    listed = manifest.read(staged_in(folder, saved, plan_name) / manifest.NAME)
    compared = manifest.compare(listed, folder)
    plan = engine.plan(plan_name)
    if plan.excludes and compared.missing:
        repository = engine.repository(plan.repository)
        kept = {entry.path for entry in engine.restic.ls(repository, saved.id)}
        return compared.without_missing(lambda path: path not in kept)
    return compared


def staging(plan_name: str) -> str:
    """The name of the folder in the scratch space that the plan's copy is made in."""
    # The same folder each time: restic finds the snapshot before by its paths, and reads less.
    return f"staging-{plan_name}"


_COLUMNS = [tables.backup_run.c[name] for name in Run.__dataclass_fields__]

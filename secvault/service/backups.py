"""Operations on backups: run, list, restore, request."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import uuid_utils
from sqlalchemy import Connection

from secvault.backup import holes, in_order, key_file, keys_apart, manifest, run
from secvault.backup.engine import in_words
from secvault.backup.restic import Cancel, RestoreSummary, Snapshot
from secvault.backup.restored_copy import require_plain
from secvault.backup.retaining import Retained
from secvault.backup.run import OnProgress, Run
from secvault.backup.staging import NO_DATABASE
from secvault.errors import BackupFailed, Damaged, InvalidInput
from secvault.jobs import queue
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class Restored:
    """What a restore brought back, and how it compares with the manifest of the backup.

    target: where the staged copy lies. has_vault: whether secvault itself is in it.
    key_files: the data keys to join the copy with, which knows every erasure until now by them;
    none for a copy of before data keys were kept apart, which has its own.
    """

    snapshot: Snapshot
    target: Path
    summary: RestoreSummary
    comparison: manifest.Comparison
    key_files: tuple[Path, ...]
    has_vault: bool = True


def run_backup(
    service: Service,
    caller: Caller,
    plan: str,
    on_progress: OnProgress,
    cancel: Cancel,
) -> tuple[Run, Retained]:
    """Take a backup now, in this process."""
    service.backups.plan(plan)
    run_id = uuid_utils.uuid7().hex

    def act() -> Outcome[tuple[Run, Retained]]:
        done, report = in_order.run_backup(
            service.backups,
            plan,
            run_id,
            requested_by=caller.principal.subject,
            on_progress=on_progress,
            cancel=cancel,
        )
        return Outcome((done, report), detail=run_detail(done))

    return service.spine.work(caller, _operation("backup.run", plan), act)


def request_backup(service: Service, caller: Caller, plan: str) -> str:
    """Ask the worker for a backup; the id of the job, which is the id of the run."""
    service.backups.plan(plan)

    def act(connection: Connection) -> Outcome[str]:
        job = queue.request(
            connection,
            kind="backup",
            plan=plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
        )
        # The outcome of the work itself is another entry, by whoever does it.
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation("backup.run", plan), act)


def list_runs(service: Service, caller: Caller, limit: int) -> tuple[Run, ...]:
    """The newest runs of all plans, newest first."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    return service.spine.read(
        caller,
        _operation("backup.read", "*"),
        lambda _: Outcome(run.newest_runs(service.backups, limit)),
    )


def restore(
    service: Service,
    caller: Caller,
    plan: str,
    snapshot_id: str | None,
    target: Path,
    on_progress: OnProgress,
    cancel: Cancel | None = None,
) -> Restored:
    """Restore a snapshot (the newest when None) into an empty folder, check every file, and lay the
    data keys beside it.

    Raises InvalidInput when the folder cannot be used or holds something, NotFound, Damaged.
    """
    service.backups.plan(plan)
    _require_usable(target)

    def act() -> Outcome[Restored]:
        engine = service.backups
        chosen = (
            run.newest_snapshot(engine, plan)
            if snapshot_id is None
            else run.snapshot(engine, plan, snapshot_id)
        )
        repository = engine.opened_repository(engine.plan(plan).repository)
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise InvalidInput.at("target", f"cannot be made: {in_words(error)}") from None
        summary = engine.restic.restore(
            repository,
            chosen.id,
            target,
            verify=True,
            on_progress=on_progress,
            cancel=cancel or threading.Event(),
        )
        staged = run.staged_in(target, chosen, plan)
        require_plain(target, staged)
        head = manifest.read(staged / manifest.NAME)
        try:
            holes.dig(manifest.entries(head, staged), target, engine.environment)
            comparison = run.compare_restored(engine, plan, chosen, target)
        except OSError as error:
            raise BackupFailed(f"what was restored cannot be read: {in_words(error)}") from None
        if not comparison.whole:
            raise Damaged(
                f"the restored files are not what was backed up, first {comparison.first_fault}"
            )
        key_files = _key_files(service, plan, staged, cancel or threading.Event())
        detail: dict[str, str | int | bool] = {
            "plan": plan,
            "snapshot": chosen.id,
            "files": summary.files,
        }
        has_vault = manifest.read(staged / manifest.NAME).database != NO_DATABASE
        found = Restored(chosen, staged, summary, comparison, key_files, has_vault)
        return Outcome(found, detail=detail)

    return service.spine.work(caller, _operation("backup.restore", plan), act)


def _key_files(service: Service, plan: str, staged: Path, cancel: Cancel) -> tuple[Path, ...]:
    """The data keys of their repository, and of this vault, with what it erased until now."""
    engine, made_by = service.backups, manifest.read(staged / manifest.NAME)
    if not made_by.keys_apart:
        return ()
    folder = staged / keys_apart.FOLDER
    files = keys_apart.fetch(engine, plan, made_by.run, folder, cancel)
    present = folder / "present.jsonl"
    head = key_file.Head(service.keyring.vault_id, "", plan, service.clock.micros())
    with service.store.read() as connection:
        key_file.write(connection, service.keyring, engine.keys_key, head, present, service.random)
    return (*files, present)


def run_detail(done: Run) -> dict[str, str | int | bool]:
    """What the audit entry says of a finished run."""
    detail: dict[str, str | int | bool] = {
        "plan": done.plan,
        "repository": done.repository,
        "run": done.id,
    }
    if done.snapshot:
        detail["snapshot"] = done.snapshot
    if done.bytes is not None:
        detail["bytes"] = done.bytes
    if done.files is not None:
        detail["files"] = done.files
    return detail


def _require_usable(target: Path) -> None:
    if not target.is_absolute():
        raise InvalidInput.at("target", "must be an absolute path")
    try:
        occupied = any(target.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInput.at("target", f"cannot be used: {in_words(error)}") from None
    if occupied:
        raise InvalidInput.at("target", f"{target} is not empty; name a new or an empty folder")


def _operation(action: str, plan: str) -> Operation:
    return Operation(action, "it", plan, f"it/backups/{plan}")

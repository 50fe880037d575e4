"""Data keys in a repository of their own, from which old snapshots go soon.

A backup of the database keeps what is sealed; without the data keys it opens nothing of a record.
They are saved beside it, each time before it, into a repository of its own, whose snapshots are
forgotten and pruned after `backup.keys_days` days, whatever the plan's retention says. So whoever
is erased today is lost in every backup, however old, with the first run after that time.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from secvault.backup import ahead, key_file, known_repositories
from secvault.backup.bucket import HeldByLock
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import KEYS, Repository
from secvault.backup.restic import (
    Cancel,
    ForgetReport,
    Progress,
    Restic,
    Retention,
    Snapshot,
)
from secvault.backup.withdrawal import withdraw
from secvault.errors import Damaged, NotFound

TAG = "secvault-data-keys"
FOLDER = "data-keys"
"""Where a restore puts the files of data keys, beside the copy of the database."""


def staging(plan_name: str) -> str:
    """The name of the folder in the scratch space that the plan's data keys are staged in."""
    return f"{FOLDER}-{plan_name}"


def staged_file(engine: BackupEngine, plan_name: str) -> Path:
    """Where the plan's data keys are staged."""
    return engine.scratch / staging(plan_name) / key_file.NAME


def stage(
    engine: BackupEngine, connection: Connection, plan_name: str, run_id: str, taken_at: int
) -> None:
    """Write the data keys of the state that the connection sees. Raises Damaged, BackupFailed."""
    engine.fresh_folder(staging(plan_name))
    keyring = engine.keyring
    head = key_file.Head(keyring.vault_id, run_id, plan_name, taken_at)
    key_file.write(
        connection,
        keyring,
        engine.keys_key,
        head,
        staged_file(engine, plan_name),
        engine.random,
    )


def is_staged(engine: BackupEngine, plan_name: str, run_id: str) -> bool:
    """Whether what is staged is of this run."""
    try:
        return key_file.head_of(staged_file(engine, plan_name)).run == run_id
    except Damaged:
        return False


def save(
    engine: BackupEngine, plan_name: str, run_id: str, cancel: Cancel, beside: str | None = None
) -> None:
    """Save what is staged. Raises what `Restic.backup` raises; the run does not count then.

    beside: the repository whose data keys they become; the plan's first if None.
    """
    name = _repository(engine, plan_name, beside)
    repository = engine.ready_repository(name)
    # Of a process that was killed, and staged the database anew afterwards.
    there = known_repositories.listed(engine.store, engine.restic, name, repository, plan_name)
    withdraw(engine, repository, [one.id for one in there if f"run={run_id}" in (one.tags or ())])
    engine.restic.backup(
        repository,
        (engine.scratch / staging(plan_name),),
        host=engine.host,
        tags=(TAG, f"plan={plan_name}", f"run={run_id}"),
        on_progress=_unseen,
        cancel=cancel,
    )


def retain(
    engine: BackupEngine, plan_name: str, beside: str | None = None, newest: str = ""
) -> tuple[ForgetReport, HeldByLock | None]:
    """Forget and prune the data keys that are older than the days stated; the newest stay.

    newest: the run that has them; see `retaining.retain`.
    """
    name = _repository(engine, plan_name, beside)
    repository = engine.opened_repository(name).pruner()
    days = engine.keys_days
    retention = Retention(last=1)
    retention = retention.and_run(newest)
    tags = (f"plan={plan_name}",)
    if days:
        ahead.require_none(engine.restic, repository, *tags)
        retention = replace(retention, within=f"{days}d")
    report = engine.restic.forget(repository, retention, tags=tags, prune=True, leave_nothing=True)
    return report, engine.held_by_lock(name)


def snapshots(
    engine: BackupEngine, plan_name: str, beside: str | None = None
) -> tuple[Snapshot, ...]:
    """The plan's data keys in their repository, newest last."""
    repository = engine.repository(_repository(engine, plan_name, beside))
    return engine.restic.snapshots(repository, tags=(TAG, f"plan={plan_name}"))


def fetch(
    engine: BackupEngine,
    plan_name: str,
    run_id: str,
    target: Path,
    cancel: Cancel,
    beside: str | None = None,
) -> tuple[Path, ...]:
    """Bring the newest data keys into `target`, and before them those of this run, if still there.

    run_id: whose copy of the database is restored. beside: the repository whose data keys are
    taken; the plan's first if None. Those of the run alone know keys of records that
    were deleted since. Raises NotFound when there are none, Damaged.
    """
    found = snapshots(engine, plan_name, beside)
    if not found:
        raise NotFound(f"there are no data keys of {plan_name}; what is sealed cannot be opened")
    repository = engine.opened_repository(_repository(engine, plan_name, beside))
    return bring(engine.restic, repository, found, run_id, target, cancel)


def bring(
    restic: Restic,
    repository: Repository,
    found: Sequence[Snapshot],
    run_id: str,
    target: Path,
    cancel: Cancel,
    *,
    locked: bool = True,
) -> tuple[Path, ...]:
    """The same from a repository that is open. found: its data keys of the plan, newest last.

    locked: see `Restic.restore`. Raises Damaged.
    """
    own = [one for one in found if f"run={run_id}" in (one.tags or ())]
    wanted = {one.id: one for one in (*own, found[-1])}
    brought = []
    target.mkdir(mode=0o700, exist_ok=True)
    for number, one in enumerate(wanted.values()):
        place = target / f".{number}"
        restic.restore(
            repository,
            one.id,
            place,
            verify=True,
            on_progress=_unseen,
            cancel=cancel,
            locked=locked,
        )
        restored = [path for path in place.rglob(key_file.NAME) if path.is_file()]
        if len(restored) != 1:
            raise Damaged(f"the snapshot {one.id[:8]} holds no data keys")
        file = target / f"{one.id[:16]}.jsonl"
        restored[0].replace(file)
        shutil.rmtree(place)
        brought.append(file)
    return tuple(brought)


def _repository(engine: BackupEngine, plan_name: str, beside: str | None = None) -> str:
    return (beside or engine.plan(plan_name).repository) + KEYS


def _unseen(_progress: Progress) -> None:
    """It is small beside the database; what is shown is how far that is."""

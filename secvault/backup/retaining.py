"""What stays in each repository of a plan, and what a bucket's Object Lock says to it.

Deleting is done with the credentials of the role that prunes, where there is one. Each repository
has its turn, whatever becomes of the others; the first failure is raised at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.backup import ahead, keys_apart
from secvault.backup.bucket import HeldByLock
from secvault.backup.engine import BackupEngine
from secvault.backup.lock_extension import Extended, extend_locks
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.restic import Cancel, ForgetReport, Retention
from secvault.config import PlanSettings
from secvault.errors import Cancelled, SecvaultError


@dataclass(frozen=True)
class Retained:
    """What retention came to. held: what a bucket's Object Lock keeps of what was forgotten.

    keys, keys_held: the same of the data keys, which go sooner; None without secvault itself.
    extended: what was locked for longer, in a bucket with Object Lock, when that was due.
    copies: the same of each further repository.
    """

    forgotten: ForgetReport
    held: HeldByLock | None
    keys: ForgetReport | None
    keys_held: HeldByLock | None
    extended: Extended | None = None
    copies: Mapping[str, Retained] = field(default_factory=dict)


def retain(engine: BackupEngine, plan_name: str, cancel: Cancel) -> Retained:
    """Forget the plan's snapshots that retention no longer keeps, and data keys of long ago.

    Raises what `Restic.forget` raises, when all repositories had their turn.
    """
    plan = engine.plan(plan_name)
    done: dict[str, Retained] = {}
    failed: SecvaultError | None = None
    for name in (plan.repository, *plan.copies):
        try:
            done[name] = _retain_in(engine, plan, plan_name, name, cancel)
        except RepositoryMissing as error:
            # A copy that was never made has nothing to forget; its own step says why.
            if name == plan.repository:
                failed = failed or error
        except Cancelled:
            raise
        except SecvaultError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    first = done.pop(plan.repository)
    return Retained(
        first.forgotten, first.held, first.keys, first.keys_held, first.extended, copies=done
    )


def retention_of(plan: PlanSettings) -> Retention:
    """The plan's rules."""
    return Retention(
        last=plan.keep_last,
        hourly=plan.keep_hourly,
        daily=plan.keep_daily,
        weekly=plan.keep_weekly,
        monthly=plan.keep_monthly,
        yearly=plan.keep_yearly,
        within=plan.keep_within,
        tags=plan.keep_tags,
    )


def _retain_in(
    engine: BackupEngine, plan: PlanSettings, plan_name: str, name: str, cancel: Cancel
) -> Retained:
    repository = engine.opened_repository(name).pruner()
    if plan.keep_within:
        ahead.require_none(engine.restic, repository, f"plan={plan_name}")
    forgotten = engine.restic.forget(
        repository, retention_of(plan), tags=(f"plan={plan_name}",), prune=True, cancel=cancel
    )
    held = engine.held_by_lock(name)
    # After forgetting: what is to go is not locked for longer.
    extended = extend_locks(engine, name)
    if not plan.vault:
        return Retained(forgotten, held, None, None, extended)
    return Retained(forgotten, held, *keys_apart.retain(engine, plan_name, name), extended)

"""The steps of a run in their order, for a durable workflow and for a run in one process alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from secvault.backup import around, copies, run, staging
from secvault.backup.claims import TakenOver, reason_of
from secvault.backup.engine import BackupEngine
from secvault.backup.hooks import When
from secvault.backup.restic import Cancel
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.retaining import Retained
from secvault.backup.run import OnProgress, Run
from secvault.backup.steps import step
from secvault.errors import SecvaultError
from secvault.store import tables

_AFTER_FAILURE: tuple[When, ...] = ("failed", "end")
_NEVER = NeverCancelled()

Act = Callable[[BackupEngine, str, OnProgress, Cancel], object]


def _before(engine: BackupEngine, run_id: str, _seen: OnProgress, cancel: Cancel) -> None:
    around.run_hooks(engine, run_id, "before", cancel)


def _stage(engine: BackupEngine, run_id: str, _seen: OnProgress, cancel: Cancel) -> None:
    run.stage(engine, run_id, cancel)


def _copy(engine: BackupEngine, run_id: str, _seen: OnProgress, cancel: Cancel) -> None:
    """Each copy has its turn, whatever becomes of the others; the first failure is raised."""
    failed: SecvaultError | None = None
    for name in engine.plan(run.read_run(engine, run_id).plan).copies:
        try:
            copies.copy(engine, run_id, name, cancel)
        except SecvaultError as error:
            if cancel.is_set():
                raise
            failed = failed or error
    if failed is not None:
        raise failed


def _retain(engine: BackupEngine, run_id: str, _seen: OnProgress, cancel: Cancel) -> Retained:
    return run.retain(engine, run_id, cancel)


def _after(engine: BackupEngine, run_id: str, _seen: OnProgress, cancel: Cancel) -> None:
    around.run_hooks(engine, run_id, "after", cancel)


STEPS: Mapping[str, Act] = MappingProxyType(
    {
        "before": _before,
        "stage": _stage,
        "save": run.save,
        "copy": _copy,
        "retain": _retain,
        "after": _after,
    }
)
"""Between the beginning of a run and its end, in their order."""


def run_backup(
    engine: BackupEngine,
    plan_name: str,
    run_id: str,
    *,
    requested_by: str,
    on_progress: OnProgress,
    cancel: Cancel,
) -> tuple[Run, Retained]:
    """All steps in this process, one after the other. Raises what the failing step raised."""
    limited = engine.for_plan(plan_name)
    try:
        run.begin(engine, plan_name, run_id, requested_by)
        with engine.at_work(tables.backup_run, run_id, "the backup", cancel) as stop:
            results: dict[str, object] = {}
            for name, act in STEPS.items():
                with step(engine, run_id, name):
                    results[name] = act(limited, run_id, on_progress, stop)
            retained = results["retain"]
            assert isinstance(retained, Retained)  # noqa: S101 - what that step returns
            staging.clear_staging(engine, plan_name)
            with step(engine, run_id, "conclude"), engine.store.write() as connection:
                done = run.finish(engine, connection, run_id)
    except BaseException as error:
        failed(engine, plan_name, run_id, error)
        raise
    ended(engine, run_id)
    return done, retained


def ended(engine: BackupEngine, run_id: str) -> None:
    """What is left to do after a run that is done: its hooks for the end. Raises HookFailed."""
    _hooks(engine, run_id, "end", "")


def failed(engine: BackupEngine, plan_name: str, run_id: str, error: BaseException) -> None:
    """End a run that is not tried again: its row, what was staged for it, the hooks for that.

    What goes wrong with these is a note on the error.
    """
    reason = reason_of(error)
    try:
        if not isinstance(error, TakenOver):
            engine.end(tables.backup_run, run_id, "failed", reason)
        # Another run of the plan may have begun since, and stage in the same place.
        if not run.newest_runs(engine, 1, plan=plan_name, state="running"):
            staging.clear_staging(engine, plan_name)
    except SecvaultError as trouble:
        error.add_note(f"{run_id} could not be ended: {trouble.detail}")
    for when in _AFTER_FAILURE:
        try:
            if run.find_run(engine, run_id) is not None and not is_elsewhere(engine, run_id, error):
                _hooks(engine, run_id, when, reason)
        except SecvaultError as trouble:
            error.add_note(f"after the failure of {run_id}: {trouble.detail}")


def is_elsewhere(engine: BackupEngine, run_id: str, error: BaseException) -> bool:
    """Whether another process has this run by now, so that its end is not ours to tell."""
    if not isinstance(error, TakenOver):
        return False
    found = run.find_run(engine, run_id)
    return found is None or found.state != "failed"


def _hooks(engine: BackupEngine, run_id: str, when: When, error: str) -> None:
    plan = engine.plan(run.read_run(engine, run_id).plan)
    if any(hook.when == when for hook in plan.hooks.values()):
        with step(engine, run_id, when):
            around.run_hooks(engine, run_id, when, _NEVER, error)

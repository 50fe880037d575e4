"""What is done around a run: the plan's hooks, with what each is told."""

from __future__ import annotations

from secvault.backup import hooks, run
from secvault.backup.engine import BackupEngine
from secvault.backup.hooks import When
from secvault.backup.restic import Cancel
from secvault.store import tables


def run_hooks(
    engine: BackupEngine, run_id: str, when: When, cancel: Cancel, error: str = ""
) -> None:
    """Run the plan's hooks of that moment. Raises HookFailed, Cancelled."""
    made_by = run.read_run(engine, run_id)
    plan = engine.plan(made_by.plan)
    if not any(hook.when == when for hook in plan.hooks.values()):
        return
    if when in ("before", "after"):
        # The others come when the run has ended.
        engine.mark(tables.backup_run, run_id, phase=f"hooks {when}")
    hooks.run(
        plan,
        when,
        hooks.Occasion(
            plan=made_by.plan,
            run=run_id,
            repository=made_by.repository,
            clock=engine.clock,
            cancel=cancel,
            environment=engine.environment,
            snapshot=made_by.snapshot or "",
            error=error,
        ),
    )

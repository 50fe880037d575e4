"""The work of a drill, from claim to signed result.

One drill of a plan at a time over all nodes. What is restored goes into a folder of its own in the
scratch space, and is removed whatever happens; what a killed drill left goes before the next one
begins. Until the result is stored, which happens at once and only where the drill is still this
process's, it has no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from secvault.backup.claims import Again
from secvault.backup.drills import stored, sweep
from secvault.backup.drills.examining import Bring, Examined, examine
from secvault.backup.drills.order import AS_SET, LEVELS, DrillOrder, Wanted, wanted
from secvault.backup.drills.result import DrillResult, Fault, Figures, LevelResult
from secvault.backup.drills.stored import Drill
from secvault.backup.drills.under_way import UnderWay
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel, Progress
from secvault.config import PlanSettings
from secvault.config.drills import LevelName
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import BackupFailed, Conflict, SecvaultError
from secvault.store import tables

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Means:
    """What the service gives to a drill.

    bring: see `Bring`. sign: the result as signed
    evidence. end_servers: see `sweep`.
    """

    bring: Bring
    sign: Callable[[DrillResult], SignedEvidence]
    end_servers: sweep.EndServers = sweep.no_servers


def begin(engine: BackupEngine, plan_name: str, drill_id: str, requested_by: str) -> Drill:
    """Claim the plan for this drill; the same id again does it anew.

    Raises PlanBusy, NotFound, and Cancelled where the end of this drill was asked for.
    """
    engine.plan(plan_name)
    engine.claim(
        tables.drill,
        plan_name,
        drill_id,
        requested_by=requested_by,
        started_at=engine.clock.micros(),
    )
    return stored.read_drill(engine, drill_id)


def run_drill(
    engine: BackupEngine,
    plan_name: str,
    drill_id: str,
    *,
    order: DrillOrder = AS_SET,
    requested_by: str,
    means: Means,
    on_progress: OnProgress,
    cancel: Cancel,
    again: Again = lambda _error: False,
) -> DrillResult:
    """Restore, prove, measure, sign and store. Damage is a finding; other failures are raised.

    again: whether the drill is tried again by itself after an error. Raises PlanBusy, Cancelled,
    StorageFull where there is no room, Conflict where it was given up for dead meanwhile.
    """
    plan = engine.plan(plan_name)
    asked = wanted(plan_name, plan, order)
    if begin(engine, plan_name, drill_id, requested_by).state == "done":
        raise Conflict(f"the drill {drill_id} was done before")
    with engine.at_work(tables.drill, drill_id, "the drill", cancel, again=again) as stop:
        sweep.sweep(engine, means.end_servers)
        result = _drilled(
            _limited(engine, plan_name, plan),
            plan,
            asked,
            drill_id,
            requested_by,
            means,
            on_progress,
            stop,
        )
        stored.store(engine, result, means.sign(result), complete=asked.complete)
    return result


def _limited(engine: BackupEngine, name: str, plan: PlanSettings) -> BackupEngine:
    """The same, whose restic is no faster than the plan allows, and lets others go first."""
    limited = engine.for_plan(name)
    if not plan.drill.gentle:
        return limited
    restic = replace(limited.restic, command=limited.restic.command.gently())
    return replace(limited, restic=restic)


def _drilled(
    engine: BackupEngine,
    plan: PlanSettings,
    asked: Wanted,
    drill_id: str,
    requested_by: str,
    means: Means,
    on_progress: OnProgress,
    cancel: Cancel,
) -> DrillResult:
    """What the drill found, when nothing of it is left in the scratch space."""
    held = sweep.hold(engine, drill_id)
    way = UnderWay(engine, plan, asked, drill_id, held.path, on_progress, cancel)
    try:
        examined = examine(way, means.bring)
    except BaseException as error:
        try:
            held.remove()
        except SecvaultError as left:
            error.add_note(left.detail)
        raise
    levels = examined.levels
    try:
        held.remove()
    except BackupFailed as left:
        fault = Fault("not-removed", str(held.path), left.detail)
        levels = _with_fault(levels, fault)
    return DrillResult(
        id=drill_id,
        plan=asked.plan,
        repository=examined.choice.name,
        snapshot=examined.choice.snapshot.id,
        snapshot_at=examined.choice.snapshot.time_micros,
        chosen=examined.choice.chosen,
        extent=asked.extent,
        requested_by=requested_by,
        started_at=way.started_at,
        # By the clock that never goes back, whatever was done to the other one meanwhile.
        finished_at=way.started_at + way.elapsed_micros(),
        levels=tuple(levels[name] for name in LEVELS),
        figures=_figures(way, examined),
    )


def _with_fault(
    levels: Mapping[LevelName, LevelResult], fault: Fault
) -> dict[LevelName, LevelResult]:
    """The levels, of which the last that was tested has failed by this."""
    tested = [name for name in LEVELS if levels[name].verdict != "not tested"]
    name = tested[-1] if tested else LEVELS[0]
    last = levels[name]
    return {**levels, name: replace(last, verdict="failed", faults=(*last.faults, fault))}


def _figures(way: UnderWay, examined: Examined) -> Figures:
    head, snapshot = examined.head, examined.choice.snapshot
    data_at = snapshot.time_micros if head is None else head.data_at
    phases = dict(way.watch.seconds)
    return Figures(
        data_at=data_at,
        rpo_seconds=max(0, way.started_at - data_at) // 1_000_000,
        rpo_target_seconds=way.plan.rpo_hours * 3600,
        rto_seconds=sum(phases.values()),
        rto_target_seconds=way.plan.drill.rto_minutes * 60,
        phases=phases,
        files=examined.files,
        bytes=examined.bytes,
        scratch_announced=examined.announced,
        scratch_used=examined.used,
        audit_entries_lost=examined.audit_entries_lost,
        estimate=examined.estimate,
        sample=examined.sample,
    )

"""Drills as the command line shows them: as JSON, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from secvault.cli import show

if TYPE_CHECKING:
    from secvault.backup.drills.stored import Drill
    from secvault.service.drill_standing import Standing

PHASES = ("fetch", "restore", "load", "verify")
STANDING = {
    "plan": "Plan",
    "state": "State",
    "proven_at": "Proven",
    "due_by": "To be proven by",
    "rpo": "RPO",
    "rto": "RTO",
    "rto_target": "RTO target",
    "next_due": "Next drill",
}


def shown(drill: Drill) -> dict[str, Any]:
    """A drill as JSON shows it."""
    figures = drill.figures
    return {
        "id": drill.id,
        "plan": drill.plan,
        "state": drill.state,
        "phase": drill.phase,
        "passed": drill.passed,
        "complete": drill.complete,
        "requested_by": drill.requested_by,
        "started_at": show.time(drill.started_at),
        "finished_at": show.time(drill.finished_at),
        "repository": drill.repository,
        "snapshot": drill.snapshot,
        "snapshot_at": show.time(drill.snapshot_at),
        "data_at": show.time(drill.data_at),
        "chosen": drill.chosen,
        "extent": drill.extent,
        "rpo_seconds": drill.rpo_seconds,
        "rpo_target_seconds": figures.rpo_target_seconds or None,
        "rto_seconds": drill.rto_seconds,
        "rto_target_seconds": figures.rto_target_seconds or None,
        "phases_ms": dict(drill.phases),
        "files": drill.files,
        "bytes": drill.bytes,
        "bytes_per_second": drill.bytes_per_second,
        "scratch_announced": drill.scratch_announced,
        "scratch_used": drill.scratch_used,
        "audit_entries_lost": figures.audit_entries_lost,
        "estimate_ms": figures.estimate_ms,
        "estimate_low_ms": figures.estimate_low_ms,
        "estimate_high_ms": figures.estimate_high_ms,
        "sample_population": figures.sample_population,
        "sample_size": figures.sample_size,
        "sample_found": figures.sample_found,
        "levels": dict(drill.levels),
        "faults": [
            {"level": one.level, "code": one.code, "where": one.where, "words": one.words}
            for one in drill.faults
        ],
        "error": drill.error,
    }


def standing(one: Standing) -> dict[str, Any]:
    """How a plan stands, as JSON shows it."""
    proven, failing = one.proven, one.failing
    return {
        "plan": one.plan,
        "state": one.word,
        "overdue": one.overdue,
        "due_by": show.time(one.due_by),
        "allowed_seconds": one.allowed // 1_000_000 or None,
        "missed_at": show.time(one.missed_at),
        "next_due": show.time(one.next_due),
        "running": one.running,
        "proven": proven.id if proven else None,
        "proven_at": show.time(proven.finished_at if proven else None),
        "rpo_seconds": proven.rpo_seconds if proven else None,
        "rto_seconds": proven.rto_of_all_seconds if proven else None,
        "rto_target_seconds": one.settings.drill.rto_minutes * 60,
        "failing": failing.id if failing else None,
        "faults": len(failing.faults) if failing else 0,
        "error": failing.error if failing else None,
    }


def in_words(row: dict[str, Any]) -> dict[str, Any]:
    """The durations of such a row as people read them."""
    wanted = {"rpo": "rpo_seconds", "rto": "rto_seconds", "rto_target": "rto_target_seconds"}
    return {
        **row,
        **{
            name: "-" if row[key] is None else show.duration(row[key] * 1000)
            for name, key in wanted.items()
        },
    }


def findings(row: dict[str, Any]) -> list[str]:
    """What is to be done about a plan, a line each."""
    found = []
    if row["failing"]:
        why = row["error"] or f"{row['faults']} faults were found"
        found.append(f"the drill {row['failing']} did not pass: {why}")
    if row["overdue"]:
        found.append(f"had to be proven by {row['due_by']}: secvault drill run {row['plan']}")
    if row["missed_at"]:
        found.append(f"the drill of {row['missed_at']} did not begin: is a worker running?")
    return found


def tell(drill: Drill, verified: Mapping[str, Any]) -> None:
    """Print what a drill found, or how far it is. verified: its document; empty while none is."""
    for level in verified.get("levels", ()):
        verdict = level["verdict"]
        show.out(f"{verdict.upper() if verdict == 'failed' else verdict:<10}  {level['name']}")
        for words in level["not_tested"]:
            show.out(f"            not tested: {show.cell(words)}")
    for fault in drill.faults:
        show.out(
            f"{fault.code}  {show.cell(fault.where)}: {show.cell(fault.words)} ({fault.level})"
        )
    show.facts(_facts(drill))


def _facts(drill: Drill) -> dict[str, Any]:
    verdict = {True: "passed", False: "did not pass", None: drill.state}[drill.passed]
    facts: dict[str, Any] = {"drill": drill.id, "plan": drill.plan, "verdict": verdict}
    if drill.state != "done":
        facts |= {"phase": drill.phase, "error": drill.error}
    facts |= {
        "repository": drill.repository,
        "snapshot": drill.snapshot,
        "chosen": drill.chosen,
        "extent": drill.extent,
    }
    if drill.state != "done":
        return facts
    return facts | {
        "data as of": show.time(drill.data_at),
        "RPO": _against(drill.rpo_seconds, drill.figures.rpo_target_seconds, "age of the data"),
        "RTO": _against(
            drill.rto_seconds,
            0 if drill.figures.sample_size else drill.figures.rto_target_seconds,
            "to bring this back",
        ),
        **{
            f"  {phase}": show.duration(drill.phases[phase])
            for phase in PHASES
            if phase in drill.phases
        },
        **_estimate(drill),
        "files": drill.files,
        "bytes": show.size(drill.bytes),
        "scratch space": f"{show.size(drill.scratch_used)} of {show.size(drill.scratch_announced)} "
        "that were announced",
    }


def _against(seconds: int | None, target: int, what: str) -> str:
    if seconds is None:
        return "-"
    kept = "" if seconds <= target else ", MISSED"
    aim = f"; the target is {show.duration(target * 1000)}{kept}" if target else ""
    return f"{show.duration(seconds * 1000)} ({what}{aim})"


def _estimate(drill: Drill) -> dict[str, str]:
    figures = drill.figures
    if figures.estimate_ms is None:
        return {}
    low, high = figures.estimate_low_ms or 0, figures.estimate_high_ms or 0
    bounds = f"by the sample, from {show.duration(low)} to {show.duration(high)}"
    return {
        "RTO of all": _against(-(-figures.estimate_ms // 1000), figures.rto_target_seconds, bounds)
    }

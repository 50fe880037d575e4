"""The documents that state drills, scenarios and recoveries as evidence.

Each is an object for `secvault.crypto.evidence.sign_evidence`. Moments are RFC 3339 in UTC,
durations whole milliseconds, shares decimal text: canonical JSON has no fractions. Version 1 of a
restore drill, made before drills had levels, is still read wherever evidence is shown or verified.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from secvault import __version__
from secvault.backup.drills.exercise import (
    ExerciseFigures,
    ExerciseStep,
    RehearsalResult,
    ScenarioResult,
)
from secvault.backup.drills.result import DrillResult, Fault, Figures, LevelResult
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue

DRILL, SCENARIO, REHEARSAL, RECOVERY = (
    "restore-drill",
    "scenario-drill",
    "recovery-rehearsal",
    "recovery",
)
KINDS = (DRILL, SCENARIO, REHEARSAL, RECOVERY)
"""What evidence of this folder is of."""

_STEMS = {DRILL: "drill", SCENARIO: "scenario", REHEARSAL: "rehearsal", RECOVERY: "recovery"}

MOST_LISTED = 500
"""Faults, and things not tested, that a document lists for each level; the others are counted."""
MOST_EARLIER = 24
"""Drills before this one that a document shows for the trend."""


@dataclass(frozen=True)
class EarlierDrill:
    """A drill of the same plan before this one. started_at: micros. None: it was not measured."""

    id: str
    started_at: int
    passed: bool
    rpo_seconds: int | None
    rto_seconds: float | None
    bytes_per_second: int | None


def document(
    result: DrillResult | ScenarioResult | RehearsalResult,
    *,
    earlier: Sequence[EarlierDrill] = (),
) -> dict[str, JsonValue]:
    """The result as its evidence states it. earlier: the oldest first; of restore drills alone."""
    if isinstance(result, DrillResult):
        return _drill(result, earlier)
    if isinstance(result, ScenarioResult):
        return _scenario(result)
    return _recovery(result)


def stem_of(document: Mapping[str, Any]) -> str:
    """What the files of a document are called, without their endings: `drill-<id>`."""
    # Ids of scheduled drills hold colons, which not every file system takes.
    name = re.sub(r"[^A-Za-z0-9._-]", "-", str(document["id"]))
    return f"{_STEMS[document['kind']]}-{name}"


def _drill(result: DrillResult, earlier: Sequence[EarlierDrill]) -> dict[str, JsonValue]:
    return {
        "kind": DRILL,
        "version": 2,
        "program": _PROGRAM,
        "id": result.id,
        "plan": result.plan,
        "repository": result.repository,
        "snapshot": result.snapshot,
        "snapshot_at": timestamp(result.snapshot_at),
        "chosen": result.chosen,
        "extent": result.extent,
        "requested_by": result.requested_by,
        "started_at": timestamp(result.started_at),
        "finished_at": timestamp(result.finished_at),
        "passed": result.passed,
        "levels": [_level(level) for level in result.levels],
        "figures": _figures(result.figures),
        "earlier": [_earlier(one) for one in earlier[-MOST_EARLIER:]],
    }


def _level(level: LevelResult) -> dict[str, JsonValue]:
    return {
        "name": level.name,
        "verdict": level.verdict,
        "ms": _ms(level.seconds),
        "facts": [
            {"name": fact.name, "value": _told(fact.value)} for fact in level.facts[:MOST_LISTED]
        ],
        **_open_and_wrong(level.faults, level.not_tested),
    }


def _figures(figures: Figures) -> dict[str, JsonValue]:
    estimate, sample = figures.estimate, figures.sample
    return {
        "data_at": timestamp(figures.data_at),
        "rpo_ms": figures.rpo_seconds * 1000,
        "rpo_target_ms": figures.rpo_target_seconds * 1000,
        "rto_ms": _ms(figures.rto_seconds),
        "rto_target_ms": figures.rto_target_seconds * 1000,
        "phases": {phase: _ms(seconds) for phase, seconds in figures.phases.items()},
        "files": figures.files,
        "bytes": figures.bytes,
        "bytes_per_second": figures.bytes_per_second,
        "scratch_announced": figures.scratch_announced,
        "scratch_used": figures.scratch_used,
        "audit_entries_lost": figures.audit_entries_lost,
        "estimate": None
        if estimate is None
        else {
            "ms": _ms(estimate.seconds),
            "low_ms": _ms(estimate.low),
            "high_ms": _ms(estimate.high),
        },
        "sample": None
        if sample is None
        else {
            "population": sample.population,
            "size": sample.size,
            "found": sample.found,
            "rate": _share(sample.rate),
            "confidence": _share(sample.confidence),
            "upper_rate": _share(sample.upper_rate),
        },
    }


def _earlier(one: EarlierDrill) -> dict[str, JsonValue]:
    return {
        "id": one.id,
        "started_at": timestamp(one.started_at),
        "passed": one.passed,
        "rpo_ms": None if one.rpo_seconds is None else one.rpo_seconds * 1000,
        "rto_ms": None if one.rto_seconds is None else _ms(one.rto_seconds),
        "bytes_per_second": one.bytes_per_second,
    }


def _scenario(result: ScenarioResult) -> dict[str, JsonValue]:
    return {
        "kind": SCENARIO,
        "version": 1,
        "program": _PROGRAM,
        "id": result.id,
        "scenario": result.scenario,
        "plan": result.plan,
        "repository": result.repository,
        "snapshot": result.snapshot,
        "requested_by": result.requested_by,
        "started_at": timestamp(result.started_at),
        "finished_at": timestamp(result.finished_at),
        "passed": result.passed,
        "steps": [_step(step) for step in result.steps],
        "figures": _exercise_figures(result.figures),
        **_open_and_wrong(result.faults, result.not_tested),
    }


def _recovery(result: RehearsalResult) -> dict[str, JsonValue]:
    return {
        "kind": REHEARSAL if result.mode == "rehearsal" else RECOVERY,
        "version": 1,
        "program": _PROGRAM,
        "id": result.id,
        "company": _told(result.company),
        "kit": result.kit,
        "kit_issued_at": timestamp(result.kit_issued_at),
        "threshold": result.threshold,
        "shares": result.shares,
        "machine": _told(result.machine),
        "restored_version": result.version,
        "database": result.database,
        "seal": result.seal,
        "plan": result.plan,
        "repository": result.repository,
        "snapshot": result.snapshot,
        "snapshot_at": timestamp(result.snapshot_at),
        "requested_by": result.requested_by,
        "started_at": timestamp(result.started_at),
        "finished_at": timestamp(result.finished_at),
        "passed": result.passed,
        "steps": [_step(step) for step in result.steps],
        "brought_back": [{"name": one.name, "count": one.count} for one in result.brought_back],
        "skipped": [_told(one) for one in result.skipped[:MOST_LISTED]],
        "figures": _exercise_figures(result.figures),
        **_open_and_wrong(result.faults, result.not_tested),
    }


def _step(step: ExerciseStep) -> dict[str, JsonValue]:
    return {
        "name": step.name,
        "who": _told(step.who),
        "at": timestamp(step.at),
        "ms": _ms(step.seconds),
        "verdict": step.verdict,
        "words": _told(step.words),
    }


def _exercise_figures(figures: ExerciseFigures) -> dict[str, JsonValue]:
    return {
        "data_at": None if figures.data_at is None else timestamp(figures.data_at),
        "rpo_ms": None if figures.rpo_seconds is None else figures.rpo_seconds * 1000,
        "rpo_target_ms": figures.rpo_target_seconds * 1000,
        "rto_ms": _ms(figures.rto_seconds),
        "rto_target_ms": figures.rto_target_seconds * 1000,
        "phases": {phase: _ms(seconds) for phase, seconds in figures.phases.items()},
        "files": figures.files,
        "bytes": figures.bytes,
        "audit_entries_lost": figures.audit_entries_lost,
    }


def _open_and_wrong(faults: Sequence[Fault], not_tested: Sequence[str]) -> dict[str, JsonValue]:
    return {
        "faults": [
            {"code": one.code, "where": _told(one.where), "words": _told(one.words)}
            for one in faults[:MOST_LISTED]
        ],
        "fault_count": len(faults),
        "not_tested": [_told(one) for one in not_tested[:MOST_LISTED]],
        "not_tested_count": len(not_tested),
    }


def _told(value: int | str) -> int | str:
    """Text that has a canonical form: bytes of names that are no UTF-8 stand as `\\xff`."""
    return value if isinstance(value, int) else _SURROGATE.sub(_escaped, value)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    # What Python makes of a byte that is no UTF-8 in the name of a file.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _ms(seconds: float) -> int | None:
    return int(seconds * 1000) if math.isfinite(seconds) else None


def _share(value: float) -> str:
    """Six digits that matter, never with an exponent."""
    return format(Decimal(f"{value:.6g}"), "f")


_PROGRAM = f"secvault {__version__}"
_SURROGATE = re.compile("[\ud800-\udfff]")

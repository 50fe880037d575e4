"""What scenario drills and rehearsals of the recovery came to: steps, figures, a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from secvault.backup.drills.result import Fault, Verdict
from secvault.config.drills import ScenarioName

__all__ = [
    "BroughtBack",
    "ExerciseFigures",
    "ExercisePhase",
    "ExerciseStep",
    "RehearsalResult",
    "ScenarioName",
    "ScenarioResult",
]

ExercisePhase = Literal["open", "fetch", "restore", "load", "start", "verify"]
"""Parts of the recovery time. open: kit and shares, credentials, repositories looked through.
fetch, restore, load, verify: as `Phase`. start: the service, until it answers."""


@dataclass(frozen=True)
class ExerciseStep:
    """One thing that was done, by whom, and what came of it.

    name: of `words/*.toml` ([steps]) where pages say it in each language, such as `kit-opened`; one
    that is not there is shown as it is. who: a subject (`user:...`, `system:drill`), or a person's
    part in words. at: micros, when it began. words: what was seen, in English, never a secret.
    "not tested": it was left out this time, and words say why.
    """

    name: str
    who: str
    at: int
    seconds: float
    verdict: Verdict
    words: str = ""


@dataclass(frozen=True)
class ExerciseFigures:
    """Times in micros, durations in seconds. phases: those that took place.

    data_at: how new the data is that came back; None where nothing was to come back. rpo_seconds:
    its age when the loss was assumed. A target of 0: none is set.
    """

    data_at: int | None
    rpo_seconds: int | None
    rpo_target_seconds: int
    rto_seconds: float
    rto_target_seconds: int
    phases: dict[ExercisePhase, float]
    files: int = 0
    bytes: int = 0
    audit_entries_lost: int | None = None


@dataclass(frozen=True)
class ScenarioResult:
    """A scenario drill. Times in micros. plan, repository, snapshot: empty where it needs none.

    faults: with the codes of drills. not_tested: what it leaves open, each in words.
    """

    id: str
    scenario: ScenarioName
    plan: str
    repository: str
    snapshot: str
    requested_by: str
    started_at: int
    finished_at: int
    steps: tuple[ExerciseStep, ...]
    figures: ExerciseFigures
    faults: tuple[Fault, ...] = ()
    not_tested: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """No step failed, no fault was found, and at least one step was taken."""
        return _passed(self.steps, self.faults)


@dataclass(frozen=True)
class BroughtBack:
    """How much of one thing came back. name: of `words/*.toml` ([things]): people, policies, keys,
    records, plans, audit-entries, settings, or any other, shown as it is.
    """

    name: str
    count: int


@dataclass(frozen=True)
class RehearsalResult:
    """A rehearsal of the recovery (`rehearsal`), or the recovery itself (`recovery`).

    kit: its id. kit_issued_at, snapshot_at: micros. threshold, shares: how many shares the kit
    needs, and how many were given. machine: the name of the host. database: sqlite or postgresql.
    seal: of the service that came back. skipped: repositories and snapshots that were passed over,
    each in words with the reason; they are said loudly.
    """

    id: str
    mode: Literal["rehearsal", "recovery"]
    company: str
    kit: str
    kit_issued_at: int
    threshold: int
    shares: int
    machine: str
    version: str
    database: str
    seal: str
    plan: str
    repository: str
    snapshot: str
    snapshot_at: int
    requested_by: str
    started_at: int
    finished_at: int
    steps: tuple[ExerciseStep, ...]
    brought_back: tuple[BroughtBack, ...]
    figures: ExerciseFigures
    skipped: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    not_tested: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """No step failed, no fault was found, and at least one step was taken."""
        return _passed(self.steps, self.faults)


def _passed(steps: tuple[ExerciseStep, ...], faults: tuple[Fault, ...]) -> bool:
    verdicts = [step.verdict for step in steps]
    return "passed" in verdicts and "failed" not in verdicts and not faults

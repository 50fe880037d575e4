"""A scenario being played: its steps with their times, what they found, and where it stops."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.drills import room, sweep
from secvault.backup.drills.exercise import (
    ExerciseFigures,
    ExercisePhase,
    ExerciseStep,
    ScenarioResult,
)
from secvault.backup.drills.result import Fault, FaultCode, LevelResult, Verdict
from secvault.backup.engine import BackupEngine
from secvault.backup.repository_faults import (
    RepositoryDenied,
    RepositoryGone,
    RepositoryMissing,
    RepositoryUnreachable,
    WrongRepositoryPassword,
)
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.config import PlanSettings
from secvault.config.drills import ScenarioName
from secvault.errors import Cancelled, Damaged, InvalidInput, NotFound, SecvaultError

LEVELS = "levels"
"""In a scenario's folder: where scratch servers and the like lie, as in that of a drill."""
SELF = "system:drill"
"""Who does what nobody has to do by hand."""
_OUT_OF_REACH = (
    RepositoryDenied,
    RepositoryGone,
    RepositoryMissing,
    RepositoryUnreachable,
    WrongRepositoryPassword,
)
_FINDINGS: tuple[type[SecvaultError], ...] = (*_OUT_OF_REACH, Damaged, NotFound, InvalidInput)


class Broken(Exception):
    """A step failed after which the next ones make no sense; what it found is on record."""


@dataclass
class Saying:
    """What a step says of itself. verdict: if no fault was found."""

    words: str = ""
    verdict: Verdict = "passed"
    faults: list[Fault] = field(default_factory=list)

    def fault(self, code: FaultCode, where: str, words: str) -> None:
        """Put something on record that is not as it should be; the step has failed then."""
        self.faults.append(Fault(code, where, words))


@dataclass
class Script:
    """A scenario under way. began: of the monotonic clock. mark: told of each step as it begins.

    folder: private and empty at first; it is removed with the scenario. plan, repository, snapshot:
    as far as it has any.
    """

    engine: BackupEngine
    id: str
    scenario: ScenarioName
    plan_name: str
    plan: PlanSettings
    folder: Path
    requested_by: str
    cancel: Cancel
    on_progress: Callable[[Progress], None]
    mark: Callable[[str], None]
    started_at: int
    began: float
    repository: str = ""
    snapshot: Snapshot | None = None
    data_at: int | None = None
    files: int = 0
    bytes: int = 0
    audit_entries_lost: int | None = None
    phases: dict[ExercisePhase, float] = field(default_factory=dict)
    steps: list[ExerciseStep] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    not_tested: list[str] = field(default_factory=list)
    back_after: float | None = None

    def may_use(self) -> int:
        """Bytes of scratch space that are left for it; a tenth of what is free stays free."""
        return shutil.disk_usage(self.folder).free // 10 * 9

    def require_room(self, needed: int) -> None:
        """Return where there are so many bytes of scratch space. Raises StorageFull."""
        room.require(
            self.engine.scratch,
            needed,
            self.plan.drill.scratch_gib,
            sweep.promised(self.engine, self.id),
        )

    def heed(self) -> None:
        """Raises Cancelled where somebody wants it to stop."""
        if self.cancel.is_set():
            raise Cancelled("the scenario was stopped on request; nothing is proven")

    @contextmanager
    def step(
        self,
        name: str,
        *,
        phase: ExercisePhase | None = None,
        damage: FaultCode = "manifest-damaged",
        who: str = SELF,
        also: tuple[type[SecvaultError], ...] = (),
    ) -> Iterator[Saying]:
        """Do one thing. Damage, and a repository out of reach, are findings, and end the play.

        damage: the code of what is found to be damaged or absent. also: further errors that are
        findings, under that code. Raises Broken; what else keeps a step from being done is raised
        as it is.
        """
        self.heed()
        self.mark(name)
        clock, saying = self.engine.clock, Saying()
        at, began, stops = clock.micros(), clock.monotonic(), False
        try:
            yield saying
        except (*_FINDINGS, *also) as error:
            code = "repository-unreachable" if isinstance(error, _OUT_OF_REACH) else damage
            saying.fault(code, self.repository or self.plan_name, error.detail)
            stops = True
        seconds = clock.monotonic() - began
        if phase is not None:
            self.phases[phase] = self.phases.get(phase, 0.0) + seconds
        verdict: Verdict = "failed" if saying.faults else saying.verdict
        told = (saying.words, *(fault.words for fault in saying.faults))
        words = "; ".join(filter(None, told))
        self.steps.append(ExerciseStep(name, who, at, seconds, verdict, words))
        self.faults.extend(saying.faults)
        if stops:
            raise Broken

    def leave_open(self, words: str) -> None:
        """Say what is not tested this time."""
        if words not in self.not_tested:
            self.not_tested.append(words)

    def came_back(self) -> None:
        """What was lost is there again: the recovery time ends here."""
        if self.back_after is None:
            self.back_after = self.engine.clock.monotonic() - self.began

    def take(self, level: LevelResult) -> None:
        """What a level of drills found, as a step."""
        now = self.engine.clock.micros()
        words = ", ".join(f"{fact.name} {fact.value}" for fact in level.facts)
        if level.faults:
            words = "; ".join(fault.words for fault in level.faults)
        begun = now - int(level.seconds * 1_000_000)
        self.steps.append(
            ExerciseStep(level.name, SELF, begun, level.seconds, level.verdict, words)
        )
        self.faults.extend(level.faults)
        for each in level.not_tested:
            self.leave_open(each)

    def result(self) -> ScenarioResult:
        """What it came to, as of now."""
        clock = self.engine.clock
        age = None if self.data_at is None else max(0, self.started_at - self.data_at) // 1_000_000
        seconds = self.back_after
        if seconds is None:
            seconds = clock.monotonic() - self.began
        return ScenarioResult(
            id=self.id,
            scenario=self.scenario,
            plan=self.plan_name,
            repository=self.repository,
            snapshot=self.snapshot.id if self.snapshot else "",
            requested_by=self.requested_by,
            started_at=self.started_at,
            finished_at=clock.micros(),
            steps=tuple(self.steps),
            figures=ExerciseFigures(
                data_at=self.data_at,
                rpo_seconds=age,
                rpo_target_seconds=self.plan.rpo_hours * 3600,
                rto_seconds=seconds,
                rto_target_seconds=self.plan.drill.rto_minutes * 60,
                phases=dict(self.phases),
                files=self.files,
                bytes=self.bytes,
                audit_entries_lost=self.audit_entries_lost,
            ),
            faults=tuple(self.faults),
            not_tested=tuple(self.not_tested),
        )

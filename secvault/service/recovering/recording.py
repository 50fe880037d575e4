"""The steps of a recovery as they are taken: said, timed, and put down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from secvault.backup.drills.exercise import ExercisePhase, ExerciseStep
from secvault.backup.drills.result import Fault, FaultCode
from secvault.clock import Clock
from secvault.errors import SecvaultError
from secvault.service.recovering.incident import Incident

Tell = Callable[[str], None]


@dataclass
class Seen:
    """What a step saw, in words; set by whoever takes it."""

    words: str = ""


@dataclass
class Record:
    """All that was done so far. tell: says a line to whoever watches. who: on whose behalf."""

    clock: Clock
    incident: Incident
    tell: Tell
    steps: list[ExerciseStep] = field(default_factory=list)
    phases: dict[ExercisePhase, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    not_tested: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, phase: ExercisePhase, begins: str) -> Iterator[Seen]:
        """Take one step. begins: what is said before. How it ended is put down either way."""
        self.tell(begins)
        at, began, seen = self.clock.micros(), self.clock.monotonic(), Seen()
        try:
            yield seen
        except BaseException as error:
            why = error.detail if isinstance(error, SecvaultError) else type(error).__name__
            self._end(name, phase, at, began, f"failed: {why}", passed=False)
            raise
        self._end(name, phase, at, began, seen.words, passed=True)

    def untested(self, name: str, words: str) -> None:
        """Put down a step that was not taken this time, and why."""
        at = self.clock.micros()
        self.steps.append(ExerciseStep(name, self.incident.who, at, 0.0, "not tested", words))
        self.incident.add(name, words, verdict="not tested")
        self.tell(f"NOT TESTED: {words}")

    def skip(self, words: str) -> None:
        """Say loudly that something was passed over, and put it down."""
        self.skipped.append(words)
        self.incident.add("skipped", words)
        self.tell(f"PASSED OVER: {words}")

    def fault(self, code: FaultCode, where: str, words: str) -> None:
        """Something is not as it should be, and the recovery goes on."""
        self.faults.append(Fault(code, where, words))
        self.incident.add("fault", f"{code}: {words}", code=code, where=where)
        self.tell(f"FAULT: {words}")

    def leave_open(self, words: str) -> None:
        """Something that was not tested, or is left for people to do."""
        self.not_tested.append(words)
        self.incident.add("open", words)
        self.tell(f"LEFT OPEN: {words}")

    def _end(
        self, name: str, phase: ExercisePhase, at: int, began: float, words: str, *, passed: bool
    ) -> None:
        seconds = self.clock.monotonic() - began
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds
        verdict = "passed" if passed else "failed"
        self.steps.append(
            ExerciseStep(
                name, self.incident.who, at, seconds, "passed" if passed else "failed", words
            )
        )
        self.incident.add(name, words or verdict, verdict=verdict, ms=int(seconds * 1000))
        if words:
            self.tell(f"  {words}")

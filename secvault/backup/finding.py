"""What a drill found, and the document that states it as evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue

KIND = "restore-drill"


@dataclass(frozen=True)
class Step:
    """One thing that the drill proved or found wanting, with its figures in words."""

    name: str
    passed: bool
    finding: str


@dataclass(frozen=True)
class Finding:
    """What a drill found. Times in micros, durations in milliseconds."""

    id: str
    plan: str
    repository: str
    snapshot: str
    requested_by: str
    started_at: int
    finished_at: int
    data_at: int
    rpo_ms: int
    rto_ms: int
    audit_events_lost: int
    files: int
    bytes: int
    steps: tuple[Step, ...]

    @property
    def passed(self) -> bool:
        """Every step passed, to the last one."""
        return bool(self.steps) and all(step.passed for step in self.steps)


def document(finding: Finding) -> dict[str, JsonValue]:
    """The finding as the evidence states it."""
    steps: list[JsonValue] = [
        {"finding": step.finding, "name": step.name, "passed": step.passed}
        for step in finding.steps
    ]
    values: dict[str, JsonValue] = {
        name: value for name, value in asdict(finding).items() if name != "steps"
    }
    for name in ("started_at", "finished_at", "data_at"):
        values[name] = timestamp(getattr(finding, name))
    return {**values, "kind": KIND, "passed": finding.passed, "steps": steps, "version": 1}

"""What a drill found: a verdict for each level, named faults, figures; the document stating it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from secvault.config.drills import LevelName

Verdict = Literal["passed", "failed", "not tested"]
Phase = Literal["fetch", "restore", "load", "verify"]
"""Parts of the recovery time: from the repository to the disk; rebuilding secvault's own database
(data keys, schema); databases into servers; proving it."""

FaultCode = Literal[
    # Repository.
    "repository-unreachable",
    "repository-structure",
    "pack-damaged",
    "pack-missing",
    "snapshot-missing",
    "snapshot-not-newest",
    "snapshot-from-the-future",
    # Files.
    "manifest-damaged",
    "file-missing",
    "file-changed",
    "file-mode",
    "file-unreadable",
    # Databases.
    "dump-damaged",
    "dump-of-another-database",
    "login-wrong",
    "table-missing",
    "rows-lost",
    "sum-differs",
    "assertion-failed",
    "server-missing",
    # The vault's own copy.
    "database-damaged",
    "keys-swapped",
    "key-erased",
    "keys-missing",
    "field-unreadable",
    "audit-log-damaged",
    "audit-log-not-of-the-live-one",
    "root-not-in-escrow",
    # The service that was started from it.
    "service-not-started",
    "service-wrong-answer",
    # What scenarios find.
    "repository-not-protected",
    "no-second-repository",
    "kit-missing",
    "kit-does-not-open",
    "kit-opens-with-too-few",
    "no-way-in",
    "production-touched",
    # Anything at all.
    "no-room",
    "not-removed",
]


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be. where: a path, database, table or key, never a value.

    words: in English, for a person; pages translate the code and show these beside it.
    """

    code: FaultCode
    where: str
    words: str


@dataclass(frozen=True)
class Fact:
    """One figure of a level. name: of `words/drills.toml`; pages say it in each language."""

    name: str
    value: int | str


@dataclass(frozen=True)
class LevelResult:
    """What one level came to.

    not_tested: what the level leaves open this time, each in words (files outside of the sample, a
    server's program that is not installed). A level whose subject the snapshot does not hold, or
    that the settings do not ask for, has the verdict "not tested".
    """

    name: LevelName
    verdict: Verdict
    seconds: float
    facts: tuple[Fact, ...] = ()
    faults: tuple[Fault, ...] = ()
    not_tested: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleFigures:
    """How a sample was drawn. population, size: files. found: damaged ones.

    rate, confidence: damage to `rate` of the files is found with at least `confidence`.
    upper_rate: with `confidence`, at most so much of all files is damaged, by what was found.
    """

    population: int
    size: int
    found: int
    rate: float
    confidence: float
    upper_rate: float


@dataclass(frozen=True)
class RtoEstimate:
    """The time that a whole restore would take, by what a sample took. Seconds.

    low, high: the bounds that it lies between with the sample's confidence.
    """

    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Times in micros, durations in seconds. phases: each Phase that took place.

    bytes, files: what was brought back. scratch_announced, scratch_used: bytes, before and at most.
    """

    data_at: int
    rpo_seconds: int
    rpo_target_seconds: int
    rto_seconds: float
    rto_target_seconds: int
    phases: dict[Phase, float]
    files: int
    bytes: int
    scratch_announced: int
    scratch_used: int
    audit_entries_lost: int | None = None
    estimate: RtoEstimate | None = None
    sample: SampleFigures | None = None

    @property
    def bytes_per_second(self) -> int:
        """How fast what was restored came from the repository."""
        seconds = self.phases.get("fetch", 0.0)
        return int(self.bytes / seconds) if seconds else 0


@dataclass(frozen=True)
class DrillResult:
    """All that a drill found. Times in micros.

    levels: each of `LevelName`, in order, also those that were not tested. It passed when no level
    failed, the levels that were asked for and have a subject were tested, and nothing stays behind.
    """

    id: str
    plan: str
    repository: str
    snapshot: str
    snapshot_at: int
    chosen: Literal["newest", "random", "turn", "named"]
    extent: Literal["whole", "sample"]
    requested_by: str
    started_at: int
    finished_at: int
    levels: tuple[LevelResult, ...]
    figures: Figures

    @property
    def passed(self) -> bool:
        """No level failed, and at least one was tested."""
        return not any(level.verdict == "failed" for level in self.levels) and any(
            level.verdict == "passed" for level in self.levels
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault, in the order of the levels."""
        return tuple(fault for level in self.levels for fault in level.faults)

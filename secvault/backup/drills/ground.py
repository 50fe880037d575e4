"""What every level of a drill works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.drills.result import LevelResult, Phase
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Manifest
from secvault.backup.repository import Repository
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.config import PlanSettings
from secvault.errors import Cancelled


@dataclass
class Stopwatch:
    """How long each phase took so far. monotonic: seconds."""

    monotonic: Callable[[], float]
    seconds: dict[Phase, float] = field(default_factory=dict)

    @contextmanager
    def running(self, phase: Phase) -> Iterator[None]:
        """Count what is done within to the phase."""
        began = self.monotonic()
        try:
            yield
        finally:
            self.add(phase, self.monotonic() - began)

    def add(self, phase: Phase, seconds: float) -> None:
        """Count to the phase what was done beside other work."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds


@dataclass(frozen=True)
class Ground:
    """A drill under way, after its snapshot was restored.

    tree: what was restored, under its full paths of then. scratch: private and empty, for the
    level's own files and servers; on the file system that was measured, and removed with the drill.
    manifest: of the snapshot; its entries lie in `staged`. whole: False where only a sample of the
    files was restored; databases and secvault's own copy are always whole. may_use: bytes of
    scratch space that are left.
    """

    engine: BackupEngine
    drill: str
    plan_name: str
    plan: PlanSettings
    repository: Repository
    snapshot: Snapshot
    manifest: Manifest
    tree: Path
    staged: Path
    scratch: Path
    whole: bool
    watch: Stopwatch
    cancel: Cancel
    on_progress: Callable[[Progress], None]
    may_use: Callable[[], int]

    def heed(self) -> None:
        """Raises Cancelled where somebody wants the drill to stop."""
        if self.cancel.is_set():
            raise Cancelled("the drill was stopped on request; nothing is proven")


Level = Callable[[Ground], LevelResult]
"""One level's examination. Damage is in its result; what keeps it from being examined at all
(a repository out of reach, a full disk) is raised, and the drill has failed then."""

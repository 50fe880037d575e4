"""A drill under way: what it works with from its claim to its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from secvault.backup.drills.ground import Stopwatch
from secvault.backup.drills.order import Wanted
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel, Progress
from secvault.config import PlanSettings
from secvault.errors import Cancelled
from secvault.store import tables


class UnderWay:
    """folder: the drill's own in the scratch space. started_at: micros."""

    def __init__(
        self,
        engine: BackupEngine,
        plan: PlanSettings,
        asked: Wanted,
        drill_id: str,
        folder: Path,
        on_progress: Callable[[Progress], None],
        cancel: Cancel,
    ) -> None:
        self.engine, self.plan, self.asked, self.id = engine, plan, asked, drill_id
        self.folder, self.on_progress, self.cancel = folder, on_progress, cancel
        self.watch = Stopwatch(engine.clock.monotonic)
        self.started_at = engine.clock.micros()
        self._began = engine.clock.monotonic()

    def elapsed_micros(self) -> int:
        """Since it began, by the clock that never goes back."""
        return int((self.engine.clock.monotonic() - self._began) * 1_000_000)

    def phase(self, name: str, **known: object) -> None:
        """Say on the row what is being done. Raises Cancelled, TakenOver."""
        self.heed()
        self.engine.mark(tables.drill, self.id, phase=name, **known)

    def heed(self) -> None:
        """Raises Cancelled where somebody wants the drill to stop."""
        if self.cancel.is_set():
            raise Cancelled("the drill was stopped on request; nothing is proven")

"""A sample in a drill: drawn from the manifest, fetched in batches, compared, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup import manifest
from secvault.backup.drills import files_level, repository_level, room
from secvault.backup.drills.drawing import Draw, draw
from secvault.backup.drills.estimate import Timed, estimate
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.result import Fault, LevelResult, RtoEstimate, SampleFigures
from secvault.backup.drills.sample_restore import fetch_batches
from secvault.backup.drills.sampling import sample_figures
from secvault.backup.drills.under_way import UnderWay
from secvault.backup.file_entry import FileEntry
from secvault.backup.manifest import Manifest
from secvault.backup.repository_faults import RepositoryDamaged


@dataclass
class SampleWork:
    """A sample under way. was_at: the staged copy's path when it was saved; it is restored whole.

    timed: of each part, None for one that did not come whole.
    """

    drawn: Draw
    was_at: Path
    rate: float
    confidence: float
    timed: list[Timed | None] = field(default_factory=list)
    figures: SampleFigures | None = None
    _compared: tuple[float, ...] = ()

    def room(self, entries: Iterable[FileEntry]) -> int:
        """Bytes of scratch space for the staged copy, and for the sample with its folders."""
        fetched = [entry for part in self.drawn.parts for entry in part]
        above = {folder for entry in fetched for folder in entry.place().parents}
        staged = (entry for entry in entries if entry.is_below(self.was_at))
        return room.for_files(staged) + room.for_files(fetched) + len(above) * room.BLOCK

    def fetch(self, ground: Ground) -> Iterator[Fault]:
        """Bring the parts back; what is damaged. One that is keeps no other from its turn."""
        for batch in self.drawn.parts:
            ground.heed()
            try:
                (fetched,) = fetch_batches(
                    ground.engine.restic,
                    ground.repository,
                    ground.snapshot.id,
                    ground.tree,
                    [batch],
                    monotonic=ground.engine.clock.monotonic,
                    on_progress=ground.on_progress,
                    cancel=ground.cancel,
                )
                self.timed.append(fetched.timed)
            except RepositoryDamaged as damage:
                self.timed.append(None)
                yield from repository_level.of_damage(damage)

    def examine(self, ground: Ground) -> LevelResult:
        """The files level, of the sample and the staged copy."""
        sampled = files_level.examine_sample(ground, self.drawn)
        self._compared = sampled.seconds
        self.figures = sample_figures(
            self.drawn.population, self.drawn.size, sampled.found, self.rate, self.confidence
        )
        return sampled.level

    def estimate(self, ground: Ground) -> RtoEstimate | None:
        """How long all of it would take; None where the batches do not tell it."""
        seconds = (*self._compared, *(0.0 for _ in self.timed[len(self._compared) :]))
        timed = list(zip(self.timed, seconds, strict=False))[self.drawn.telling]
        observed = [one.plus(more) for one, more in timed if one is not None]
        fetched = sum(one.seconds for one in self.timed if one is not None)
        known = sum(ground.watch.seconds.values()) - fetched - sum(self._compared)
        return estimate(
            observed,
            self.drawn.population,
            self.drawn.population_bytes,
            self.confidence,
            max(0.0, known),
        )


def draw_sample(way: UnderWay, head: Manifest, listing: Path, was_at: Path) -> SampleWork | None:
    """Draw the sample by the plan's settings; None where there is nothing to draw from.

    Raises Damaged for a manifest that is not what was written.
    """
    settings = way.plan.drill
    drawn = draw(
        lambda: manifest.entries(head, listing),
        lambda entry: not entry.is_below(was_at),
        settings.rate,
        settings.confidence,
        way.engine.random,
    )
    if not drawn.population:
        return None
    return SampleWork(drawn, was_at, settings.rate, settings.confidence)

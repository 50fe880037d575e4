"""The examination: choose, look at the repository, restore within the room, ask each level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from secvault.backup import manifest, run
from secvault.backup.database import audit_size
from secvault.backup.drills import files_level, repository_level, room, sweep
from secvault.backup.drills.choosing import Choice, choose, repository_for
from secvault.backup.drills.ground import Ground, Level
from secvault.backup.drills.order import LEVELS
from secvault.backup.drills.repository_level import Looked
from secvault.backup.drills.result import (
    Fault,
    FaultCode,
    LevelResult,
    RtoEstimate,
    SampleFigures,
)
from secvault.backup.drills.room import Watched
from secvault.backup.drills.sample_work import SampleWork, draw_sample
from secvault.backup.drills.under_way import UnderWay
from secvault.backup.excludes import literal
from secvault.backup.file_entry import FileEntry
from secvault.backup.manifest import Manifest
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic_answers import count_restored
from secvault.backup.restores.parts import manifest_in
from secvault.config.drills import LevelName
from secvault.errors import Cancelled, Damaged
from secvault.store.tables import backup_run

TREE, LISTING, SCRATCH = "tree", "listing", "levels"
"""In a drill's folder: what was restored; the manifest, fetched before it; what the levels use."""
_DAMAGE: Mapping[LevelName, FaultCode] = {
    "repository": "repository-structure",
    "files": "manifest-damaged",
    "databases": "dump-damaged",
    "vault": "database-damaged",
    "service": "service-not-started",
}
NOT_ASKED = "the drill was not asked for it"
NOT_REACHED = "what it needs did not come back"
NOT_OFFERED = "this program has no such level"
DATA = "the data: only the structure was looked at, and nothing was restored"
OTHER_DATA = "data that this snapshot does not need; the plan's checks read it in parts"
NO_ROOM = "the scratch space that was announced was used up"


def _nothing(_head: Manifest) -> int:
    return 0


def _no_fetching() -> None:
    """Nothing is restored."""


def _unknown() -> int | None:
    return None


@dataclass(frozen=True)
class Beyond:
    """The levels beyond files, and what they need to be known of.

    room: bytes of scratch space that they take beside what is restored. audit_entries_lost: what
    the live audit log has beyond the copy's, when the levels were asked; None: by the manifest.
    """

    levels: Mapping[LevelName, Level] = field(default_factory=dict)
    room: Callable[[Manifest], int] = _nothing
    audit_entries_lost: Callable[[], int | None] = _unknown


@dataclass
class Examined:
    """What was found so far. announced, used: bytes of scratch space."""

    choice: Choice
    levels: dict[LevelName, LevelResult] = field(default_factory=dict)
    head: Manifest | None = None
    files: int = 0
    bytes: int = 0
    announced: int = 0
    used: int = 0
    audit_entries_lost: int | None = None
    estimate: RtoEstimate | None = None
    sample: SampleFigures | None = None


def examine(way: UnderWay, bring: Callable[[], AbstractContextManager[Beyond]]) -> Examined:
    """Do all of it. What is restored lies in the drill's folder afterwards.

    Raises what keeps the drill from being done.
    """
    engine, plan_name = way.engine, way.asked.plan
    name = repository_for(engine, way.plan, way.asked)
    way.phase("choosing a snapshot", repository=name)
    choice = choose(engine, way.plan, way.asked, name)
    examined = Examined(choice)
    way.phase(
        "checking the repository",
        snapshot=choice.snapshot.id,
        snapshot_at=choice.snapshot.time_micros,
        chosen=choice.chosen,
        extent=way.asked.extent,
    )
    damaged: list[Fault] = []
    restoring = _Restoring(way, examined, damaged)
    restores = way.asked.levels != ("repository",)
    fetch = restoring.fetch_head if restores else _no_fetching
    if "repository" in way.asked.levels:
        # Both begin with the derivation of the password's key, and neither needs the other.
        looked = repository_level.look(engine, plan_name, choice, way.cancel, fetch)
        looked.not_tested.append(OTHER_DATA if restores else DATA)
    else:
        looked = Looked()
        fetch()
    if restores:
        with bring() as beyond:
            restoring.act(beyond)
    if "repository" in way.asked.levels:
        looked.add(damaged)
        examined.levels["repository"] = looked.result()
    elif damaged:
        _blame(examined, damaged)
    for name in LEVELS:
        reason = NOT_ASKED if name not in way.asked.levels else NOT_REACHED
        examined.levels.setdefault(name, _not_tested(name, reason))
    return examined


@dataclass
class _Restoring:
    """From the announcement to the last level. damaged: what is found of the repository there."""

    way: UnderWay
    examined: Examined
    damaged: list[Fault]
    beyond: Beyond = field(default_factory=Beyond)
    sample: SampleWork | None = None
    listing: Path = Path()

    def act(self, beyond: Beyond) -> None:
        """Announce, restore, and ask the levels, where the manifest was fetched."""
        way, examined = self.way, self.examined
        head, listing = examined.head, self.listing
        if head is None:
            return
        self.beyond = beyond
        self.damaged += repository_level.of_the_manifest(
            way.engine, way.asked.plan, examined.choice, head
        )
        try:
            if way.asked.extent == "sample":
                self.sample = draw_sample(way, head, listing, self._was_at(listing))
            examined.announced = self._needed(head, listing)
        except Damaged as damage:
            self._no_manifest(damage.detail)
            return
        # Said first: of two drills that look at the same moment, each knows of the other.
        way.phase("restoring", scratch_announced=examined.announced)
        room.require(
            way.engine.scratch,
            examined.announced,
            way.plan.drill.scratch_gib,
            sweep.promised(way.engine, way.id),
        )
        clock = way.engine.clock
        with Watched(way.folder, examined.announced, way.cancel, clock.monotonic) as watched:
            try:
                ground = self._restored(head, watched)
                self._ask(ground, watched)
            except Cancelled:
                if not watched.exceeded or way.cancel.is_set():
                    raise
                self._no_room(watched)
            finally:
                watched.measure()
                examined.used = watched.most

    def fetch_head(self) -> None:
        """Fetch the manifest of the snapshot; where it is not to be had, that is a fault."""
        way, choice = self.way, self.examined.choice
        try:
            with way.watch.running("fetch"):
                self.listing = manifest_in(
                    way.engine,
                    choice.repository,
                    choice.snapshot,
                    way.asked.plan,
                    way.folder / LISTING,
                    way.cancel,
                )
            self.examined.head = manifest.read(self.listing / manifest.NAME)
        except RepositoryDamaged as damage:
            self.damaged += repository_level.of_damage(damage)
            self._no_manifest("the manifest of the snapshot did not come back")
        except Damaged as damage:
            self._no_manifest(damage.detail)

    def _no_manifest(self, words: str) -> None:
        fault = Fault("manifest-damaged", self.examined.choice.snapshot.id, words)
        self.examined.levels["files"] = LevelResult("files", "failed", 0.0, faults=(fault,))

    def _was_at(self, listing: Path) -> Path:
        """The staged folder by its path when it was saved."""
        return Path("/") / listing.relative_to(self.way.folder / LISTING)

    def _needed(self, head: Manifest, listing: Path) -> int:
        """Bytes of scratch space: what is restored, the levels, and the manifest once more."""

        def entries() -> Iterator[FileEntry]:
            return manifest.entries(head, listing)

        if self.sample is None:
            restored = max(room.for_files(entries()), _saved_then(self.way, head.run))
        else:
            restored = self.sample.room(entries())
        listed = 2 * room.used(self.way.folder / LISTING)
        return restored + listed + self.beyond.room(head)

    def _restored(self, head: Manifest, watched: Watched) -> Ground:
        """Restore what was asked for; damage on the way is noted, and what came is looked at."""
        way, examined = self.way, self.examined
        tree, scratch = way.folder / TREE, way.folder / SCRATCH
        scratch.mkdir(mode=0o700)
        ground = Ground(
            engine=way.engine,
            drill=way.id,
            plan_name=way.asked.plan,
            plan=way.plan,
            repository=examined.choice.repository,
            snapshot=examined.choice.snapshot,
            manifest=head,
            tree=tree,
            staged=run.staged_in(tree, examined.choice.snapshot, way.asked.plan),
            scratch=scratch,
            whole=self.sample is None,
            watch=way.watch,
            cancel=watched,
            on_progress=way.on_progress,
            may_use=watched.left,
        )
        with way.watch.running("fetch"):
            if self.sample is None:
                self.damaged += _fetched(ground, ())
            else:
                self.damaged += _fetched(ground, (literal(self.sample.was_at),))
                self.damaged += self.sample.fetch(ground)
        came = count_restored(tree)
        examined.files, examined.bytes = came.files, came.bytes
        watched.measure()
        return ground

    def _ask(self, ground: Ground, watched: Watched) -> None:
        files: Level = files_level.examine if self.sample is None else self.sample.examine
        levels: dict[LevelName, Level] = {"files": files, **self.beyond.levels}
        for name in LEVELS[1:]:
            level = levels.get(name)
            if name not in self.way.asked.levels:
                continue
            if level is None:
                self.examined.levels[name] = _not_tested(name, NOT_OFFERED)
                continue
            self.way.phase(f"level {name}")
            began = ground.engine.clock.monotonic()
            try:
                self.examined.levels[name] = level(ground)
            except Damaged as damage:
                took = ground.engine.clock.monotonic() - began
                fault = Fault(_DAMAGE[name], ground.snapshot.id, damage.detail)
                self.examined.levels[name] = LevelResult(name, "failed", took, faults=(fault,))
            watched.measure()
            ground.heed()
        lost = self.beyond.audit_entries_lost()
        self.examined.audit_entries_lost = _lost(ground) if lost is None else lost
        if self.sample is not None:
            self.examined.sample = self.sample.figures
            self.examined.estimate = self.sample.estimate(ground)

    def _no_room(self, watched: Watched) -> None:
        words = f"{NO_ROOM}: {watched.announced} bytes, and {watched.most} were taken"
        fault = Fault("no-room", "scratch", words)
        asked = [name for name in LEVELS[1:] if name in self.way.asked.levels]
        name = next((one for one in asked if one not in self.examined.levels), asked[-1])
        known = self.examined.levels.get(name)
        faults = (*(known.faults if known else ()), fault)
        took = known.seconds if known else 0.0
        self.examined.levels[name] = LevelResult(name, "failed", took, faults=faults)


def _fetched(ground: Ground, include: tuple[str, ...]) -> tuple[Fault, ...]:
    """Restore the snapshot, or these parts of it; what is damaged."""
    try:
        ground.engine.restic.restore(
            ground.repository,
            ground.snapshot.id,
            ground.tree,
            include=include,
            # The files level compares with what was hashed before restic saw it.
            verify=False,
            on_progress=ground.on_progress,
            cancel=ground.cancel,
        )
    except RepositoryDamaged as damage:
        return repository_level.of_damage(damage)
    return ()


def _saved_then(way: UnderWay, run_id: str) -> int:
    """What restic counted when the run was saved, in bytes on disk; 0 where that is not known."""
    with way.engine.store.read() as connection:
        row = connection.execute(
            select(backup_run.c.bytes, backup_run.c.files).where(backup_run.c.id == run_id)
        ).one_or_none()
    if row is None or row.bytes is None:
        return 0
    return int(row.bytes + 2 * room.BLOCK * (row.files or 0))


def _lost(ground: Ground) -> int | None:
    """What the live audit log has beyond the copy's, by the manifest."""
    if not ground.manifest.database:
        return None
    with ground.engine.store.read() as connection:
        return max(0, audit_size(connection) - ground.manifest.audit_size)


def _blame(examined: Examined, damaged: list[Fault]) -> None:
    """The repository was not to be looked at, but what was found on the way is not passed over."""
    name: LevelName = next((one for one in LEVELS[1:] if one in examined.levels), "files")
    known = examined.levels.get(name) or _not_tested(name, "")
    faults = (*damaged, *known.faults)
    examined.levels[name] = LevelResult(
        name, "failed", known.seconds, known.facts, faults, tuple(filter(None, known.not_tested))
    )


def _not_tested(name: LevelName, reason: str) -> LevelResult:
    return LevelResult(name, "not tested", 0.0, not_tested=(reason,))

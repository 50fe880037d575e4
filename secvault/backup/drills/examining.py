"""The examination: choose, look at the repository, restore within the room, ask each level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from secvault.backup import manifest, run
from secvault.backup.database import audit_size
from secvault.backup.drills import early, files_level, repository_level, room, sweep
from secvault.backup.drills.choosing import Choice, choose, repository_for
from secvault.backup.drills.early import Early, Probable
from secvault.backup.drills.ground import Ground, Level
from secvault.backup.drills.order import LATEST, LEVELS
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
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic_answers import RestoreSummary, count_restored
from secvault.backup.restores.parts import manifest_in, manifest_place
from secvault.backup.saving import staged_folder
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


def _wait(_ground: Ground, _levels: Collection[LevelName]) -> None:
    """Begin nothing before it is needed."""


def _unknown() -> int | None:
    return None


@dataclass(frozen=True)
class Beyond:
    """The levels beyond files, and what they need to be known of.

    room: bytes of scratch space that they take beside what is restored. audit_entries_lost: what
    the live audit log has beyond the copy's, when the levels were asked; None: by the manifest.
    begin: called before anything is restored, with the levels that will be asked, which may need
    something that takes long and is no part of it; raises nothing.
    """

    levels: Mapping[LevelName, Level] = field(default_factory=dict)
    room: Callable[[Manifest], int] = _nothing
    audit_entries_lost: Callable[[], int | None] = _unknown
    begin: Callable[[Ground, Collection[LevelName]], None] = _wait


Bring = Callable[[], AbstractContextManager[Beyond]]
"""Gives them for as long as the block runs."""


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


def examine(way: UnderWay, bring: Bring) -> Examined:
    """Do all of it. What is restored lies in the drill's folder afterwards.

    Raises what keeps the drill from being done.
    """
    engine = way.engine
    name = repository_for(engine, way.plan, way.asked)
    way.phase("choosing a snapshot", repository=name)
    repository = engine.opened_repository(name)
    with early.fetching(
        engine, repository, _probable(way, name), way.folder / LISTING, way.cancel
    ) as fetched:
        choice = _chosen(way, name, repository)
        examined = Examined(choice)
        restoring = _Restoring(way, examined, fetched, bring)
        if "repository" in way.asked.levels:
            examined.levels["repository"] = _looked(restoring)
        else:
            restoring.act()
            if restoring.damaged:
                _blame(examined, restoring.damaged)
    for level in LEVELS:
        reason = NOT_ASKED if level not in way.asked.levels else NOT_REACHED
        examined.levels.setdefault(level, _not_tested(level, reason))
    return examined


def _restores(way: UnderWay) -> bool:
    return way.asked.levels != ("repository",)


def _probable(way: UnderWay, name: str) -> Probable | None:
    """The snapshot that is drilled, unless the repository surprises; None: it must be asked."""
    chosen = way.asked.snapshot or way.plan.drill.snapshot
    if not _restores(way) or chosen not in {LATEST, "newest"}:
        return None
    made = repository_level.newest_made(way.engine, way.asked.plan, name)
    return None if made is None else Probable(made, staged_folder(way.engine, way.asked.plan))


def _chosen(way: UnderWay, name: str, repository: Repository) -> Choice:
    choice = choose(way.engine, way.plan, way.asked, name, repository)
    way.phase(
        "fetching the manifest" if _restores(way) else "checking the repository",
        snapshot=choice.snapshot.id,
        snapshot_at=choice.snapshot.time_micros,
        chosen=choice.chosen,
        extent=way.asked.extent,
    )
    return choice


def _looked(restoring: _Restoring) -> LevelResult:
    """The repository level, while the snapshot is restored, if it is to be."""
    way, choice = restoring.way, restoring.examined.choice
    # Now: while it is restored others may save, and this is the newest no more.
    looked = repository_level.look(way.engine, way.asked.plan, choice)
    with repository_level.checking(way.engine, choice.repository, way.cancel) as checked:
        if _restores(way):
            restoring.act()
        looked.take(checked())
    looked.not_tested.append(OTHER_DATA if _restores(way) else DATA)
    looked.add(restoring.damaged)
    return looked.result()


@dataclass
class _Restoring:
    """From the manifest to the last level. damaged: what is found of the repository there."""

    way: UnderWay
    examined: Examined
    fetched: Early
    bring: Bring
    damaged: list[Fault] = field(default_factory=list)
    beyond: Beyond = field(default_factory=Beyond)
    sample: SampleWork | None = None
    listing: Path = Path()

    def act(self) -> None:
        """Fetch the manifest; where it is there, announce, restore, and ask the levels."""
        self._fetch_head()
        if self.examined.head is not None:
            with self.bring() as self.beyond:
                self._restore(self.examined.head, self.listing)

    def _restore(self, head: Manifest, listing: Path) -> None:
        way, examined = self.way, self.examined
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
                examined.used = watched.most

    def _fetch_head(self) -> None:
        """Fetch the manifest of the snapshot; where it is not to be had, that is a fault."""
        way, choice = self.way, self.examined.choice
        try:
            with way.watch.running("fetch"):
                place = manifest_place(choice.snapshot, way.asked.plan)
                wanted = Probable(choice.snapshot.id, place)
                self.listing = self.fetched.taken(wanted) or manifest_in(
                    way.engine,
                    choice.repository,
                    choice.snapshot.id,
                    place,
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
        self.beyond.begin(ground, way.asked.levels)
        with way.watch.running("fetch"):
            if self.sample is None:
                came = self._fetched(ground, ())
            else:
                self._fetched(ground, (literal(self.sample.was_at),))
                self.damaged += self.sample.fetch(ground)
                came = count_restored(tree)
        examined.files, examined.bytes = came.files, came.bytes
        watched.measure()
        return ground

    def _fetched(self, ground: Ground, include: tuple[str, ...]) -> RestoreSummary:
        """Restore the snapshot, or these parts of it; what came."""
        try:
            return ground.engine.restic.restore(
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
            self.damaged += repository_level.of_damage(damage)
            return count_restored(ground.tree)

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

"""The plan's first repository is gone for good: all comes back from another one.

It is a whole drill of that repository, by an engine to which the lost one cannot be reached by any
name: neither its data nor its data keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from secvault.backup import manifest, run
from secvault.backup.drills.ground import Ground, Level, Stopwatch
from secvault.backup.drills.room import for_files
from secvault.backup.drills.scenarios.script import LEVELS, Broken, Script
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Manifest
from secvault.backup.repositories import RepositoriesAtHand
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryUnreachable
from secvault.backup.restic import Snapshot
from secvault.backup.restores.parts import find_snapshot, manifest_in, manifest_place
from secvault.config import PlanSettings, RepositorySettings

LISTING = "listing"
"""The folder in the scenario's own where the manifest lies, fetched before the rest."""


@dataclass(frozen=True)
class WithoutOne(RepositoriesAtHand):
    """Repositories, one of which is taken as lost."""

    lost: str

    def get(self, name: str) -> RepositorySettings:
        """As ever; raises RepositoryUnreachable for the lost one."""
        if name == self.lost:
            raise RepositoryUnreachable(f"the repository {name} is taken as lost")
        return super().get(name)


def without(engine: BackupEngine, plan_name: str, plan: PlanSettings, lost: str) -> BackupEngine:
    """An engine without this repository. plan: as it is now, with another one first."""
    at_hand = engine.repositories
    remaining = WithoutOne(
        at_hand.declared,
        at_hand.declared_names,
        at_hand.store,
        at_hand.key,
        at_hand.openings,
        lost,
    )
    return replace(engine, repositories=remaining, declared={**engine.declared, plan_name: plan})


def play(
    script: Script, levels: Sequence[Level], room: Callable[[Manifest], int] = lambda _head: 0
) -> None:
    """Bring everything back from a copy, and look at it with these levels.

    room: bytes of scratch space that they take beside what is restored. Raises Broken after what it
    found, and what keeps it from being done at all.
    """
    lost = script.plan.repository
    script.repository = lost
    with script.step("first-lost") as said:
        said.words = f"{lost} is taken as lost, with its data keys"
        if not script.plan.copies:
            said.fault(
                "no-second-repository",
                lost,
                f"the plan saves into {lost} alone: with it, everything is lost; give it a copy",
            )
    if not script.plan.copies:
        raise Broken
    engine, plan, chosen = _opened(script, lost)
    ground = _ground(script, engine, plan, chosen)
    with script.step("file-chosen", phase="fetch", damage="manifest-damaged") as said:
        listing = manifest_in(
            engine,
            ground.repository,
            chosen.id,
            manifest_place(chosen, script.plan_name),
            script.folder / LISTING,
            script.cancel,
        )
        head = manifest.read(listing / manifest.NAME)
        script.data_at = head.data_at
        said.words = f"the manifest of the run {head.run}"
    script.require_room(for_files(manifest.entries(head, listing)) + room(head))
    with script.step("restored", phase="restore", damage="pack-damaged") as said:
        done = engine.restic.restore(
            ground.repository,
            chosen.id,
            ground.tree,
            verify=True,
            on_progress=script.on_progress,
            cancel=script.cancel,
        )
        script.files, script.bytes = done.files, done.bytes
        said.words = f"{done.files} files, {done.bytes} bytes"
        staged = run.staged_in(ground.tree, chosen, script.plan_name)
    ground = replace(ground, staged=staged, manifest=head)
    for level in levels:
        script.heed()
        found = level(ground)
        script.mark(found.name)
        script.take(found)
    for phase, seconds in ground.watch.seconds.items():
        script.phases[phase] = script.phases.get(phase, 0.0) + seconds
    script.came_back()
    script.leave_open("a new first repository was not made, and no backup was run into one")


def _opened(script: Script, lost: str) -> tuple[BackupEngine, PlanSettings, Snapshot]:
    """The first of the copies that opens, as the plan's own."""
    failures = 0
    for name in script.plan.copies:
        plan = script.plan.model_copy(update={"repository": name, "copies": ()})
        engine = without(script.engine, script.plan_name, plan, lost)
        script.repository = name
        try:
            with script.step("second-opened", phase="open", damage="snapshot-missing") as said:
                chosen = find_snapshot(engine, script.plan_name, name, None)
                said.words = f"{name}: its newest snapshot is {chosen.id[:16]}"
        except Broken:
            failures += 1
            if failures == len(script.plan.copies):
                raise
            continue
        script.snapshot = chosen
        return engine, plan, chosen
    raise Broken


def _ground(
    script: Script,
    engine: BackupEngine,
    plan: PlanSettings,
    chosen: Snapshot,
) -> Ground:
    scratch, tree = script.folder / LEVELS, script.folder / "tree"
    scratch.mkdir(mode=0o700)
    repository: Repository = engine.opened_repository(plan.repository)
    return Ground(
        engine=engine,
        drill=script.id,
        plan_name=script.plan_name,
        plan=plan,
        repository=repository,
        snapshot=chosen,
        manifest=Manifest(manifest.FORMAT, "", script.plan_name, 0, 0, ""),
        tree=tree,
        staged=tree,
        scratch=scratch,
        whole=True,
        watch=Stopwatch(engine.clock.monotonic),
        cancel=script.cancel,
        on_progress=script.on_progress,
        may_use=script.may_use,
    )

"""The root key is lost, and with it every password: the recovery kit opens the backups.

The repositories are opened by the passwords of the kit alone, and what is restored by its root
keys; nothing that the running vault knows helps, but the credentials of the storage, which no kit
holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from secvault.backup import manifest, run
from secvault.backup.drills.ground import Ground, Stopwatch
from secvault.backup.drills.scenarios.script import LEVELS, Script
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import KEYS, Repository, repository_of
from secvault.backup.restores.parts import find_snapshot
from secvault.backup.restores.selection import pattern_of
from secvault.backup.staging import staging
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput, NotFound
from secvault.service.drill_levels import own_levels
from secvault.service.drill_scenes.opened_kit import OpenedKit, opened_kit
from secvault.service.recovery_kits import Escrowed
from secvault.service.service import Service


@dataclass(frozen=True)
class ByKit(BackupEngine):
    """An engine that opens repositories by given passwords alone."""

    given: Mapping[str, Secret] = field(default_factory=dict)

    def repository(self, name: str) -> Repository:
        """The repository, by the kit's password. Raises NotFound where the kit has none."""
        password = self.given.get(name)
        if password is None:
            raise NotFound(f"the kit holds no password of the repository {name}")
        return repository_of(self.settings_of(name), password, self.environment)


def play(script: Script, live: Service, shares: Sequence[Secret] = ()) -> None:
    """Open secvault's own backup by the kit. shares: of the kit; none: see `opened_kit`.

    Raises Broken after what it found, and what keeps it from being done at all.
    """
    if not script.plan.vault:
        raise InvalidInput.at("scenario", "the plan does not save secvault itself")
    kit = opened_kit(script, live, shares)
    engine = _by_kit(script.engine, kit)
    _open_all(script, engine, kit)
    ground = _restored(script, engine)
    escrowed = Escrowed(kit.head.kit, kit.head.issued_at, kit.secrets.root_keys())
    with own_levels(live, escrow=lambda: escrowed) as levels:
        found = levels.vault(ground)
        script.mark(found.name)
        script.take(found)
        script.audit_entries_lost = levels.audit_entries_lost
    for phase, seconds in ground.watch.seconds.items():
        script.phases[phase] = script.phases.get(phase, 0.0) + seconds
    script.came_back()
    script.leave_open("the storage was reached by this machine's credentials: no kit holds any")


def _by_kit(engine: BackupEngine, kit: OpenedKit) -> ByKit:
    parts = {one.name: getattr(engine, one.name) for one in fields(engine) if one.init}
    given = {one.repository: Secret.of(one.password) for one in kit.secrets.passwords}
    return ByKit(**parts, given=given)


def _open_all(script: Script, engine: ByKit, kit: OpenedKit) -> None:
    """Every repository of the plan, and that of its data keys, is the one that the kit names."""
    known = {one.name: (one.identity, one.keys_identity) for one in kit.head.repositories}
    names = (script.plan.repository, *script.plan.copies)
    script.repository = script.plan.repository
    with script.step("passwords-open", phase="open", damage="kit-does-not-open") as said:
        for name in names:
            if name not in known:
                raise NotFound(f"the kit does not know the repository {name}: issue it anew")
            for each, wanted in zip((name, f"{name}{KEYS}"), known[name], strict=True):
                if engine.restic.identity(engine.repository(each)) != wanted:
                    raise Damaged(f"{each} is another repository than the kit says")
        said.words = f"the kit's passwords open {len(names)} repositories and their data keys"


def _restored(script: Script, engine: ByKit) -> Ground:
    with script.step("snapshot-found", phase="open", damage="snapshot-missing") as said:
        chosen = find_snapshot(engine, script.plan_name, script.repository, None)
        script.snapshot = chosen
        said.words = f"the newest of {script.repository}: {chosen.id[:16]}"
    scratch, tree = script.folder / LEVELS, script.folder / "tree"
    scratch.mkdir(mode=0o700)
    repository = engine.repository(script.repository)
    with script.step("restored", phase="fetch", damage="pack-damaged") as said:
        name = staging(script.plan_name)
        own = [path for path in map(Path, chosen.paths or ()) if path.name == name]
        done = engine.restic.restore(
            repository,
            chosen.id,
            tree,
            include=[pattern_of(path) for path in own],
            verify=True,
            on_progress=script.on_progress,
            cancel=script.cancel,
        )
        staged = run.staged_in(tree, chosen, script.plan_name)
        head = manifest.read(staged / manifest.NAME)
        script.files, script.bytes, script.data_at = done.files, done.bytes, head.data_at
        said.words = f"secvault's own copy: {done.files} files, {done.bytes} bytes"
    return Ground(
        engine=engine,
        drill=script.id,
        plan_name=script.plan_name,
        plan=script.plan,
        repository=repository,
        snapshot=chosen,
        manifest=head,
        tree=tree,
        staged=staged,
        scratch=scratch,
        whole=False,
        watch=Stopwatch(engine.clock.monotonic),
        cancel=script.cancel,
        on_progress=script.on_progress,
        may_use=script.may_use,
    )

"""The work of a restore: fetch what was ordered, prove it, then put it in place or load it.

May be killed at any moment and done again: it begins with an empty scratch folder, and what was put
in place by then is found to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.engine import BackupEngine, in_words
from secvault.backup.restic import Cancel, Progress
from secvault.backup.restores import preview
from secvault.backup.restores.loading import differences, load, look
from secvault.backup.restores.parts import Goal, Parts, below, held_scratch
from secvault.backup.restores.placing import Placing, Tally
from secvault.backup.restores.preview import Load, Preview
from secvault.backup.restores.proving import (
    in_the_way,
    require_as_saved,
    require_free,
    require_room,
)
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Cancelled

OnProgress = Callable[[Progress], None]
OnPhase = Callable[[str], None]


@dataclass(frozen=True)
class LoadedSource:
    """A source that was loaded. facts: what is there now. differences: from what was saved."""

    source: str
    target: str
    facts: Mapping[str, JsonValue]
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What a restore came to. checked: files that were compared with the manifest, `bytes` of them.

    changed_meanwhile: those that were written while they were saved, so that nothing can be said of
    them. targets: what was put in place, by its path there.
    """

    snapshot: str
    checked: int
    bytes: int
    tally: Tally
    targets: tuple[str, ...]
    loads: tuple[LoadedSource, ...]
    changed_meanwhile: tuple[str, ...] = ()


def previewed(engine: BackupEngine, parts: Parts, goal: Goal, cancel: Cancel) -> Preview:
    """What the order would do, without doing it. Raises what the kinds of sources raise."""
    order = parts.order
    repository = engine.repository(order.repository)
    entries = engine.restic.ls(repository, parts.snapshot.id)
    targets = {root.path: parts.target_of(root) for root in parts.selection.placed}
    seen = preview.look(entries, parts.selection, targets, engine.scratch)
    sizes = parts.sizes() if parts.selection.loads else {}
    for entry in parts.selection.loads:
        size = sum(sizes.get(Path(path), 0) for path in entry.paths)
        into = goal.loads[entry.name]
        meets = look(engine, order, entry, into, cancel)
        seen.loads.append(Load(entry.name, entry.kind, into.words, size, meets))
    return seen


def restore(
    engine: BackupEngine,
    work: str,
    parts: Parts,
    goal: Goal,
    *,
    on_phase: OnPhase,
    on_progress: OnProgress,
    cancel: Cancel,
) -> Restored:
    """Do what was ordered. work: names the scratch folder; the same again begins anew.

    Raises NotFound, InvalidInput, Damaged where something is not as it was saved, Conflict where
    something is in the way (nothing was written then, unless it came meanwhile), StorageFull,
    BackupFailed, Cancelled. What was fetched is removed in any case.
    """
    with held_scratch(engine, work, "files") as folder:
        try:
            return _restored(engine, parts, goal, folder, on_phase, on_progress, cancel)
        except OSError as error:
            raise BackupFailed(f"the restore stopped: {in_words(error)}") from error


def _restored(
    engine: BackupEngine,
    parts: Parts,
    goal: Goal,
    folder: Path,
    on_phase: OnPhase,
    on_progress: OnProgress,
    cancel: Cancel,
) -> Restored:
    order, selection = parts.order, parts.selection
    require_room(engine, parts)
    require_free(engine, parts, goal, cancel)
    on_phase("fetching")
    repository = engine.opened_repository(order.repository)
    engine.restic.restore(
        repository,
        parts.snapshot.id,
        folder,
        include=selection.patterns(),
        verify=True,
        on_progress=on_progress,
        cancel=cancel,
    )
    on_phase("comparing with the manifest")
    compared = require_as_saved(engine, parts, folder)
    placing = Placing(order.existing, goal.guarded, cancel, folder.name[-12:])
    places = [
        (below(folder, root.path), *parts.trusted_of(root, goal.trusted))
        for root in selection.placed
    ]
    for staged, trusted, inner in places:
        placing.look(staged, trusted, inner)
    if placing.tally.conflicting:
        raise in_the_way(placing.tally.conflicting, placing.tally.conflicts[0])
    on_phase("putting in place")
    for staged, trusted, inner in places:
        placing.put(staged, trusted, inner)
    loads: list[LoadedSource] = []
    for entry in selection.loads:
        if cancel.is_set():
            raise Cancelled("stopped on request; what was restored by now stays")
        on_phase(f"loading {entry.name}")
        into = goal.loads[entry.name]
        found = load(engine, order, entry, into, folder, cancel).facts
        different = differences(entry.facts, found)
        loads.append(LoadedSource(entry.name, into.words, found, different))
    return Restored(
        parts.snapshot.id,
        compared.checked,
        compared.bytes,
        placing.tally,
        tuple(str(parts.target_of(root)) for root in selection.placed),
        tuple(loads),
        compared.changed_meanwhile,
    )

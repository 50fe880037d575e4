"""The work of a restore: fetch what was ordered, prove it, then put it in place or load it.

May be killed at any moment and done again: it begins with an empty scratch folder, and what was put
in place by then is found to be the same.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.backup import manifest
from secvault.backup.engine import BackupEngine, in_words
from secvault.backup.manifest import Manifest
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic import Cancel, Progress
from secvault.backup.restores import preview
from secvault.backup.restores.loading import differences, load, look, wish_of
from secvault.backup.restores.parts import Goal, Parts, below, held_scratch
from secvault.backup.restores.placing import Placing, Tally
from secvault.backup.restores.preview import Load, Preview
from secvault.backup.restores.selection import staged_of
from secvault.backup.sources.loading import refuse_overwriting
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Cancelled, Conflict, Damaged, NotFound

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
    for entry in parts.selection.loads:
        places = [Path(path) for path in entry.paths]
        size = sum(
            one.size
            for one in parts.manifest.files
            if any(one.place().is_relative_to(place) for place in places)
        )
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
    wanted = selection.of(parts.manifest)
    _require_room(engine, parts, wanted)
    _require_free(engine, parts, wanted, goal, cancel)
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
    compared = _compared(engine, parts, wanted, folder, repository)
    placing = Placing(order.existing, goal.guarded, cancel, folder.name[-12:])
    places = [
        (below(folder, root.path), *parts.trusted_of(root, goal.trusted))
        for root in selection.placed
    ]
    for staged, trusted, inner in places:
        placing.look(staged, trusted, inner)
    if placing.tally.conflicting:
        raise _in_the_way(placing.tally.conflicting, placing.tally.conflicts[0])
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


def _require_room(engine: BackupEngine, parts: Parts, wanted: Manifest) -> None:
    sizes = {
        root.path: sum(
            entry.size for entry in wanted.files if entry.place().is_relative_to(root.path)
        )
        for root in parts.selection.roots
    }
    targets = {root.path: parts.target_of(root) for root in parts.selection.placed}
    for room in preview.rooms(engine.scratch, sum(sizes.values()), targets, sizes):
        if not room.enough:
            raise StorageFull(
                f"the restore needs {room.needed} bytes in the file system of {room.path}, where "
                f"{room.free} are free; make room and try again, nothing was restored"
            )


def _require_free(
    engine: BackupEngine, parts: Parts, wanted: Manifest, goal: Goal, cancel: Cancel
) -> None:
    """Raises Conflict for what is in the way as far as can be told before anything is fetched."""
    order = parts.order
    if order.existing == "refuse":
        found = [
            target
            for root in parts.selection.placed
            for entry in wanted.files
            if entry.place().is_relative_to(root.path)
            for target in [parts.target_of(root) / entry.place().relative_to(root.path)]
            if _other_there(target, entry)
        ]
        if found:
            raise _in_the_way(len(found), str(found[0]))
    for entry in parts.selection.loads:
        targets = look(engine, order, entry, goal.loads[entry.name], cancel)
        refuse_overwriting(targets, wish_of(order))


def _other_there(target: Path, entry: manifest.FileEntry) -> bool:
    try:
        found = target.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size:
        return True
    if found.st_mtime_ns == entry.modified_ns:
        # As a restore that was killed has put it there; it is compared when the other has come.
        return False
    with target.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() != entry.sha256


def _in_the_way(count: int, first: str) -> Conflict:
    return Conflict(
        f"{count} files or folders are in the way, first {first}; nothing was restored: keep them, "
        "overwrite them, or restore to another place"
    )


def _compared(
    engine: BackupEngine, parts: Parts, wanted: Manifest, folder: Path, repository: Repository
) -> manifest.Comparison:
    """Raises Damaged where a file is missing or not as it was."""
    staged = staged_of(map(Path, parts.snapshot.paths or ()), parts.manifest)
    for root in parts.selection.roots:
        if not _there(below(folder, root.path)):
            raise NotFound(
                f"the snapshot does not hold {root.path}; look into it, or name another snapshot"
            )
    compared = manifest.compare(wanted, folder, settled=staged)
    if compared.missing:
        # What the plan's excludes left out is in the manifest, and in no snapshot.
        kept = {entry.path for entry in engine.restic.ls(repository, parts.snapshot.id)}
        own = f"{staged}/"
        compared = compared.without_missing(
            lambda path: path not in kept and not path.startswith(own)
        )
    if not compared.whole:
        first = (*compared.missing, *compared.different)[0]
        raise Damaged(
            f"what came back is not what was saved: {len(compared.missing)} files missing, "
            f"{len(compared.different)} different, first {first}; nothing was put in place"
        )
    return compared


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True

"""Whether a restore can be done, before anything is fetched, and whether what came is right."""

from __future__ import annotations

import stat
from pathlib import Path

from secvault.backup import holes, manifest, run
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Comparison, FileEntry
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic import Cancel
from secvault.backup.restores import preview
from secvault.backup.restores.loading import look, wish_of
from secvault.backup.restores.parts import Goal, Parts, below
from secvault.backup.restores.selection import staged_of
from secvault.backup.sources.loading import refuse_overwriting
from secvault.errors import Conflict, Damaged, NotFound


def require_room(engine: BackupEngine, parts: Parts) -> None:
    """Raises StorageFull where what is restored does not fit."""
    sizes = parts.sizes()
    targets = {root.path: parts.target_of(root) for root in parts.selection.placed}
    for room in preview.rooms(engine.scratch, sum(sizes.values()), targets, sizes):
        if not room.enough:
            raise StorageFull(
                f"the restore needs {room.needed} bytes in the file system of {room.path}, where "
                f"{room.free} are free; make room and try again, nothing was restored"
            )


def require_free(engine: BackupEngine, parts: Parts, goal: Goal, cancel: Cancel) -> None:
    """Raises Conflict for what is in the way as far as can be told before anything is fetched."""
    order = parts.order
    if order.existing == "refuse":
        count, first = 0, ""
        for entry in parts.entries():
            if entry.is_file() and _other_there(parts, entry):
                count, first = count + 1, first or entry.path
        if count:
            raise in_the_way(count, first)
    for source in parts.selection.loads:
        targets = look(engine, order, source, goal.loads[source.name], cancel)
        refuse_overwriting(targets, wish_of(order))


def in_the_way(count: int, first: str) -> Conflict:
    """The error for so many things that the order does not let go."""
    return Conflict(
        f"{count} files or folders are in the way, first {first}; nothing was restored: keep them, "
        "overwrite them, or restore to another place"
    )


def require_as_saved(engine: BackupEngine, parts: Parts, folder: Path) -> Comparison:
    """Compare what was fetched into the folder with the manifest.

    Raises NotFound for a path that the snapshot does not hold; Damaged where something is missing
    or not as it was.
    """
    for root in parts.selection.roots:
        if not _there(below(folder, root.path)):
            raise NotFound(
                f"the snapshot does not hold {root.path}; look into it, or name another snapshot"
            )
    order, head = parts.order, parts.head
    staged = staged_of(map(Path, parts.snapshot.paths or ()), head)
    holes.dig(parts.entries(), folder, engine.environment)
    compared = manifest.compare(parts.entries(), folder, settled=staged)
    compared = run.judged(engine, head, compared, order.repository, parts.snapshot.id, staged)
    if not compared.whole:
        raise Damaged(
            f"what came back is not what was saved: {len(compared.missing)} things missing, "
            f"{len(compared.different)} different, {len(compared.altered)} altered, first "
            f"{compared.first_fault}; nothing was put in place"
        )
    return compared


def _other_there(parts: Parts, entry: FileEntry) -> bool:
    place = entry.place()
    root = parts.selection.root_of(place)
    if root is None or root not in parts.selection.placed:
        return False
    target = parts.target_of(root) / place.relative_to(root.path)
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
        return not entry.has_content(content)


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True

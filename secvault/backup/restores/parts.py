"""An order and the snapshot that it is about, looked into before anything is done."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup import manifest
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import FileEntry, Manifest
from secvault.backup.repository import Repository
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.backup.restores.loading import Destination
from secvault.backup.restores.order import Folder, Order
from secvault.backup.restores.selection import Root, Selection, pattern_of, select
from secvault.backup.restores.target import Guarded
from secvault.backup.sources.source import leads_nowhere_else
from secvault.errors import Conflict, Damaged, NotFound

SCRATCH = "restore-"
"""How the names of the scratch folders of restores begin."""


@dataclass(frozen=True)
class Goal:
    """Where an order leads, as resolved by whoever may say so.

    loads: for each source that is loaded, where to. guarded: what is never written over. trusted:
    of the folder that the order names, what the settings name themselves; links below it are not
    followed.
    """

    guarded: Guarded
    loads: Mapping[str, Destination] = field(default_factory=dict)
    trusted: Path | None = None


@dataclass(frozen=True)
class Parts:
    """An order and the snapshot that it is about, looked into.

    head: of the snapshot's manifest. listing: the folder where that lies, as long as it is needed.
    """

    order: Order
    snapshot: Snapshot
    head: Manifest
    listing: Path
    selection: Selection

    def entries(self) -> Iterator[FileEntry]:
        """What the manifest has of all that is restored. Raises Damaged."""
        for entry in manifest.entries(self.head, self.listing):
            if self.selection.root_of(entry.place()) is not None:
                yield entry

    def sizes(self) -> dict[Path, int]:
        """The bytes of the files of each root, by its path."""
        sizes = dict.fromkeys((root.path for root in self.selection.roots), 0)
        for entry in self.entries():
            root = self.selection.root_of(entry.place())
            if root is not None:
                sizes[root.path] += entry.size
        return sizes

    def target_of(self, root: Root) -> Path:
        """Where a root belongs."""
        place = self.order.place
        if isinstance(place, Folder):
            return Path(place.path, *root.path.parts[1:])
        return root.path

    def trusted_of(self, root: Root, trusted: Path | None) -> tuple[Path, tuple[str, ...]]:
        """The same in two parts: what the plan or the settings name themselves, and the rest."""
        place = self.order.place
        if isinstance(place, Folder):
            start = trusted or Path(place.path)
            return start, self.target_of(root).relative_to(start).parts
        return root.base, root.path.relative_to(root.base).parts


def find_snapshot(
    engine: BackupEngine, plan: str, repository: str, snapshot_id: str | None
) -> Snapshot:
    """A snapshot of the plan in one of its repositories: by its id or the beginning of it.

    snapshot_id: None for the newest. Raises NotFound.
    """
    opened = engine.repository(repository)
    found = engine.restic.snapshots(opened, tags=(f"plan={plan}",))
    if snapshot_id is None:
        if not found:
            raise NotFound(f"{plan} has no snapshot in {repository}: run `secvault backup run`")
        return found[-1]
    fitting = [one for one in found if snapshot_id and one.id.startswith(snapshot_id)]
    if len(fitting) != 1:
        raise NotFound(
            f"{plan} has {len(fitting)} snapshots in {repository} whose id begins with "
            f"{snapshot_id}"
        )
    return fitting[0]


@contextmanager
def looked_into(engine: BackupEngine, work: str, order: Order, cancel: Cancel) -> Iterator[Parts]:
    """Read the manifest of the snapshot, and find in it what the order means.

    work: names the scratch folder, which is there as long as the block runs. Raises NotFound,
    InvalidInput, Damaged.
    """
    repository = engine.opened_repository(order.repository)
    saved = find_snapshot(engine, order.plan, order.repository, order.snapshot)
    if not all(map(leads_nowhere_else, saved.paths or ())):
        raise Damaged("the snapshot names a path that is not absolute, or leads out of its folder")
    with held_scratch(engine, work, "look") as folder:
        place = manifest_place(saved, order.plan)
        listing = manifest_in(engine, repository, saved.id, place, folder, cancel)
        head = manifest.read(listing / manifest.NAME)
        if head.plan != order.plan:
            raise Damaged(f"the manifest in the snapshot is of the plan {head.plan!r}")
        selection = select(order, head, saved.paths or ())
        yield Parts(order, saved, head, listing, selection)


@contextmanager
def held_scratch(engine: BackupEngine, work: str, what: str) -> Iterator[Path]:
    """An empty scratch folder, removed at the end; before it, what killed restores have left.

    Raises Conflict while another process does the same work, BackupFailed, OSError.
    """
    _sweep(engine)
    name = scratch_name(work, what)
    if (engine.scratch / name).exists():
        raise Conflict("another process is at this restore; wait for it")
    folder = engine.fresh_folder(name)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        if os.fstat(held).st_nlink == 0:
            raise Conflict("another restore took the folder away as it began; try again")
        yield folder
    finally:
        engine.clear(folder)
        os.close(held)


def _sweep(engine: BackupEngine) -> None:
    """Remove the folders of restores whose process holds them no more."""
    for folder in engine.scratch.glob(f"{SCRATCH}*"):
        try:
            seen = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            # Its own process has just removed it.
            continue
        try:
            fcntl.flock(seen, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            engine.clear(folder)
        finally:
            os.close(seen)


def below(folder: Path, path: Path) -> Path:
    """Where restic puts a path when it restores into the folder."""
    return folder.joinpath(*path.parts[1:])


def scratch_name(work: str, what: str) -> str:
    """The name of a folder in the scratch space for a piece of work."""
    # Ids of jobs hold colons and are long; a folder's name should be neither.
    return f"{SCRATCH}{what}-{hashlib.sha256(work.encode()).hexdigest()[:32]}"


def manifest_place(saved: Snapshot, plan: str) -> Path:
    """The folder of the snapshot that holds the manifest. Raises Damaged."""
    tops = [Path(path) for path in saved.paths or ()]
    place = next((path for path in tops if path.name == f"staging-{plan}"), None)
    if place is None:
        raise Damaged("the snapshot holds no staged copy; it was not made by a backup run")
    return place


def manifest_in(
    engine: BackupEngine,
    repository: Repository,
    snapshot: str,
    place: Path,
    folder: Path,
    cancel: Cancel,
) -> Path:
    """Bring the manifest alone into the folder; where it lies now.

    snapshot: its id. place: see `manifest_place`. Raises what `Restic.restore` raises.
    """
    engine.restic.restore(
        repository,
        snapshot,
        folder,
        include=[pattern_of(place / name) for name in (manifest.NAME, manifest.ENTRIES)],
        verify=True,
        on_progress=_unseen,
        cancel=cancel,
    )
    return below(folder, place)


def _unseen(_progress: Progress) -> None:
    """The manifest is small beside what follows."""

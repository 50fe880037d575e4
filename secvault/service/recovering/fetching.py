"""Fetching a snapshot with its data keys, and proving it by the manifest that was saved with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from secvault.backup import arbiter, key_file, keys_apart, manifest, run
from secvault.backup.manifest import Comparison, Manifest
from secvault.backup.repository_faults import RepositoryDenied, RepositoryUnreachable
from secvault.backup.restic import Cancel, Progress, Restic
from secvault.backup.restic_looking import all_entries
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.restored_copy import require_plain
from secvault.errors import Cancelled, Damaged, NotFound, SecvaultError
from secvault.service.recovering import place as places
from secvault.service.recovering.storage import Candidate, Reached, run_of

NEVER = NeverCancelled()
OnProgress = Callable[[Progress], None]
Skip = Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """A snapshot that is here, whole. tree: what was restored, under its full paths of then.

    staged: secvault's own copy in it. keys: the files of data keys, empty for a plan without the
    vault, and for copies of before they lay apart.
    """

    candidate: Candidate
    tree: Path
    staged: Path
    head: Manifest
    compared: Comparison
    keys: tuple[Path, ...]


class NothingWhole(NotFound):
    """No snapshot in any repository that can be reached came back whole."""

    code = "nothing-whole"
    title = "No whole snapshot was found"


def fetch_newest(
    restic: Restic,
    plan: str,
    found: tuple[Candidate, ...],
    folder: Path,
    skip: Skip,
    on_progress: OnProgress,
    cancel: Cancel = NEVER,
) -> Fetched:
    """Bring back the newest snapshot that is whole; each that is not is told to `skip`.

    folder: emptied before each. Raises NothingWhole, and what is no fault of a snapshot: a full
    disk, a missing program.
    """
    for candidate in found:
        try:
            return fetch(restic, plan, candidate, folder, on_progress, cancel)
        except (Damaged, NotFound, RepositoryUnreachable, RepositoryDenied) as error:
            skip(
                f"the snapshot {candidate.snapshot.id[:8]} of "
                f"{candidate.snapshot.time:%Y-%m-%d %H:%M} UTC in {candidate.reached.name}: "
                f"{error.detail}"
            )
    raise NothingWhole(
        f"{len(found)} snapshots of {plan} were tried, and none came back whole; look for another "
        "copy of the repository, and name it with --at NAME=LOCATION"
        if found
        else f"no repository that can be reached holds a snapshot of {plan}"
    )


def fetch(
    restic: Restic,
    plan: str,
    candidate: Candidate,
    folder: Path,
    on_progress: OnProgress,
    cancel: Cancel = NEVER,
) -> Fetched:
    """Bring back one snapshot, and every file of it compared. Raises Damaged, NotFound, ..."""
    places.fresh(folder)
    tree, reached, saved = folder / "tree", candidate.reached, candidate.snapshot
    restic.restore(
        reached.repository,
        saved.id,
        tree,
        verify=True,
        on_progress=on_progress,
        cancel=cancel,
        locked=False,
    )
    staged = run.staged_in(tree, saved, plan)
    require_plain(tree, staged)
    was_at = Path("/") / staged.relative_to(tree)
    head = manifest.read(staged / manifest.NAME)
    if head.plan != plan:
        raise Damaged(f"the manifest in the snapshot is of the plan {head.plan!r}")
    compared = manifest.compare(manifest.entries(head, staged), tree, settled=was_at)
    if compared.absent or compared.altered:
        entries = all_entries(restic, reached.repository, saved.id, cancel)
        compared = arbiter.judged(compared, entries, settled=was_at)
    if not compared.whole:
        raise Damaged(
            f"{len(compared.missing)} files missing, {len(compared.different)} different, "
            f"{len(compared.altered)} altered, first {compared.first_fault}"
        )
    keys: tuple[Path, ...] = ()
    if head.keys_apart:
        keys = _keys(restic, plan, head.run, candidate, folder / keys_apart.FOLDER, cancel)
    return Fetched(candidate, tree, staged, head, compared, keys)


def again(plan: str, candidate: Candidate, folder: Path) -> Fetched | None:
    """What a process that was killed had fetched and proven, if it is still as the manifest says.

    None where it has to be fetched anew, and where it is of another run than the candidate: another
    snapshot was chosen, or this one had not come back whole.
    """
    tree = folder / "tree"
    try:
        staged = run.staged_in(tree, candidate.snapshot, plan)
        require_plain(tree, staged)
        was_at = Path("/") / staged.relative_to(tree)
        head = manifest.read(staged / manifest.NAME)
        compared = manifest.compare(manifest.entries(head, staged), tree, settled=was_at)
        keys = tuple(sorted((folder / keys_apart.FOLDER).glob("*.jsonl")))
        for file in keys:
            key_file.head_of(file)
    except (SecvaultError, OSError):
        return None
    if head.plan != plan or head.run != candidate.run:
        return None
    if compared.missing or compared.different or compared.unreadable:
        return None
    if head.keys_apart and not keys:
        return None
    return Fetched(candidate, tree, staged, head, compared, keys)


def with_newer_keys(
    restic: Restic,
    plan: str,
    fetched: Fetched,
    others: Iterable[Reached],
    folder: Path,
    skip: Skip,
    cancel: Cancel = NEVER,
) -> Fetched:
    """The same with the newest data keys of other repositories, where those are newer.

    Who was erased after the newest keys beside the snapshot stands in these alone, as where a copy
    has lagged behind. What cannot be read is told to `skip`.
    """
    if not fetched.head.keys_apart:
        return fetched
    own, tags = fetched.candidate.reached, (keys_apart.TAG, f"plan={plan}")
    here = restic.snapshots(own.keys, tags=tags, locked=False)
    newest = max((one.time_micros for one in here), default=0)
    # A copy of what is here is saved a little later, and knows no more.
    known = {run_of(one) for one in here}
    keys = {*fetched.keys}
    for other in others:
        if other.name == own.name:
            continue
        try:
            found = restic.snapshots(other.keys, tags=tags, locked=False)
            if found and found[-1].time_micros > newest and run_of(found[-1]) not in known:
                target = folder / keys_apart.FOLDER
                keys |= {
                    *keys_apart.bring(
                        restic, other.keys, found[-1:], "", target, cancel, locked=False
                    )
                }
        except Cancelled:
            raise
        except SecvaultError as error:
            skip(
                f"the data keys beside {other.name}, which may know of later erasures: "
                f"{error.detail}"
            )
    return replace(fetched, keys=tuple(sorted(keys)))


def _keys(
    restic: Restic, plan: str, run_id: str, candidate: Candidate, target: Path, cancel: Cancel
) -> tuple[Path, ...]:
    """The newest data keys of the plan, and those of the run itself; see `keys_apart.fetch`."""
    repository = candidate.reached.keys
    found = restic.snapshots(repository, tags=(keys_apart.TAG, f"plan={plan}"), locked=False)
    if not found:
        raise NotFound(f"there are no data keys of {plan} beside it")
    return keys_apart.bring(restic, repository, found, run_id, target, cancel, locked=False)

"""What restic is given of a staged run: the paths, what it leaves out, and the manifest of it all.

The paths are listed and hashed while restic opens the repository; it waits for the end of that
before it reads anything (`late_words`). So the manifest costs a run next to nothing when little has
changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from secvault.backup import excludes, manifest
from secvault.backup.engine import BackupEngine, in_words
from secvault.backup.listing import keep, list_places
from secvault.backup.repository import KEYS, LocalFolder, parse_location
from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.restic import Cancel, ResticVersion
from secvault.backup.sources.folders import outermost, usable_paths
from secvault.backup.sources.source import SourceEntry
from secvault.backup.walking import Identity, Place, Walk
from secvault.config import PlanSettings
from secvault.config.backup_sources import FoldersSource
from secvault.errors import Cancelled, ConfigurationError

ODD_LINKS: ResticVersion = (0, 16, 0)
"""The first version that saves links to names that are not UTF-8."""


@dataclass(frozen=True)
class ToSave:
    """What restic is given: absolute paths, the staged copy first, and what it leaves out.

    found_out: what it leaves out besides, known when all is listed and the manifest is written.
    """

    paths: tuple[Path, ...]
    excludes: tuple[str, ...]
    found_out: Future[Sequence[str]]


def staged_folder(engine: BackupEngine, plan_name: str) -> Path:
    """The folder in the scratch space that the plan's copy is made in."""
    return engine.scratch / f"staging-{plan_name}"


def plan_folders(engine: BackupEngine, plan_name: str, plan: PlanSettings) -> tuple[Path, ...]:
    """The plan's folders, absolute. Raises SourceUnreadable, ConfigurationError."""
    setting = f"backup.plans.{plan_name}.folders"
    folders = outermost(usable_paths(plan.folders, setting))
    refuse_own(engine, plan, folders, _of_plan(plan, plan_name), setting)
    return folders


def refuse_own(
    engine: BackupEngine,
    plan: PlanSettings,
    paths: Iterable[Path],
    left_out: Iterable[str],
    setting: str,
) -> None:
    """Refuse paths that hold secvault's own data, its keys, or the repository that they go to.

    left_out: patterns; what they leave out is not held. Raises ConfigurationError.
    """
    out = excludes.Excludes(left_out)
    for path in paths:
        real = path.resolve()
        for own in own_places(engine, plan):
            there = own.resolve()
            inside = there.is_relative_to(real)
            if real.is_relative_to(there) or (
                inside and not out.match(str(path / there.relative_to(real)))
            ):
                # The live database, half copies, and maybe the seal's key: a backup alone would
                # open.
                raise ConfigurationError(
                    f"{setting}: {path} holds secvault's own data folder, keys or backups ({own}), "
                    "whose content is backed up in its own way; name the folders beside it, or "
                    "exclude it by its full path"
                )


def own_places(engine: BackupEngine, plan: PlanSettings) -> tuple[Path, ...]:
    """What no folder of a plan may bring into a backup: our data, keys, and local repositories."""
    locations = []
    for name in (plan.repository, *plan.copies):
        locations += [engine.settings_of(name).location, engine.settings_of(name + KEYS).location]
    repositories = [parse_location(one) for one in locations]
    return (
        engine.scratch,
        engine.kept,
        *engine.openings.closed,
        *(one.path for one in repositories if isinstance(one, LocalFolder)),
    )


def patterns(
    engine: BackupEngine, plan: PlanSettings, plan_name: str, sources: Iterable[SourceEntry]
) -> tuple[str, ...]:
    """What the plan and its sources leave out; never anything of what was staged.

    Raises ConfigurationError.
    """
    entries = tuple(sources)
    chosen = (*_of_plan(plan, plan_name), *(one for entry in entries for one in entry.excludes))
    if not chosen:
        return ()
    ours = (
        staged_folder(engine, plan_name),
        *(
            place.path
            for place in _of_sources(engine, plan, plan_name, entries)
            if not place.strange
        ),
    )
    return (*chosen, *(f"!{excludes.literal(path)}" for path in ours))


@contextmanager
def listing(
    engine: BackupEngine,
    plan: PlanSettings,
    plan_name: str,
    cancel: Cancel,
    on_listed: Callable[[], object],
) -> Iterator[ToSave]:
    """List what is staged and the plan's folders in the background, into the manifest.

    on_listed: called there when the manifest is written. Where the block ends before, the listing
    is stopped. Raises ConfigurationError, Damaged; what is found out raises these,
    SourceUnreadable, Cancelled, OSError, and what `on_listed` raises.
    """
    staged = staged_folder(engine, plan_name)
    head = manifest.read(staged / manifest.NAME)
    left_out = patterns(engine, plan, plan_name, head.sources)
    folders = plan_folders(engine, plan_name, plan)
    outside = _of_sources(engine, plan, plan_name, head.sources)
    places = (
        Place(staged, with_root=False, without=(manifest.NAME, manifest.ENTRIES), strange=False),
        *(Place(folder) for folder in folders),
        *outside,
    )
    _refuse_overlap(places, plan_name)
    walk = Walk(excludes.Excludes(left_out), _identities(own_places(engine, plan)))
    given_up = threading.Event()

    def heed() -> None:
        if given_up.is_set() or cancel.is_set():
            raise Cancelled("stopped on request; nothing was saved yet")

    def list_all() -> Sequence[str]:
        _list(engine, plan_name, head, places, walk, heed)
        on_listed()
        return tuple(walk.left_out)

    paths = (staged, *folders, *(place.path for place in outside))
    with ThreadPoolExecutor(1, thread_name_prefix="listing") as pool:
        try:
            yield ToSave(paths, left_out, pool.submit(list_all))
        finally:
            given_up.set()


def _list(
    engine: BackupEngine,
    plan_name: str,
    head: manifest.Manifest,
    places: Sequence[Place],
    walk: Walk,
    heed: Callable[[], None],
) -> None:
    staged = staged_folder(engine, plan_name)
    target = staged.with_name(f"listing-{plan_name}.jsonl")
    earlier = engine.kept / plan_name / "listed.jsonl"
    try:
        listed = list_places(places, walk, earlier, target, heed)
        _require_readable(walk)
        _require_links_saved(engine, walk)
        keep(target, earlier)
        target.replace(staged / manifest.ENTRIES)
    finally:
        target.unlink(missing_ok=True)
    manifest.write(
        # It may have been staged by an older version, and lines of a file are what they are now.
        msgspec.structs.replace(
            head, format=manifest.FORMAT, listed=listed, left_out=tuple(walk.left_out)
        ),
        staged / manifest.NAME,
    )


def _of_plan(plan: PlanSettings, plan_name: str) -> tuple[str, ...]:
    found: list[str] = []
    for pattern in filter(None, plan.excludes):
        try:
            found.extend(excludes.for_restic(pattern))
        except ValueError as error:
            raise ConfigurationError(
                f"backup.plans.{plan_name}.excludes: {pattern!r} {error}"
            ) from None
    return tuple(found)


def _of_sources(
    engine: BackupEngine, plan: PlanSettings, plan_name: str, sources: Iterable[SourceEntry]
) -> tuple[Place, ...]:
    """The places of the sources that lie outside the staged copy, with the rules of each."""
    staged, found = staged_folder(engine, plan_name), []
    for entry in sources:
        settings = plan.sources.get(entry.name)
        for path in map(Path, entry.paths):
            if path.is_relative_to(staged):
                continue
            if isinstance(settings, FoldersSource):
                found.append(
                    Place(
                        path,
                        one_file_system=settings.one_file_system,
                        exclude_caches=settings.exclude_caches,
                        exclude_larger_than=settings.exclude_larger_than,
                    )
                )
            else:
                found.append(Place(path, strange=entry.kind == "folders"))
    return tuple(found)


def _refuse_overlap(places: Iterable[Place], plan_name: str) -> None:
    # Of ours lies only what was left out there (`refuse_own`).
    paths = sorted(place.path for place in places if place.strange)
    for one, other in pairwise(paths):
        if other.is_relative_to(one):
            raise ConfigurationError(
                f"backup.plans.{plan_name}: {other} lies in {one}, which is saved too; what one of "
                "them leaves out could not be told from what the other saves: name it once"
            )


def _identities(places: Iterable[Path]) -> frozenset[Identity]:
    found = []
    for place in places:
        try:
            there = place.stat()
        except OSError:
            continue
        found.append((there.st_dev, there.st_ino))
    return frozenset(found)


def _require_links_saved(engine: BackupEngine, walk: Walk) -> None:
    """Refuse what would come back as something else, in a snapshot that looks good."""
    if walk.odd_links and engine.restic.version() < ODD_LINKS:
        raise SourceUnreadable(
            f"{len(walk.odd_links)} links lead to names that are not UTF-8, first "
            f"{walk.odd_links[0]}; restic before 0.16 would save other names: "
            "exclude them, or install a newer restic",
            unreadable=walk.odd_links,
        )


def _require_readable(walk: Walk) -> None:
    if not walk.troubles:
        return
    unreadable = [in_words(error) for error in walk.unreadable]
    raise SourceUnreadable(
        f"{walk.troubles} files or folders cannot be read, first {unreadable[0]}; make them "
        "readable or exclude them, and run the backup again",
        unreadable=unreadable,
    )

"""The files level: every file as it was, by the manifest that was written when it was backed up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from secvault.backup import holes, manifest, run
from secvault.backup.drills.drawing import Draw, count_files
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.repository_level import MOST_NAMED
from secvault.backup.drills.result import Fact, Fault, FaultCode, LevelResult
from secvault.backup.file_entry import FileEntry
from secvault.backup.manifest import Altered, Comparison
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import SPARSE
from secvault.errors import Damaged

_LOW_PRIORITY = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Sampled:
    """What a sample came to. seconds: of each part, what its comparison took, in their order."""

    level: LevelResult
    found: int
    seconds: tuple[float, ...]


def examine(ground: Ground) -> LevelResult:
    """Compare all that was restored with the manifest."""

    def act() -> Comparison:
        return _compared(ground, lambda: manifest.entries(ground.manifest, ground.staged))

    return _level(ground, act)


def examine_sample(ground: Ground, drawn: Draw) -> Sampled:
    """Compare the files of a sample, and all of the staged copy, which is restored whole.

    Folders above files of a sample come back without their modes and times: they, links and special
    files are not compared.
    """
    settled = as_saved(ground)
    seconds: list[float] = []
    faulty: set[str] = set()

    def staged() -> Iterator[FileEntry]:
        listed = manifest.entries(ground.manifest, ground.staged)
        return (entry for entry in listed if entry.is_below(settled))

    def act() -> Comparison:
        own = _compared(ground, staged)
        parts = []
        for part in drawn.parts:
            began = ground.engine.clock.monotonic()
            parts.append(_compared(ground, partial(iter, part)))
            seconds.append(ground.engine.clock.monotonic() - began)
        sample = joined(parts)
        faulty.update(_faulty(sample))
        return joined([own, sample])

    level = _level(ground, act)
    open_ = (
        f"files outside of the sample: {drawn.population - drawn.size} of {drawn.population}",
        "folders, links and special files outside of secvault's own copy",
    )
    facts = (*level.facts, Fact("sample-seed", drawn.seed))
    found = count_files(entry for entry in drawn.entries if entry.path in faulty)
    told = replace(level, facts=facts, not_tested=(*level.not_tested, *open_))
    return Sampled(told, found, tuple(seconds))


def as_saved(ground: Ground) -> Path:
    """The staged folder by its path when it was saved."""
    return Path("/") / ground.staged.relative_to(ground.tree)


def joined(parts: Iterable[Comparison]) -> Comparison:
    """The comparisons of several parts as one."""
    parts = list(parts)
    return Comparison(
        checked=sum(one.checked for one in parts),
        bytes=sum(one.bytes for one in parts),
        missing=tuple(path for one in parts for path in one.missing),
        different=tuple(path for one in parts for path in one.different),
        changed_meanwhile=tuple(path for one in parts for path in one.changed_meanwhile),
        left_out=tuple(path for one in parts for path in one.left_out),
        entries=sum(one.entries for one in parts),
        altered=tuple(each for one in parts for each in one.altered),
        absent=tuple(each for one in parts for each in one.absent),
        filled=sum(one.filled for one in parts),
        owners=all(one.owners for one in parts),
        unreadable=tuple(path for one in parts for path in one.unreadable),
    )


def _level(ground: Ground, act: Callable[[], Comparison]) -> LevelResult:
    began = ground.engine.clock.monotonic()
    faults: tuple[Fault, ...]
    compared: Comparison | None = None
    try:
        with ground.watch.running("verify"):
            compared = _aside(act, gentle=ground.plan.drill.gentle)
        faults = (*_faults(compared),)
    except RepositoryDamaged:
        raise
    except Damaged as damage:
        faults = (Fault("manifest-damaged", ground.snapshot.id, damage.detail),)
    return LevelResult(
        "files",
        "failed" if faults else "passed",
        ground.engine.clock.monotonic() - began,
        () if compared is None else (*_facts(compared),),
        faults,
        () if compared is None else (*_not_tested(compared),),
    )


def _compared(ground: Ground, listed: Callable[[], Iterable[FileEntry]]) -> Comparison:
    engine, settled = ground.engine, as_saved(ground)

    def heeded() -> Iterator[FileEntry]:
        for entry in listed():
            ground.heed()
            yield entry

    if engine.restic.version() < SPARSE:
        holes.dig(heeded(), ground.tree, engine.environment)
    compared = manifest.compare(heeded(), ground.tree, settled=settled)
    if any(not one.folder for one in compared.absent):
        # Of a sample. Who was removed while the backup ran is told by the time of the folder.
        whole = manifest.entries(ground.manifest, ground.staged)
        compared = manifest.in_folders(compared, whole)
    return run.judged_in(
        engine.restic,
        ground.plan,
        ground.repository,
        ground.manifest,
        compared,
        ground.snapshot.id,
        settled,
    )


def _aside(act: Callable[[], T], *, gentle: bool) -> T:
    """Do it in a thread of its own, whose priority can be lowered and ends with it."""
    if not gentle:
        return act()

    def lower() -> None:
        # Of this thread alone, on Linux; where it may not be, it is not.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)

    with ThreadPoolExecutor(1, "drill-files", initializer=lower) as pool:
        return pool.submit(act).result()


def _faulty(compared: Comparison) -> Iterator[str]:
    yield from (*compared.missing, *compared.different, *compared.unreadable)
    yield from (one.entry.path for one in compared.altered)


def _faults(compared: Comparison) -> Iterator[Fault]:
    for path in compared.missing[:MOST_NAMED]:
        yield Fault("file-missing", path, "was saved, and did not come back")
    for path in compared.different[:MOST_NAMED]:
        yield Fault("file-changed", path, "came back with another content, or is something else")
    for path in compared.unreadable[:MOST_NAMED]:
        yield Fault("file-unreadable", path, "came back, and cannot be read")
    for one in compared.altered[:MOST_NAMED]:
        yield Fault(_code_of(one), one.entry.path, f"came back altered: {'; '.join(one.words)}")


def _code_of(one: Altered) -> FaultCode:
    return "file-mode" if any(word.startswith("mode ") for word in one.words) else "file-changed"


def _facts(compared: Comparison) -> Iterator[Fact]:
    yield Fact("files-compared", compared.checked)
    yield Fact("bytes-compared", compared.bytes)
    yield Fact("entries-compared", compared.entries)
    for name, number in (
        ("files-missing", len(compared.missing)),
        ("files-changed", len(compared.different)),
        ("files-unreadable", len(compared.unreadable)),
        ("files-altered", len(compared.altered)),
        ("files-changed-meanwhile", len(compared.changed_meanwhile)),
        ("files-left-out", len(compared.left_out)),
        ("holes-filled", compared.filled),
    ):
        if number:
            yield Fact(name, number)


def _not_tested(compared: Comparison) -> Iterator[str]:
    if compared.changed_meanwhile:
        count, first = len(compared.changed_meanwhile), compared.changed_meanwhile[0]
        yield f"files that were written while the backup ran: {count}, the first {first}"
    if not compared.owners:
        yield "owners of files, which only root can restore"

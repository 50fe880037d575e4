"""The files level: every file as it was, by the manifest that was written when it was backed up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from secvault.backup import holes, manifest, run
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.repository_level import MOST_NAMED
from secvault.backup.drills.result import Fact, Fault, FaultCode, LevelResult
from secvault.backup.file_entry import FileEntry
from secvault.backup.manifest import Altered, Comparison
from secvault.backup.restic import SPARSE
from secvault.errors import Damaged

_LOW_PRIORITY = 10
Only = Callable[[FileEntry], bool]


def examine(ground: Ground, only: Only | None = None) -> LevelResult:
    """Compare what was restored with the manifest. only: of a sample, what was restored of it."""
    began = ground.engine.clock.monotonic()
    faults: tuple[Fault, ...]
    compared: Comparison | None = None
    try:
        with ground.watch.running("verify"):
            compared = _compared(ground, only)
        faults = (*_faults(compared),)
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


def _compared(ground: Ground, only: Only | None) -> Comparison:
    engine, settled = ground.engine, _as_saved(ground)

    def heeded(entries: Iterable[FileEntry]) -> Iterator[FileEntry]:
        for entry in entries:
            ground.heed()
            if only is None or only(entry):
                yield entry

    def listed() -> Iterator[FileEntry]:
        return heeded(manifest.entries(ground.manifest, ground.staged))

    def act() -> Comparison:
        if engine.restic.version() < SPARSE:
            there = (one for one in listed() if os.path.lexists(one.below(ground.tree)))
            holes.dig(there, ground.tree, engine.environment)
        return manifest.compare(listed(), ground.tree, settled=settled)

    compared = _aside(act, gentle=ground.plan.drill.gentle)
    return run.judged_in(
        engine.restic,
        ground.plan,
        ground.repository,
        ground.manifest,
        compared,
        ground.snapshot.id,
        settled,
    )


def _as_saved(ground: Ground) -> Path:
    """The staged folder by its path when it was saved."""
    return Path("/") / ground.staged.relative_to(ground.tree)


def _aside(act: Callable[[], Comparison], *, gentle: bool) -> Comparison:
    """Do it in a thread of its own, whose priority can be lowered and ends with it."""
    if not gentle:
        return act()

    def lower() -> None:
        # Of this thread alone, on Linux; where it may not be, it is not.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)

    with ThreadPoolExecutor(1, "drill-files", initializer=lower) as pool:
        return pool.submit(act).result()


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

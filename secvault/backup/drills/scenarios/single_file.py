"""One file was deleted: it comes back from the newest snapshot, and alone.

The file is drawn from those of the snapshot, or named. The real one stays where it is, and that
nothing was done to it is looked at, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from secvault.backup import staging
from secvault.backup.drills.scenarios.script import Script
from secvault.backup.file_entry import FileEntry, differences
from secvault.backup.restores import restoring
from secvault.backup.restores.order import Folder, Order
from secvault.backup.restores.parts import Goal, Parts, below, find_snapshot, looked_into
from secvault.backup.restores.selection import select
from secvault.backup.restores.target import Guarded
from secvault.errors import NotFound

BACK = "back"
"""The folder in the scenario's own that the file is brought back to."""


class Drawing(Protocol):
    """A number from 0 to below `bound`, each as likely as any other."""

    def __call__(self, bound: int) -> int: ...


def play(script: Script, draw: Drawing, path: str | None = None) -> None:
    """Bring one file back. path: which, absolute, as it was saved; None for one by chance.

    Raises Broken after what it found, and what keeps it from being done at all.
    """
    bring_back_one(script, script.plan.repository, draw, path)
    script.came_back()
    script.leave_open("one file says nothing of the others: a drill of the plan looks at all")


def bring_back_one(script: Script, repository: str, draw: Drawing, path: str | None = None) -> None:
    """The steps of it, from this repository of the plan."""
    engine = script.engine
    with script.step("snapshot-found", phase="open", damage="snapshot-missing") as said:
        script.repository = repository
        chosen = find_snapshot(engine, script.plan_name, repository, None)
        script.snapshot = chosen
        said.words = f"the newest of {repository}: {chosen.id[:16]}"
    order = Order(script.plan_name, chosen.id, repository, Folder(str(script.folder / BACK)))
    with looked_into(engine, f"{script.id}/look", order, script.cancel) as parts:
        script.data_at = parts.head.data_at
        with script.step("file-chosen", damage="file-missing") as said:
            entry = _chosen(parts, draw, path)
            live = entry.place()
            before = _seen(live)
            said.words = f"{entry.path}, {entry.size} bytes, is taken as deleted"
        busy = _restore(script, _only(parts, entry))
    _compare(script, entry, busy=busy)
    with script.step("production-untouched") as said:
        said.words = f"{entry.path} of production is as it was before the drill"
        if before is None:
            said.words = f"{entry.path} is not there in production, and was not put there"
        if _seen(live) != before:
            # By somebody, or by us: no drill may leave that open.
            said.verdict = "not tested"
            said.words = f"{entry.path} of production was changed by somebody meanwhile"
            script.leave_open(said.words)


def _chosen(parts: Parts, draw: Drawing, path: str | None) -> FileEntry:
    own = staging.staging(parts.order.plan)
    files = (one for one in parts.entries() if one.is_file())
    if path is not None:
        for one in files:
            if str(one.place()) == path:
                return one
        raise NotFound(f"the snapshot holds no file {path}; look into it, or name another")
    found = _drawn(_apart_from(files, own), draw)
    # A plan may save nothing but secvault itself.
    found = found or _drawn((one for one in parts.entries() if one.is_file()), draw)
    if found is None:
        raise NotFound("the snapshot holds no file")
    return found


def _apart_from(files: Iterable[FileEntry], own: str) -> Iterator[FileEntry]:
    """Those that were saved as they stood, and not in the copy that the run itself made."""
    return (one for one in files if own not in one.place().parts)


def _drawn(files: Iterable[FileEntry], draw: Drawing) -> FileEntry | None:
    """One of them, each as likely as any other, without keeping more than one."""
    found = None
    for number, one in enumerate(files, 1):
        if draw(number) == 0:
            found = one
    return found


def _only(parts: Parts, entry: FileEntry) -> Parts:
    """The same look into the snapshot, for this file alone."""
    order = Order(
        parts.order.plan,
        parts.order.snapshot,
        parts.order.repository,
        parts.order.place,
        paths=(str(entry.place()),),
    )
    return replace(
        parts, order=order, selection=select(order, parts.head, parts.snapshot.paths or ())
    )


def _restore(script: Script, parts: Parts) -> bool:
    """Bring it back; whether it was written to while it was saved, so that nothing can be said."""
    goal = Goal(Guarded.of((), script.folder))
    with script.step("file-restored", phase="fetch", damage="file-changed") as said:
        done = restoring.restore(
            script.engine,
            f"{script.id}/files",
            parts,
            goal,
            on_phase=lambda _: None,
            on_progress=script.on_progress,
            cancel=script.cancel,
        )
        script.files, script.bytes = done.checked, done.bytes
        said.words = f"{done.checked} file, {done.bytes} bytes, by its path alone"
    return bool(done.changed_meanwhile)


def _compare(script: Script, entry: FileEntry, *, busy: bool) -> None:
    back = below(script.folder / BACK, entry.place())
    with script.step("file-compared", phase="verify", damage="file-unreadable") as said:
        try:
            found = back.lstat()
            with back.open("rb") as source:
                same = entry.has_content(source)
        except FileNotFoundError:
            said.fault("file-missing", entry.path, f"{entry.path} did not come back")
            return
        except OSError as error:
            words = f"{entry.path} came back and cannot be read: {error.strerror}"
            said.fault("file-unreadable", entry.path, words)
            return
        if busy:
            said.verdict = "not tested"
            said.words = f"{entry.path} was written while the backup ran; it is as restic saw it"
            script.leave_open(said.words)
            return
        if not same:
            said.fault("file-changed", entry.path, f"{entry.path} has another content")
        others = differences(entry, str(back), found, as_root=os.geteuid() == 0)
        if others:
            said.fault("file-mode", entry.path, f"{entry.path}: {'; '.join(others)}")
        said.words = f"{entry.path} is as it was, by its content, mode and time"


def _seen(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

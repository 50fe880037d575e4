"""What the methods of `restic.Restic` return, and how it is made from what restic says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.restic_messages import (
    BackupDone,
    CheckDone,
    ForgetGroup,
    Lock,
    Snapshot,
    Status,
    read_message,
)

Phase = Literal["backup", "restore", "verify"]
_WARNING = "Warning: at least one source file could not be read"


@dataclass(frozen=True)
class Progress:
    """How far the work is. Totals and seconds_left are None while they are not known."""

    phase: Phase
    files_done: int = 0
    files_total: int | None = None
    bytes_done: int = 0
    bytes_total: int | None = None
    seconds_left: int | None = None


@dataclass(frozen=True)
class BackupSummary:
    """A complete backup. snapshot_id: 64 hexadecimal characters. bytes_added: uncompressed."""

    snapshot_id: str
    files_new: int
    files_changed: int
    files_unmodified: int
    files_total: int
    bytes_total: int
    bytes_added: int


@dataclass(frozen=True)
class Kept:
    """A snapshot that stays, and the rules that keep it, in restic's words."""

    snapshot: Snapshot
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ForgetReport:
    """What retention decided and what became of it.

    removed: snapshots that are gone. refused: snapshots that retention gave up and the storage
    did not delete, so they are there still. refused_files: everything that it did not delete,
    for instance `snapshot 8b9884230b`. pruned: whether all data that nobody needs was deleted.
    """

    kept: tuple[Kept, ...]
    removed: tuple[Snapshot, ...]
    refused: tuple[Snapshot, ...]
    refused_files: tuple[str, ...]
    pruned: bool


@dataclass(frozen=True)
class CheckReport:
    """No damage was found. read: what of the data was read: `all`, a subset, or empty for none.

    hints: what restic said besides, for instance that a prune would save space.
    """

    read: str
    hints: tuple[str, ...]


@dataclass(frozen=True)
class RestoreSummary:
    """What lies in the target now: regular files, and the sum of their sizes in bytes."""

    files: int
    bytes: int


@dataclass(frozen=True)
class HeldLock:
    """A lock of the repository under its id."""

    id: str
    lock: Lock


def progress_of(status: Status, phase: Phase) -> Progress:
    """A status line as progress."""
    return Progress(
        phase=phase,
        files_done=status.files_done or status.files_restored,
        files_total=status.total_files or None,
        bytes_done=status.bytes_done or status.bytes_restored,
        bytes_total=status.total_bytes or None,
        seconds_left=status.seconds_remaining or None,
    )


def finished(done: BackupDone) -> Progress:
    """The end of a backup as progress: a short one prints no status at all."""
    files, size = done.total_files_processed, done.total_bytes_processed
    return Progress("backup", files, files, size, size, 0)


def restore_phase(line: bytes) -> Phase | None:
    """The phase that a line of plain text announces (before 0.17)."""
    if line.startswith(b"restoring "):
        return "restore"
    return "verify" if line.startswith(b"verifying files") else None


def check_verdict(answer: bytes) -> tuple[CheckDone | None, tuple[str, ...]]:
    """The verdict of a check that tells it as JSON, and the damage that it names, in words."""
    read = (read_message(line, {"summary": CheckDone}) for line in answer.splitlines())
    done = next(filter(None, read), None)
    packs = (done.broken_packs or ()) if done else ()
    return done, tuple(f"pack {pack} is damaged: the check found it" for pack in packs)


def forget_report(
    groups: Iterable[ForgetGroup], refused_files: Sequence[str], *, pruned: bool
) -> ForgetReport:
    """The report of what `forget` decided, less what the storage refused to delete."""
    kept: list[Kept] = []
    given_up: list[Snapshot] = []
    for group in groups:
        # The reasons name a snapshot without its id.
        reasons = {
            (reason.snapshot.time, reason.snapshot.tree): reason.matches or ()
            for reason in group.reasons or ()
        }
        kept.extend(Kept(one, reasons.get((one.time, one.tree), ())) for one in group.keep or ())
        given_up.extend(group.remove or ())
    still_there = {
        name.removeprefix("snapshot ") for name in refused_files if name.startswith("snapshot ")
    }
    refused = tuple(one for one in given_up if one.id[:10] in still_there)
    return ForgetReport(
        kept=tuple(sorted(kept, key=lambda one: one.snapshot.time)),
        removed=tuple(one for one in given_up if one not in refused),
        refused=refused,
        refused_files=tuple(refused_files),
        pruned=pruned,
    )


def unreadable(complaints: Sequence[str], snapshot_id: str | None) -> SourceUnreadable:
    """The error for a backup from which something is missing."""
    troubles = [line for line in complaints if not line.startswith(_WARNING)][:1000]
    count = f"{len(troubles)} things could not be read, the first: " if len(troubles) > 1 else ""
    first = troubles[0] if troubles else "a file could not be read"
    return SourceUnreadable(
        f"{count}{first}; make it readable or exclude it, and run the backup again",
        unreadable=troubles,
        snapshot_id=snapshot_id,
    )


def count_restored(target: Path) -> RestoreSummary:
    """Count what a restore left. What restic counts itself differs between its versions."""
    files = total = 0
    for folder, _, names in os.walk(target):
        for name in names:
            found = os.lstat(f"{folder}/{name}")
            if stat.S_ISREG(found.st_mode):
                files += 1
                total += found.st_size
    return RestoreSummary(files, total)

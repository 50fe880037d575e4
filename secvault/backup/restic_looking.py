"""Looking into snapshots with restic: folders, files by name, differences, what they take.

All of it reads without a lock, so it neither waits for a backup or a prune nor holds one up; the
storage need not let us write. Listings are read as restic prints them and never held in whole.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from secvault.backup import restic_arguments as arguments
from secvault.backup import restic_faults
from secvault.backup.repository import Repository
from secvault.backup.restic import Restic
from secvault.backup.restic_messages import EPOCH, Entry, read_as, read_message
from secvault.backup.restic_process import Cancel, NeverCancelled
from secvault.errors import BackupFailed, InvalidInput

_NO_LOCK = ("--no-lock",)
_NEVER = NeverCancelled()


class Change(msgspec.Struct, frozen=True):
    """One difference. modifier: + added, - removed, M content, T type, U metadata, ? bit rot."""

    path: str
    modifier: str


class Counted(msgspec.Struct, frozen=True):
    """What was added or removed. bytes: of the data that no other file of the snapshot has."""

    files: int = 0
    dirs: int = 0
    others: int = 0
    bytes: int = 0


class Totals(msgspec.Struct, frozen=True):
    """The sums of a comparison."""

    changed_files: int = 0
    added: Counted = Counted()
    removed: Counted = Counted()


class Stored(msgspec.Struct, frozen=True):
    """What snapshots take: stored, and before it was compressed where restic tells it."""

    total_size: int
    total_uncompressed_size: int = 0
    snapshots_count: int = 0


@dataclass(frozen=True)
class Difference:
    """How two snapshots differ. changes: the first ones; more: whether there are further ones."""

    totals: Totals
    changes: tuple[Change, ...]
    more: bool


def folder_entries(
    restic: Restic, repository: Repository, snapshot_id: str, folder: str, cancel: Cancel = _NEVER
) -> Generator[Entry, None, None]:
    """What lies directly in a folder of a snapshot, in the order of the names' UTF-8 bytes.

    folder: absolute, without `..`. Nothing for a folder that is not there. Raises InvalidInput, and
    at the end what failed. Closing the iterator stops restic.
    """
    wanted = clean_folder(folder)
    for entry in _listed(restic, repository, snapshot_id, (wanted,), cancel):
        if entry.path != "/" and posixpath.dirname(entry.path) == wanted:
            yield entry


def all_entries(
    restic: Restic, repository: Repository, snapshot_id: str, cancel: Cancel = _NEVER
) -> Generator[Entry, None, None]:
    """Everything in a snapshot, as it is read; likewise."""
    return _listed(restic, repository, snapshot_id, (), cancel)


def difference(
    restic: Restic,
    repository: Repository,
    before: str,
    after: str,
    most: int,
    cancel: Cancel = _NEVER,
) -> Difference:
    """How a snapshot differs from one before it. most: how many changes are named, in full totals.

    Raises RepositoryDamaged, Cancelled and others.
    """
    changes: list[Change] = []
    more = False
    totals: Totals | None = None
    shapes: dict[str, type[Change] | type[Totals]] = {"change": Change, "statistics": Totals}
    act = ("diff", arguments.snapshot_id(before), arguments.snapshot_id(after))
    with restic.command.process(repository, act, cancel, _NO_LOCK) as process:
        for line in process.lines():
            message = read_message(line, shapes)
            if isinstance(message, Totals):
                totals = message
            elif isinstance(message, Change) and len(changes) < most:
                changes.append(message)
            elif isinstance(message, Change):
                more = True
        status, complaints = process.ending()
    if status != restic_faults.DONE:
        restic.command.fail(status, complaints, "comparing the snapshots", repository)
    if restic_faults.tells_of_damage(complaints):
        raise restic_faults.damage(complaints, "comparing the snapshots", repository.location)
    if totals is None:
        raise BackupFailed("restic ended the comparison without its sums; run it again")
    return Difference(totals, tuple(changes), more)


def stored(restic: Restic, repository: Repository, tag: str, cancel: Cancel = _NEVER) -> Stored:
    """What all snapshots with this tag take in the repository together.

    restic reads every folder of every snapshot for it: minutes, where there are many.
    """
    act = ("stats", "--mode=raw-data", *arguments.only((tag,), None))
    with restic.command.process(repository, act, cancel, _NO_LOCK) as process:
        lines = [*process.lines()]
        status, complaints = process.ending()
    if status != restic_faults.DONE:
        restic.command.fail(status, complaints, "measuring the snapshots", repository)
    found = next(filter(None, (read_as(line, Stored) for line in lines)), None)
    if found is None:
        raise BackupFailed("restic did not tell the size of the snapshots as JSON")
    return found


def clean_folder(folder: str) -> str:
    """The folder as restic names it: absolute, without a slash at the end. Raises InvalidInput."""
    if not folder.startswith("/") or "\0" in folder or ".." in folder.split("/"):
        raise InvalidInput.at("folder", "must be an absolute path without `..`")
    return posixpath.normpath("/" + folder.lstrip("/"))


def modified_micros(entry: Entry) -> int | None:
    """When it was written last, micros; None where restic's text is no time of this calendar."""
    try:
        moment = datetime.fromisoformat(entry.mtime)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return int((moment - EPOCH).total_seconds() * 1_000_000)


def _listed(
    restic: Restic,
    repository: Repository,
    snapshot_id: str,
    folders: tuple[str, ...],
    cancel: Cancel,
) -> Generator[Entry, None, None]:
    act = ("ls", arguments.snapshot_id(snapshot_id), *folders)
    with restic.command.process(repository, act, cancel, _NO_LOCK) as process:
        for line in process.lines():
            entry = read_message(line, {"node": Entry})
            if entry is not None:
                yield entry
        status, complaints = process.ending()
    if status != restic_faults.DONE:
        restic.command.fail(status, complaints, "listing the snapshot", repository)

"""Restoring just a sample: in batches, each timed, however long the list of paths is.

restic goes once through the folders that hold what it is asked for, and compares each name there
with each path. Before 0.17 it takes the paths as arguments only, of which a program is given so
many at most: then a batch is restored in several turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from secvault.backup import restic_arguments as arguments
from secvault.backup.drills.drawing import content_bytes, count_files
from secvault.backup.drills.estimate import Timed
from secvault.backup.excludes import literal
from secvault.backup.file_entry import FileEntry
from secvault.backup.repository import Repository
from secvault.backup.restic import INCLUDE_FILE, Cancel, Progress, Restic


@dataclass(frozen=True)
class Fetched:
    """A batch that was brought back: its names, and what that took."""

    entries: tuple[FileEntry, ...]
    timed: Timed


def fetch_batches(
    restic: Restic,
    repository: Repository,
    snapshot_id: str,
    target: Path,
    batches: Iterable[Sequence[FileEntry]],
    *,
    monotonic: Callable[[], float],
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> Iterator[Fetched]:
    """Bring each batch back below `target`, under its full paths, when it is asked for.

    What is not in the snapshot does not come, and is no error here: compare with the manifest.
    Folders above what was drawn come with it, and not their modes and times. Raises what
    `Restic.restore` raises.
    """
    in_one = restic.version() >= INCLUDE_FILE
    for batch in batches:
        turns = [batch] if in_one else _turns(batch)
        began = monotonic()
        for turn in turns:
            restic.restore(
                repository,
                snapshot_id,
                target,
                include=[literal(entry.place()) for entry in turn],
                verify=False,
                beside=True,
                on_progress=on_progress,
                cancel=cancel,
            )
        seconds = monotonic() - began
        timed = Timed(count_files(batch), content_bytes(batch), seconds, starts=len(turns))
        yield Fetched(tuple(batch), timed)


def _turns(batch: Sequence[FileEntry]) -> list[list[FileEntry]]:
    """The batch in parts whose paths a program can be given; names of one file stay together."""
    together: dict[str, list[FileEntry]] = {}
    for entry in batch:
        together.setdefault(entry.linked or f"alone {entry.path} {entry.raw_path}", []).append(
            entry
        )
    turns: list[list[FileEntry]] = []
    room = 0
    for names in together.values():
        needed = sum(arguments.argument_bytes(literal(entry.place())) for entry in names)
        if not turns or needed > room:
            turns.append([])
            room = arguments.MOST_ARGUMENT_BYTES
        turns[-1] += names
        room -= needed
    return turns

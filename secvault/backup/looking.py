"""Looking into snapshots: a folder page by page, files by name over several snapshots."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import translate

from secvault.backup import restic_looking
from secvault.backup.catalogue import Known
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel, Entry
from secvault.errors import InvalidInput

MOST_ENTRIES = 10_000
"""In one page of a folder."""
MOST_FOUND = 5_000
MOST_SNAPSHOTS = 100
"""In which a name is looked for at once: each takes restic a second or more."""
LONGEST_PATTERN = 256

OnSnapshot = Callable[[int, int], None]
"""Told how many snapshots were looked into, and of how many."""


@dataclass(frozen=True)
class Page:
    """What lies in a folder. after: the name to go on with, None where there is no more."""

    folder: str
    entries: tuple[Entry, ...]
    after: str | None


@dataclass(frozen=True)
class Version:
    """A file or folder as it stands in one snapshot or in several, with the same size and time.

    modified: micros, None where it is no time. newest, oldest: the snapshots that it is in.
    """

    path: str
    type: str
    size: int
    modified: int | None
    newest: Known
    oldest: Known
    snapshots: int


@dataclass(frozen=True)
class Found:
    """What has the name, the newest first. more: whether there is further, which was not listed."""

    versions: tuple[Version, ...]
    more: bool
    looked_into: int


def page(
    engine: BackupEngine, snapshot: Known, folder: str, after: str, limit: int, cancel: Cancel
) -> Page:
    """What lies directly in a folder of the snapshot, in the order of the names' UTF-8 bytes.

    after: the last name of the page before, or empty. A folder that is not there is empty. Raises
    InvalidInput, and what restic's failure means.
    """
    if not 1 <= limit <= MOST_ENTRIES:
        raise InvalidInput.at("limit", f"use 1 to {MOST_ENTRIES}")
    wanted = restic_looking.clean_folder(folder)
    repository = engine.repository(snapshot.repository)
    taken: list[Entry] = []
    listing = restic_looking.folder_entries(engine.restic, repository, snapshot.id, wanted, cancel)
    more = False
    # Closed early, restic is stopped: nobody waits for the rest of a large folder.
    with closing(listing):
        for entry in listing:
            if after and _order(entry.name) <= _order(after):
                continue
            if len(taken) == limit:
                more = True
                break
            taken.append(entry)
    return Page(wanted, tuple(taken), taken[-1].name if more else None)


def find(
    engine: BackupEngine,
    snapshots: Sequence[Known],
    pattern: str,
    limit: int,
    cancel: Cancel,
    on_snapshot: OnSnapshot = lambda _done, _of: None,
) -> Found:
    """Look for a name in these snapshots, the newest of which comes first.

    pattern: with *, ? and [...]; of the name alone, or of the whole path where it has a slash;
    whatever the case, and however accents are composed. Ends at `limit` versions. Raises
    InvalidInput at `pattern` or `limit`.
    """
    matches = _matcher(pattern)
    if not 1 <= limit <= MOST_FOUND:
        raise InvalidInput.at("limit", f"use 1 to {MOST_FOUND}")
    found: dict[tuple[str, str, int, str], Version] = {}
    for number, snapshot in enumerate(snapshots):
        on_snapshot(number, len(snapshots))
        repository = engine.repository(snapshot.repository)
        listing = restic_looking.all_entries(engine.restic, repository, snapshot.id, cancel)
        with closing(listing):
            for entry in listing:
                if not matches(entry):
                    continue
                key = (entry.path, entry.type, entry.size, entry.mtime)
                known = found.get(key)
                if known is not None:
                    found[key] = replace(known, oldest=snapshot, snapshots=known.snapshots + 1)
                elif len(found) == limit:
                    return Found(tuple(found.values()), more=True, looked_into=number + 1)
                else:
                    found[key] = _version(entry, snapshot)
    on_snapshot(len(snapshots), len(snapshots))
    return Found(tuple(found.values()), more=False, looked_into=len(snapshots))


def _version(entry: Entry, snapshot: Known) -> Version:
    return Version(
        path=entry.path,
        type=entry.type,
        size=entry.size,
        modified=restic_looking.modified_micros(entry),
        newest=snapshot,
        oldest=snapshot,
        snapshots=1,
    )


def _matcher(pattern: str) -> Callable[[Entry], bool]:
    if not pattern or len(pattern) > LONGEST_PATTERN or "\0" in pattern:
        raise InvalidInput.at("pattern", f"write 1 to {LONGEST_PATTERN} characters, such as *.xlsx")
    compiled = re.compile(translate(_folded(pattern)))
    whole = "/" in pattern

    def matches(entry: Entry) -> bool:
        return compiled.match(_folded(entry.path if whole else entry.name)) is not None

    return matches


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _order(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")

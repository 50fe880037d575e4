"""Telling damage from what was written while a backup ran, by what the snapshot says of itself.

Between the manifest and restic's reading, a busy folder changes. Where the snapshot's own record of
a path shows that it was changed in between, what came back is as restic saw it, and the manifest
cannot say more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from secvault.backup.manifest import Comparison
from secvault.backup.restic import Entry


def judged(compared: Comparison, saved: Iterable[Entry], settled: Path) -> Comparison:
    """The comparison, without what is known to have changed meanwhile.

    saved: what the snapshot holds. settled: the folder, by its path when it was backed up, that
    nobody else writes to: nothing in it has an excuse.
    """
    asked = {one.entry.path for one in compared.altered}
    asked |= {path for one in compared.absent for path in (one.path, one.folder)}
    records = {entry.path: entry for entry in saved if entry.path in asked}
    altered, meanwhile = [], list(compared.changed_meanwhile)
    for one in compared.altered:
        record = records.get(one.entry.path)
        changed = record is not None and _differs(record.ctime, one.entry.changed_ns)
        if changed and not one.entry.is_below(settled):
            meanwhile.append(one.entry.path)
        else:
            altered.append(one)
    gone: set[str] = set()
    for lost in compared.absent:
        # Whatever is removed from a folder, or renamed, changes the folder's time.
        above = records.get(lost.folder)
        touched = lost.folder in gone or (
            above is not None and _differs(above.mtime, lost.folder_modified_ns)
        )
        if touched and lost.path not in records and not Path(lost.path).is_relative_to(settled):
            gone.add(lost.path)
    return replace(
        compared,
        altered=tuple(altered),
        missing=tuple(path for path in compared.missing if path not in gone),
        changed_meanwhile=(*meanwhile, *sorted(gone)),
    )


def _differs(recorded: str, listed: int | None) -> bool:
    """Whether both times are known and are two."""
    known = _nanoseconds(recorded)
    return known is not None and listed is not None and known != listed


def _nanoseconds(moment: str) -> int | None:
    """Nanoseconds since the epoch of a time as Go prints it (RFC 3339); None for anything else."""
    date, _, clock = moment.partition("T")
    zone_at = max(clock.rfind("+"), clock.rfind("-"), clock.rfind("Z"))
    whole, _, fraction = clock[:zone_at].partition(".")
    try:
        seconds = datetime.fromisoformat(f"{date}T{whole}{clock[zone_at:]}").timestamp()
        return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or "0")
    except ValueError:
        return None

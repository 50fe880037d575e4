"""Snapshots of the future, which a clock that was wrong leaves behind.

`restic forget` counts ages from the newest snapshot: one that is dated two years ahead makes all
the others, and each one that follows, too old to be kept.
"""

from __future__ import annotations

from datetime import timedelta

from secvault.backup.repository import Repository
from secvault.backup.restic import Restic
from secvault.errors import BackupFailed

TOLERATED = timedelta(days=1)


def require_none(restic: Restic, repository: Repository, tag: str) -> None:
    """Refuse to judge the snapshots with this tag by their age while one is of the future.

    Raises BackupFailed, and what `Restic.snapshots` raises.
    """
    latest = restic.command.clock.now() + TOLERATED
    found = [one for one in restic.snapshots(repository, tags=(tag,)) if one.time > latest]
    if found:
        raise BackupFailed(
            f"the snapshot {found[0].id[:8]} in {repository.location} is of "
            f"{found[0].time:%Y-%m-%d}, which is in the future: the clock was "
            "wrong then, or is now. Nothing was forgotten; set the clock right, or remove that "
            "snapshot with restic, and run the backup again"
        )

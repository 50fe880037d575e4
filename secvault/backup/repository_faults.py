"""What can be wrong with a repository, named by what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from secvault.errors import BackupFailed, Conflict, Damaged, NotFound, Unavailable


class RepositoryMissing(NotFound):
    """There is no repository at the location, or not even the bucket or folder for one."""

    code = "repository-missing"
    title = "No backup repository there"


class RepositoryGone(BackupFailed):
    """There was a repository at the location, and now there is none, or another one."""

    code = "repository-gone"
    title = "The backup repository is gone"


class ParentMissing(BackupFailed):
    """The snapshot that a backup was to follow is not there; nothing was saved."""

    code = "parent-missing"
    title = "The snapshot before is not there"


class WrongRepositoryPassword(BackupFailed):
    """The repository is there, and this password does not open it."""

    code = "repository-password"
    title = "The repository's password is wrong"


class RepositoryDenied(BackupFailed):
    """The S3 server refuses these credentials, or they may not do this."""

    code = "repository-denied"
    title = "The storage refuses the credentials"


class RepositoryUnreachable(Unavailable):
    """The storage does not answer, or answers that it cannot serve now."""

    code = "repository-unreachable"
    title = "The backup storage cannot be reached"


class StorageFull(BackupFailed):
    """No space is left where restic writes."""

    code = "storage-full"
    title = "No space left"


@dataclass(frozen=True)
class LockHolder:
    """Who holds a repository's lock, as far as restic said. since: when the lock was made."""

    host: str
    user: str
    pid: int
    exclusive: bool
    since: datetime | None


class RepositoryLocked(Conflict):
    """Somebody else works on the repository, or died and left a lock."""

    code = "repository-locked"
    title = "The repository is in use"

    def __init__(self, detail: str, *, holder: LockHolder | None) -> None:
        super().__init__(detail)
        self.holder = holder


class SourceUnreadable(BackupFailed):
    """A file or folder to save is missing or could not be read in whole.

    unreadable: the troubles, one line each, at most 1000. snapshot_id: the snapshot of what could
    be read, or None where none was made. It is no complete backup, and must not count as one.
    """

    code = "source-unreadable"
    title = "Not everything could be read"

    def __init__(
        self, detail: str, *, unreadable: Sequence[str], snapshot_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.unreadable = tuple(unreadable)
        self.snapshot_id = snapshot_id


class RepositoryDamaged(Damaged):
    """Bytes in the repository are not what restic wrote.

    files: what is damaged, as `pack <id>`, `index <id>`, `snapshot <id>`, `key <id>`, `config`,
    as far as restic named it. troubles: restic's own words, one line each.
    """

    code = "repository-damaged"
    title = "The backup repository is damaged"

    def __init__(self, detail: str, *, files: Sequence[str], troubles: Sequence[str]) -> None:
        super().__init__(detail)
        self.files = tuple(files)
        self.troubles = tuple(troubles)

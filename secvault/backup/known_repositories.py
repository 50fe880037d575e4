"""Which repository is ours: the id that it had when it was first saved into.

Where there was one, none is made again: a disk that is not mounted, a bucket that somebody deleted
would else become a new, empty repository, and nobody would hear that all snapshots are gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from secvault.backup import restic_arguments as arguments
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryGone, RepositoryMissing
from secvault.backup.restic import Restic, Snapshot
from secvault.store import Store, tables


@dataclass(frozen=True)
class _Known:
    location: str
    identity: str | None


def is_known(store: Store, name: str, repository: Repository) -> bool:
    """Whether it was saved into at this location: then it must be there."""
    known = _known(store, name)
    return known.identity is not None and known.location == repository.location


def allow_making(store: Store, name: str, repository: Repository) -> None:
    """Return where a new repository may be made. Raises RepositoryGone where there was one."""
    if is_known(store, name, repository):
        raise RepositoryGone(
            f"the repository that was there is gone from {repository.location}; mount its disk or "
            "bring its bucket back, and run the backup again; if it is lost for good, set another "
            "location for it, where a new one is made"
        )


def recognise(store: Store, name: str, repository: Repository, identity: str) -> None:
    """Keep the id of a repository at a new location; at one that is known it must be the same.

    Raises RepositoryGone where another lies there now.
    """
    known = _known(store, name)
    if known == _Known(repository.location, identity):
        return
    if known.identity not in {None, identity} and known.location == repository.location:
        raise RepositoryGone(
            f"at {repository.location} lies another repository than the one that was there "
            f"({identity[:8]}, not {str(known.identity)[:8]}); bring that one back, or set another "
            "location for the backups"
        )
    table = tables.backup_repository
    with store.write() as connection:
        connection.execute(
            update(table)
            .where(table.c.name == name)
            .values(location=repository.location, identity=identity)
        )


def listed(
    store: Store, restic: Restic, name: str, repository: Repository, plan: str
) -> tuple[Snapshot, ...]:
    """The plan's snapshots that can be read, newest last, to save beside them.

    Where none are left of a plan that saved before, it is asked whether the repository is still
    the one that is known; each question costs the start of restic, and a folder that
    holds none yet is asked none. Raises RepositoryGone, and what `Restic.snapshots` raises.
    """
    saved = _has_saved(store, plan)
    if not saved and arguments.is_without_snapshots(repository):
        return ()
    try:
        found = restic.snapshots(repository, tags=(f"plan={plan}",), skip_damaged=True)
    except RepositoryMissing:
        allow_making(store, name, repository)
        raise
    if not found and saved:
        recognise(store, name, repository, restic.identity(repository))
    return found


def _has_saved(store: Store, plan: str) -> bool:
    table = tables.backup_run
    saved = select(table.c.id).where(table.c.plan == plan, table.c.snapshot.is_not(None)).limit(1)
    with store.read() as connection:
        return connection.execute(saved).first() is not None


def _known(store: Store, name: str) -> _Known:
    table = tables.backup_repository
    with store.read() as connection:
        row = connection.execute(
            select(table.c.location, table.c.identity).where(table.c.name == name)
        ).one()
    return _Known(*row)

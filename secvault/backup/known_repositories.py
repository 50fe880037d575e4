"""Which repository is ours: the id that it had when it was first saved into.

Where there was one, none is made again: a disk that is not mounted, a bucket that somebody deleted
would else become a new, empty repository, and nobody would hear that all snapshots are gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryGone
from secvault.store import Store, tables


@dataclass(frozen=True)
class _Known:
    location: str
    identity: str | None


def allow_making(store: Store, name: str, repository: Repository) -> None:
    """Return where a new repository may be made. Raises RepositoryGone where there was one."""
    known = _known(store, name)
    if known.identity is not None and known.location == repository.location:
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


def _known(store: Store, name: str) -> _Known:
    table = tables.backup_repository
    with store.read() as connection:
        row = connection.execute(
            select(table.c.location, table.c.identity).where(table.c.name == name)
        ).one()
    return _Known(*row)

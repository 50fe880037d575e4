"""Changing the password of a repository, in an order that a kill at any moment survives.

1. The new password is drawn and written down, sealed, as the one to come.
2. restic gets a key for it, beside the old one: now both open.
3. It is tried; then it is the one in force, and the old one is written down as the former.
4. What keeps passwords elsewhere (the recovery kit) gets it, as long as both open.
   When no run is left that began with the former, restic's key for that is removed.
5. The former is forgotten.

Whatever step was the last one, the password in force opens, and doing it again goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select

from secvault.backup.bucket import s3_client
from secvault.backup.bucket_access import may_delete_keys
from secvault.backup.engine import SILENT_AFTER_SECONDS, BackupEngine
from secvault.backup.repository import KEYS, Repository, S3Location
from secvault.backup.repository_faults import WrongRepositoryPassword
from secvault.backup.restic_keys import add_key, own_key, remove_key
from secvault.errors import BackupFailed
from secvault.store import tables

_HOLDING = (tables.backup_run, tables.backup_check, tables.drill, tables.drill_scenario)
MOST_KEYS = 20
"""As many as restic tries itself."""


@dataclass(frozen=True)
class Rotated:
    """How a change of a password ended. The new one is in force in any case.

    old_opens: whether the old password opens the repository still. waiting_for: the runs, checks
    and drills that began with it; when they have ended, do the same again. refused: the storage
    does not let go of the old key, neither now nor later.
    """

    repository: str
    old_opens: bool
    waiting_for: tuple[str, ...] = ()
    refused: bool = False


def rotate(
    engine: BackupEngine, name: str, in_force: Callable[[], object] = lambda: None
) -> Rotated:
    """Give the repository another password; or end a change that was begun.

    in_force: called when the new one is, before the old one opens no more; what it raises leaves
    both. Raises RepositoryMissing, WrongRepositoryPassword, RepositoryDenied and others: then the
    password in force is what it was, and opens.
    """
    # A process that was killed while it removed a key has left a lock that lets nobody in.
    repository = engine.opened_repository(name)
    engine.restic.identity(repository)
    kept = engine.passwords.kept(name)
    if kept is None or kept.former is None:
        _give_new(engine, name, repository)
    in_force()
    return _take_old(engine, name)


def adopt(engine: BackupEngine, name: str, repository: Repository) -> None:
    """Keep the password of a repository that is there already, if it opens it.

    Raises WrongRepositoryPassword, RepositoryMissing; nothing is changed then.
    """
    engine.restic.identity(repository)
    engine.passwords.adopt(name, repository.location, repository.password)


def _give_new(engine: BackupEngine, name: str, repository: Repository) -> None:
    coming = engine.passwords.prepare(name)
    renewed = replace(repository, password=coming)
    if not _opens(engine, renewed):
        add_key(engine.restic.command, repository, coming, engine.host, engine.random)
        if not _opens(engine, renewed):
            raise BackupFailed(
                f"the key that was added to {repository.location} does not open it; the password "
                "stays as it was, try again"
            )
    engine.passwords.put_in_force(name, coming)


def _take_old(engine: BackupEngine, name: str) -> Rotated:
    kept = engine.passwords.kept(name)
    if kept is None or kept.former is None:
        return Rotated(name, old_opens=False)
    at_work = _begun_before(engine, name, kept.since)
    if at_work:
        return Rotated(name, old_opens=True, waiting_for=at_work)
    repository = engine.repository(name).pruner()
    former = replace(repository, password=kept.former)
    refused = not (_may_remove(engine, repository) and _remove_keys(engine, repository, former))
    engine.passwords.drop_former(name)
    return Rotated(name, old_opens=refused, refused=refused)


def _remove_keys(engine: BackupEngine, repository: Repository, former: Repository) -> bool:
    """Remove all keys of the former password; False when the storage refuses."""
    for _ in range(MOST_KEYS):
        own = _own_key(engine, former)
        if own is None:
            return True
        if not remove_key(engine.restic.command, repository, own):
            return False
    raise BackupFailed(f"{repository.location} has more keys for one password than restic reads")


def _may_remove(engine: BackupEngine, repository: Repository) -> bool:
    place = repository.place
    return not isinstance(place, S3Location) or may_delete_keys(
        s3_client(repository), place, engine.random
    )


def _opens(engine: BackupEngine, repository: Repository) -> bool:
    try:
        engine.restic.identity(repository)
    except WrongRepositoryPassword:
        return False
    return True


def _own_key(engine: BackupEngine, repository: Repository) -> str | None:
    """The key that the repository's password opens, if there is one."""
    try:
        return own_key(engine.restic.command, repository)
    except WrongRepositoryPassword:
        return None


def _begun_before(engine: BackupEngine, name: str, moment: int) -> tuple[str, ...]:
    """The runs, checks and drills at work that may hold the password of before that moment."""
    owner = name.removesuffix(KEYS)
    alive = engine.clock.micros() - SILENT_AFTER_SECONDS * 1_000_000
    found: list[str] = []
    with engine.store.read() as connection:
        for table in _HOLDING:
            rows = connection.execute(
                select(table.c.id, table.c.plan).where(
                    table.c.state == "running",
                    table.c.started_at <= moment,
                    table.c.beat_at >= alive,
                )
            )
            found += [row.id for row in rows if owner in engine.repositories_of(row.plan)]
    return tuple(found)

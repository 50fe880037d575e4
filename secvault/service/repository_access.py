"""Repositories looked at where they lie: buckets, credentials, what an attacker could do; and what
one hid, brought back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from secvault.backup import access_check, bucket, bucket_locks
from secvault.backup.access_check import AccessReport
from secvault.backup.repository import KEYS, S3Location
from secvault.backup.restic import Cancel
from secvault.errors import Cancelled, InvalidInput
from secvault.service.repositories import operation, require_known
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

MOST_DAYS = bucket.MOST_DAYS


@dataclass(frozen=True)
class BroughtBack:
    """What was hidden since the moment. done: whether it was brought back, or only looked for."""

    repository: str
    objects: int
    bytes: int
    done: bool


def buckets_of_plan(
    service: Service, caller: Caller, plan: str, days: int
) -> tuple[AccessReport, ...]:
    """The plan's repositories and those of their data keys, as far as looking tells.

    days: for how long backups should be safe. Raises RepositoryUnreachable, RepositoryDenied.
    """
    engine = service.backups
    chosen = engine.plan(plan)
    _require_days(days)

    def act(_: Connection) -> Outcome[tuple[AccessReport, ...]]:
        names = [
            one
            for name in (chosen.repository, *chosen.copies)
            for one in ((name, name + KEYS) if chosen.vault else (name,))
        ]
        found = tuple(access_check.look(engine, name, days) for name in names)
        return Outcome(found, detail={"plan": plan})

    looking = Operation("backup.read", "it", plan, f"it/backups/{plan}")
    return service.spine.read(caller, looking, act)


def check_access(
    service: Service, caller: Caller, name: str, days: int
) -> tuple[AccessReport, ...]:
    """Try what the repository's credentials may do, and those of its data keys.

    Nothing that was saved is touched. Raises NotFound, RepositoryUnreachable.
    """
    require_known(service, name)
    _require_days(days)

    def act() -> Outcome[tuple[AccessReport, ...]]:
        found = tuple(access_check.check(service.backups, one, days) for one in (name, name + KEYS))
        problems = sum(len(one.findings) for one in found)
        return Outcome(found, detail={"repository": name, "problems": problems})

    return service.spine.work(caller, operation("repository.check", name), act)


def bring_back(
    service: Service,
    caller: Caller,
    name: str,
    as_of: datetime,
    cancel: Cancel,
    *,
    data_keys: bool = False,
    dry_run: bool = False,
) -> BroughtBack:
    """Make the bucket show again what it showed at that moment, by the versions that it keeps.

    For when somebody deleted or overwrote backups. Nothing is deleted by it: versions of then are
    copied over. data_keys: in the repository of the data keys. Raises NotFound, InvalidInput for a
    folder and for a moment to come, RepositoryDenied, Cancelled.
    """
    require_known(service, name)
    if as_of > service.clock.now():
        raise InvalidInput.at("as_of", "lies in the future; name the moment before it happened")
    repository = service.backups.repository(name + (KEYS if data_keys else "")).pruner()
    place = repository.place
    if not isinstance(place, S3Location):
        raise InvalidInput.at("repository", f"{name} is a folder, which keeps no versions")

    def act() -> Outcome[BroughtBack]:
        client = bucket.s3_client(repository)
        hidden = bucket_locks.hidden_since(client, place, as_of)
        for one in () if dry_run else hidden:
            if cancel.is_set():
                raise Cancelled("stopped on request; do it again to bring back the rest")
            bucket_locks.bring_back(client, place, one)
        size = sum(one.size for one in hidden)
        done = BroughtBack(name, len(hidden), size, done=not dry_run)
        detail: dict[str, str | int | bool] = {
            "repository": name,
            "files": len(hidden),
            "bytes": size,
            "state": "looked" if dry_run else "done",
        }
        return Outcome(done, detail=detail)

    return service.spine.work(caller, operation("repository.bring_back", name), act)


def _require_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.at("days", f"use 1 to {MOST_DAYS}")

"""Operations on snapshots: the catalogue, folders, files by name, differences, sizes.

All are reading; what a snapshot holds is names, sizes and times, never content. Each is on record
with the plan and the snapshot that was looked into.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from secvault.backup import catalogue, looking, restic_looking
from secvault.backup.catalogue import LATEST, Known, Measure, repositories_of
from secvault.backup.looking import Found, OnSnapshot, Page
from secvault.backup.restic import Cancel
from secvault.backup.restic_looking import Difference
from secvault.errors import InvalidInput, Overloaded, SecvaultError
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

T = TypeVar("T")

MOST_CHANGES = 10_000
RETRY_SECONDS = 5
SEARCHED = 10
"""In how many snapshots a name is looked for where nobody says more."""


@dataclass(frozen=True)
class Row:
    """A snapshot of the catalogue. grown: bytes more than the one before; None where not known."""

    snapshot: Known
    grown: int | None


@dataclass(frozen=True)
class Catalogue:
    """A plan's snapshots in a repository, the newest last.

    as_of: micros, when the repository answered; None while it never did. trouble: why it does not
    answer now, in words; empty where it did or was not asked. measures: the newest first.
    """

    plan: str
    repository: str
    rows: tuple[Row, ...]
    as_of: int | None
    trouble: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Compared:
    """Two snapshots and how the second differs from the first."""

    before: Known
    after: Known
    difference: Difference


def list_snapshots(
    service: Service,
    caller: Caller,
    plan: str,
    *,
    repository: str = "",
    refresh: bool = False,
    measure: bool = False,
    cancel: Cancel | None = None,
) -> Catalogue:
    """The plan's snapshots. The repository is asked where something may have changed, or on demand.

    repository: one of the plan's; empty for its own. measure: also how much they take together,
    which reads all of them. Where it does not answer, what is known is told with the reason; on
    demand it is an error. Raises NotFound, InvalidInput.
    """

    def act() -> Outcome[Catalogue]:
        chosen = _repository(service, plan, repository)
        trouble = ""
        try:
            if refresh:
                catalogue.refresh(service.backups, plan, chosen)
            else:
                catalogue.present(service.backups, plan, chosen)
        except SecvaultError as error:
            if refresh:
                raise
            trouble = error.detail
        if measure:
            catalogue.measure(service.backups, plan, chosen, cancel or threading.Event())
        found = _catalogue(service, plan, chosen, trouble)
        return Outcome(found, count=len(found.rows), detail={"plan": plan, "repository": chosen})

    return _looked(service, caller, plan, act)


def list_folder(
    service: Service,
    caller: Caller,
    plan: str,
    *,
    snapshot: str = LATEST,
    repository: str = "",
    folder: str = "/",
    after: str = "",
    limit: int = 1_000,
    cancel: Cancel | None = None,
) -> tuple[Known, Page]:
    """What lies in a folder of a snapshot. Raises NotFound, InvalidInput; see `looking.page`."""

    def act() -> Outcome[tuple[Known, Page]]:
        chosen = _named(service, plan, repository, snapshot)
        stop = cancel or threading.Event()
        page = looking.page(service.backups, chosen, folder, after, limit, stop)
        return Outcome((chosen, page), count=len(page.entries), detail=_detail(chosen))

    return _looked(service, caller, plan, act)


def find(
    service: Service,
    caller: Caller,
    plan: str,
    pattern: str,
    *,
    repository: str = "",
    snapshots: int = SEARCHED,
    limit: int = 500,
    on_snapshot: OnSnapshot = lambda _done, _of: None,
    cancel: Cancel | None = None,
) -> Found:
    """Look for files by name in the newest snapshots. Raises NotFound, InvalidInput."""
    if not 1 <= snapshots <= looking.MOST_SNAPSHOTS:
        raise InvalidInput.at("snapshots", f"use 1 to {looking.MOST_SNAPSHOTS}")

    def act() -> Outcome[Found]:
        chosen = _repository(service, plan, repository)
        known = catalogue.present(service.backups, plan, chosen)
        newest = known[::-1][:snapshots]
        stop = cancel or threading.Event()
        found = looking.find(service.backups, newest, pattern, limit, stop, on_snapshot)
        detail = {"plan": plan, "repository": chosen}
        return Outcome(found, count=len(found.versions), detail=detail)

    return _looked(service, caller, plan, act)


def compare(
    service: Service,
    caller: Caller,
    plan: str,
    *,
    before: str = "",
    after: str = LATEST,
    repository: str = "",
    limit: int = 1_000,
    cancel: Cancel | None = None,
) -> Compared:
    """How a snapshot differs from an earlier one; from the one before it where none is named.

    limit: how many changes are named; the sums are of all. Raises NotFound, InvalidInput.
    """
    if not 1 <= limit <= MOST_CHANGES:
        raise InvalidInput.at("limit", f"use 1 to {MOST_CHANGES}")

    def act() -> Outcome[Compared]:
        engine = service.backups
        later = _named(service, plan, repository, after)
        earlier = (
            _named(service, plan, repository, before) if before else catalogue.before(engine, later)
        )
        if earlier.id == later.id:
            raise InvalidInput.at("before", "is the same snapshot; name another one")
        found = restic_looking.difference(
            engine.restic,
            engine.repository(later.repository),
            earlier.id,
            later.id,
            limit,
            cancel or threading.Event(),
        )
        compared = Compared(earlier, later, found)
        return Outcome(compared, count=len(found.changes), detail=_detail(later))

    return _looked(service, caller, plan, act)


def _looked(service: Service, caller: Caller, plan: str, act: Callable[[], Outcome[T]]) -> T:
    """As `Spine.read`, but without a transaction that would stay open while restic works."""
    operation = Operation("backup.read", "it", plan, f"it/backups/{plan}")
    decision = service.spine.decide(caller, operation)
    with service.spine.concerning(caller, operation, decision), _turn(service):
        outcome = act()
    service.spine.conclude(caller, operation, decision, outcome)
    return outcome.value


@contextmanager
def _turn(service: Service) -> Iterator[None]:
    """One of the few who look at a time: each holds a thread of the server, and restic's memory,
    for as long as it takes, and other requests need both. Raises Overloaded.
    """
    looks = service.backups.looks
    if not looks.acquire(blocking=False):
        raise Overloaded(
            "others look into snapshots at this moment; try again in a moment",
            retry_after=RETRY_SECONDS,
        )
    try:
        yield
    finally:
        looks.release()


def _repository(service: Service, plan: str, repository: str) -> str:
    chosen = repositories_of(service.backups.plan(plan))
    if repository and repository not in chosen:
        raise InvalidInput.at("repository", f"{plan} saves into {', '.join(chosen)}")
    return repository or chosen[0]


def _named(service: Service, plan: str, repository: str, snapshot: str) -> Known:
    chosen = _repository(service, plan, repository)
    return catalogue.named(service.backups, plan, chosen, snapshot)


def _catalogue(service: Service, plan: str, repository: str, trouble: str) -> Catalogue:
    with service.store.read() as connection:
        found = catalogue.known(connection, plan, repository)
        as_of = catalogue.refreshed_at(connection, plan, repository)
        measures = catalogue.measures(connection, plan, repository)
    rows = []
    last: int | None = None
    for one in found:
        grown = one.bytes - last if one.bytes is not None and last is not None else None
        rows.append(Row(one, grown))
        last = one.bytes
    return Catalogue(plan, repository, tuple(rows), as_of, trouble, measures)


def _detail(snapshot: Known) -> dict[str, str | int | bool]:
    return {
        "plan": snapshot.plan,
        "repository": snapshot.repository,
        "snapshot": snapshot.id,
    }

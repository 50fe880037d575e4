"""Operations on restores of parts of a snapshot: seen beforehand, done here, or by the worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import uuid_utils
from sqlalchemy import Connection

from secvault.backup.restic import Cancel, Snapshot
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.restores import restoring, row
from secvault.backup.restores.order import (
    Existing,
    Folder,
    Into,
    Order,
    Original,
    place_words,
    require_sound,
)
from secvault.backup.restores.parts import find_snapshot, looked_into
from secvault.backup.restores.preview import Preview
from secvault.backup.restores.restoring import Restored
from secvault.backup.restores.row import RestoreRun
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.jobs import queue
from secvault.service import watching
from secvault.service.approval import Terms
from secvault.service.backup_restore_goals import goal_of, meets_production, own_folder
from secvault.service.backup_restore_work import (
    LOOKING,
    RESTORE,
    Commission,
    Tell,
    detail_of,
    key_of,
    operation_on,
    outcome_of,
    restored,
    sealed,
)
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.service.watching import Watch

LOOK_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """What a person asks for. Of place, folder and into at most one; none: secvault's own folder.

    snapshot: an id or its beginning; None for the newest. repository: one of the plan's; None for
    its first. See `order.Order` for the rest.
    """

    plan: str
    snapshot: str | None = None
    repository: str | None = None
    sources: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    original: bool = False
    folder: str | None = None
    into: str | None = None
    existing: Existing = "refuse"
    names: tuple[tuple[str, str], ...] = ()
    accounts: bool = False
    owners: bool = True


@dataclass(frozen=True)
class Seen:
    """A restore seen beforehand. production: whether a second person would have to agree."""

    snapshot: Snapshot
    order: Order
    production: bool
    preview: Preview

    @property
    def target(self) -> str:
        """Where to, in words."""
        return place_words(self.order.place)


def preview_restore(
    service: Service, caller: Caller, wanted: Wanted, cancel: Cancel, *, anywhere: bool = False
) -> Seen:
    """What a restore would write, where, and what is in its way; nothing is written.

    anywhere: whether any folder of this machine may be named: at its own command line. Raises
    NotFound, InvalidInput, Damaged, Conflict.
    """
    work = uuid_utils.uuid7().hex

    def act() -> Outcome[Seen]:
        order = _order(service, work, wanted)
        with looked_into(service.backups, work, order, cancel) as parts:
            goal = goal_of(service, parts, anywhere=anywhere)
            seen = restoring.previewed(service.backups, parts, goal, cancel)
        found = Seen(parts.snapshot, order, meets_production(service, order), seen)
        return Outcome(found, count=seen.files, detail={**detail_of(order), "reason": "dry-run"})

    return service.spine.work(caller, operation_on(wanted.plan), act)


def restore_parts(
    service: Service,
    caller: Caller,
    wanted: Wanted,
    tell: Tell,
    cancel: Cancel,
) -> Restored:
    """Restore in this process, to any folder of this machine, to a declared place or the original.

    Raises ApprovalRequired where a second person has to agree, and what `restoring.restore` raises.
    """
    work = uuid_utils.uuid7().hex
    operation = operation_on(wanted.plan)
    decision = service.spine.decide(caller, operation)
    with ExitStack() as looking:
        with service.spine.concerning(caller, operation, decision):
            order = _order(service, work, wanted)
            tell(LOOKING, None)
            looked = looked_into(service.backups, work, order, cancel)
            parts = looking.enter_context(looked)
            goal = goal_of(service, parts, anywhere=True)
        # Not before it is known to be possible: an approval is used up here.
        _begin(service, caller, order, lambda _: None)
        with service.spine.concerning(caller, operation, decision):
            done = restored(service, work, parts, goal, tell, cancel)
    service.spine.conclude(caller, operation, decision, outcome_of(order, done))
    return done


def request_restore(service: Service, caller: Caller, wanted: Wanted) -> RestoreRun:
    """Ask the worker to restore, below the folders that are open for it.

    Raises ApprovalRequired where a second person has to agree; NotFound, InvalidInput, Damaged.
    """
    work = uuid_utils.uuid7().hex
    operation = operation_on(wanted.plan)
    decision = service.spine.decide(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        order = _order(service, work, wanted)
        with looked_into(service.backups, work, order, NeverCancelled()) as parts:
            goal_of(service, parts, anywhere=False)
    key = key_of(service)

    def ask(connection: Connection) -> RestoreRun:
        run = queue.request(
            connection,
            kind=RESTORE,
            plan=order.plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
            random=service.random,
        )
        commission = Commission(order, caller.principal, caller.address, caller.ticket)
        row.add(connection, run, order, sealed(commission, key, run, service.random))
        return row.read(connection, run)

    return _begin(service, caller, order, ask)


def result_of(done: Restored) -> dict[str, JsonValue]:
    """What a restore came to, as the row of one by the worker has it."""
    found: dict[str, JsonValue] = msgspec.to_builtins(done)
    return found


def read_restore(service: Service, caller: Caller, run: str) -> RestoreRun:
    """How far a restore is. Raises NotFound."""

    def act(connection: Connection) -> Outcome[RestoreRun]:
        found = row.read(connection, run)
        return Outcome(found, detail={"plan": found.plan})

    return service.spine.read(caller, operation_on("*", "backup.read"), act)


def list_restores(service: Service, caller: Caller, limit: int) -> tuple[RestoreRun, ...]:
    """The newest restores by the worker, newest first."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")

    def act(connection: Connection) -> Outcome[tuple[RestoreRun, ...]]:
        found = row.newest(connection, limit)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, operation_on("*", "backup.read"), act)


def watch_restore(
    service: Service, caller: Caller, run: str, tell: Callable[[RestoreRun], None]
) -> RestoreRun:
    """Return the restore when it has ended, told of its progress until then.

    Looking on is one entry in the log, however long it takes. Raises NotFound.
    """
    seen = read_restore(service, caller, run)
    tell(seen)
    while not seen.ended:
        service.clock.sleep(LOOK_SECONDS)
        with service.store.read() as connection:
            seen = row.read(connection, run)
        tell(seen)
    return seen


def watch(service: Service, caller: Caller, run: str) -> tuple[Watch[RestoreRun], RestoreRun]:
    """Begin to watch a restore, and what is seen at once. Raises NotFound, Refused."""
    asked = operation_on("*", "backup.read")
    return watching.watch(service, caller, asked, lambda connection: row.read(connection, run))


def stop_restore(service: Service, caller: Caller, run: str) -> RestoreRun:
    """Ask that a restore stop; what is in place by then stays. Raises NotFound, Conflict."""
    with service.store.read() as connection:
        plan = row.read(connection, run).plan

    def act(connection: Connection) -> Outcome[RestoreRun]:
        asked = row.stop(connection, run, service.clock.micros())
        return Outcome(asked, count=0, detail={"run": run, "reason": "stop-requested"})

    return service.spine.change(caller, operation_on(plan), act)


def _begin(service: Service, caller: Caller, order: Order, act: Callable[[Connection], T]) -> T:
    """Put the order on record, approved where it has to be, and do `act` with it."""

    production = meets_production(service, order)

    def terms(_: Connection) -> Terms | None:
        return order.terms() if production else None

    def begin(connection: Connection) -> Outcome[T]:
        detail = {**detail_of(order), "reason": "requested"}
        return Outcome(act(connection), count=0, detail=detail)

    return service.spine.change(caller, operation_on(order.plan), begin, terms)


def _order(service: Service, work: str, wanted: Wanted) -> Order:
    engine = service.backups
    plan = engine.plan(wanted.plan)
    repository = wanted.repository or plan.repository
    if repository not in (plan.repository, *plan.copies):
        known = ", ".join((plan.repository, *plan.copies))
        raise InvalidInput.at("repository", f"the plan saves into: {known}")
    if sum((wanted.original, wanted.folder is not None, wanted.into is not None)) > 1:
        raise InvalidInput.at("target", "name one place: a folder, the original, or into")
    if wanted.original and wanted.snapshot is None:
        # What a person has seen and another approves is one snapshot, not the newest by then.
        raise InvalidInput.at("snapshot", "name it for the original place; a dry run shows its id")
    chosen = find_snapshot(engine, wanted.plan, repository, wanted.snapshot)
    place: Original | Folder | Into
    if wanted.original:
        place = Original()
    elif wanted.into is not None:
        place = Into(wanted.into)
    else:
        folder = own_folder(service) / f"{wanted.plan}-{chosen.id[:8]}-{work[-8:]}"
        place = Folder(wanted.folder if wanted.folder is not None else str(folder))
    order = Order(
        plan=wanted.plan,
        snapshot=chosen.id,
        repository=repository,
        place=place,
        sources=wanted.sources,
        paths=wanted.paths,
        existing=wanted.existing,
        names=dict(wanted.names),
        accounts=wanted.accounts,
        owners=wanted.owners,
    )
    require_sound(order)
    return order

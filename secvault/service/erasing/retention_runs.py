"""Runs of retention: what has been kept for long enough is listed, approved, then erased.

A list is proposed by a person or by the schedule. Somebody begins it, with the approval of another,
for exactly that list; then it is erased in steps of some hundred records, each in a transaction
with its audit entry, so that a run which was killed goes on where it was. Each record is looked at
once more: what is held, or not due any more, stays. The end leaves signed evidence of all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from sqlalchemy import Connection

from secvault.clock import moment
from secvault.crypto.canonical import JsonValue
from secvault.errors import Cancelled, Conflict, Damaged, InvalidInput, NotFound
from secvault.identity import names
from secvault.jobs import queue
from secvault.records import erasure as erasures
from secvault.records import retention, retention_run
from secvault.records.collection import Collection
from secvault.records.erasure import Erasure
from secvault.records.hold import Held, holds_on
from secvault.records.record import read_record
from secvault.records.retention_run import (
    BROKEN,
    DONE,
    DROPPED,
    DUE,
    ERASED,
    ERASING,
    GONE,
    HELD,
    KEPT,
    PROPOSED,
    Item,
    RetentionRun,
)
from secvault.service.approval import Terms
from secvault.service.erasing import evidence
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.record_rows import names_of_tables
from secvault.store.scrub import scrub

PROPOSAL, RETENTION = "retention-proposal", "retention"
"""The kinds of jobs: propose what is due, and erase what was approved."""
LARGEST_PAGE = 500
_AT_ONCE = 200

Tell = Callable[[int, int], None]
"""Told of how many of how many are done."""


@dataclass(frozen=True)
class RunView:
    """A run, and how many items each collection has in each state."""

    run: RetentionRun
    counts: Mapping[tuple[str, str], int]


def propose(
    service: Service, caller: Caller, collections: Sequence[str] | None, job: str | None = None
) -> RunView | None:
    """List what is due today; None when nothing is.

    collections: which; None for all that state a period. job: the job that asks, which proposes
    once however often it is done. Raises NotFound, Conflict while another list waits.
    """
    operation = _operation("retention.propose")
    service.spine.decide(caller, operation)
    today = moment(service.clock.micros()).date()
    found: list[Item] = []
    damaged = 0
    for collection in _stating(service, collections):
        with service.store.read() as connection:
            seen = retention.scan(connection, service.keyring, collection, today)
            held = holds_on(connection, [due.held for due in seen.due])
        damaged += len(seen.damaged)
        found += [retention_run.item_of(due, held=due.held in held) for due in seen.due]
    if not found and not damaged:
        service.spine.read(caller, operation, lambda _: Outcome(None, count=0))
        return None

    def act(connection: Connection) -> Outcome[RunView]:
        if job is not None:
            present = retention_run.of_job(connection, job)
            if present is not None:
                return Outcome(_view(connection, present), count=0, detail={"run": present.id})
        waiting = retention_run.open_runs(connection)
        if waiting and job is not None:
            # The schedule waits for people as long as it takes.
            seen = _view(connection, waiting[0])
            return Outcome(seen, count=0, detail={"run": waiting[0].id, "reason": "waiting"})
        if waiting:
            raise Conflict(
                f"the list {waiting[0].id} is {waiting[0].state}: begin it or drop it first"
            )
        run = RetentionRun(
            id=names.new_id(service.clock),
            state=PROPOSED,
            proposed_by=caller.principal.subject,
            proposed_at=service.clock.micros(),
            digest=retention_run.digest_of(found),
            records=len(found),
            damaged=damaged,
            job=job,
        )
        retention_run.add_run(connection, run, found)
        detail: dict[str, str | int | bool] = {"run": run.id, "digest": run.digest}
        return Outcome(_view(connection, run), count=len(found), detail=detail)

    return service.spine.change(caller, operation, act)


def list_runs(service: Service, caller: Caller, limit: int) -> tuple[RunView, ...]:
    """The newest runs, newest first."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"use 1 to {LARGEST_PAGE}")

    def act(connection: Connection) -> Outcome[tuple[RunView, ...]]:
        found = tuple(
            _view(connection, one) for one in retention_run.newest_runs(connection, limit)
        )
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("retention.read"), act)


def read_run(
    service: Service, caller: Caller, run_id: str, after: tuple[str, str], limit: int
) -> tuple[RunView, tuple[Item, ...]]:
    """A run and a page of its list, in order of collection and id. Raises NotFound."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"use 1 to {LARGEST_PAGE}")

    def act(connection: Connection) -> Outcome[tuple[RunView, tuple[Item, ...]]]:
        view = _view(connection, retention_run.read_run(connection, run_id))
        items = retention_run.items_of(connection, run_id, after=after, limit=limit)
        return Outcome((view, items), count=len(items), detail={"run": view.run.id})

    return service.spine.read(caller, _operation("retention.read"), act)


def drop(service: Service, caller: Caller, run_id: str) -> RunView:
    """Put a proposal away; nothing is erased. Raises NotFound, Conflict when it has begun."""

    def act(connection: Connection) -> Outcome[RunView]:
        retention_run.read_run(connection, run_id, hold=True)
        at = service.clock.micros()
        retention_run.move(connection, run_id, PROPOSED, DROPPED, finished_at=at)
        view = _view(connection, retention_run.read_run(connection, run_id))
        return Outcome(view, count=0, detail={"run": run_id, "reason": "dropped"})

    return service.spine.change(caller, _operation("retention.propose"), act)


def begin(service: Service, caller: Caller, run_id: str, *, by_worker: bool) -> RunView:
    """Begin to erase exactly this list, which needs an approval. Nothing is erased yet.

    by_worker: ask the worker to go on with it; else the caller does, with `work`. Raises NotFound,
    Conflict when it was begun, ApprovalRequired.
    """
    operation = _operation("retention.run")

    def terms(connection: Connection) -> Terms:
        run = retention_run.read_run(connection, run_id)
        held = sum(
            count
            for (_, state), count in retention_run.counts(connection, run_id).items()
            if state == HELD
        )
        return {"run": run.id, "list": run.digest, "records": run.records - held, "held": held}

    def act(connection: Connection) -> Outcome[RunView]:
        run = retention_run.read_run(connection, run_id, hold=True)
        who = caller.principal.subject
        approvers = evidence.approvers_of(
            connection, service.clock, who, operation, terms(connection)
        )
        retention_run.move(
            connection,
            run_id,
            PROPOSED,
            ERASING,
            approved_by=who,
            approved_at=service.clock.micros(),
            approvals=" ".join(approvers),
            erasure=names.new_id(service.clock),
        )
        if by_worker:
            queue.request(
                connection,
                kind=RETENTION,
                plan=run_id,
                requested_by=who,
                now=service.clock.micros(),
                id=f"{RETENTION}:{run_id}",
            )
        view = _view(connection, retention_run.read_run(connection, run_id))
        return Outcome(view, count=run.records, detail={"run": run_id, "state": ERASING})

    return service.spine.change(caller, operation, act, terms)


def work(service: Service, caller: Caller, run_id: str, tell: Tell, cancel: Event) -> RunView:
    """Erase what is left of a run that was begun, and sign its end. Done already: nothing.

    cancel: set to stop after the present step. Raises Cancelled then, NotFound, Conflict.
    """
    while True:
        if cancel.is_set():
            raise Cancelled("stopped on request; the run goes on when it is begun again")
        view = service.spine.change(
            caller,
            _operation("retention.run"),
            lambda connection: _step(service, connection, run_id),
            lambda _: None,
        )
        left = sum(count for (_, state), count in view.counts.items() if state == DUE)
        tell(view.run.records - left, view.run.records)
        if view.run.state == DONE:
            scrub(service.store, service.clock, names_of_tables())
            return view


def _step(service: Service, connection: Connection, run_id: str) -> Outcome[RunView]:
    run = retention_run.read_run(connection, run_id, hold=True)
    if run.state == DONE:
        return Outcome(_view(connection, run), count=0, detail={"run": run_id})
    if run.state != ERASING or run.erasure is None:
        raise Conflict(f"the run {run_id} is {run.state}; it was not begun")
    items = retention_run.items_of(connection, run_id, state=DUE, limit=_AT_ONCE)
    if not items:
        return _end(service, connection, run)
    at = service.clock.micros()
    judged = _judged(service, connection, items)
    due = [item for item, state in judged.items() if state == ERASED]
    done = erasures.erase_rows(connection, run.erasure, [_held(one) for one in due], at)
    gone = {(one.collection, one.subject) for one in done.keys}
    for state in (KEPT, HELD, GONE, BROKEN):
        these = [item for item, found in judged.items() if found == state]
        retention_run.settle(connection, run_id, these, state, at)
    for item in due:
        keys = 1 if (item.collection, item.subject) in gone else 0
        retention_run.settle(connection, run_id, (item,), ERASED, at, keys)
    detail: dict[str, str | int | bool] = {"run": run_id, "erasure": run.erasure}
    return Outcome(_view(connection, run), count=len(done.records), detail=detail)


def _judged(service: Service, connection: Connection, items: Sequence[Item]) -> dict[Item, str]:
    """What becomes of each: looked at once more, as it is in this transaction."""
    today = moment(service.clock.micros()).date()
    found: dict[Item, str] = {}
    due: dict[Held, Item] = {}
    erasures.hold_records(connection, [_held(item) for item in items])
    for item in items:
        collection = service.collections.get(item.collection)
        try:
            if collection is None:
                found[item] = KEPT
                continue
            record = read_record(connection, service.keyring, collection, item.id)
        except NotFound:
            found[item] = GONE
            continue
        except Damaged:
            found[item] = BROKEN
            continue
        still = retention.due_of(collection, record, today)
        if still is None or still.held.subject != item.subject:
            found[item] = KEPT
        else:
            due[still.held] = item
    held = holds_on(connection, due)
    for one, item in due.items():
        found[item] = HELD if one in held else ERASED
    return found


def _end(service: Service, connection: Connection, run: RetentionRun) -> Outcome[RunView]:
    at = service.clock.micros()
    items = retention_run.items_of(connection, run.id)
    document = evidence.of_retention(service, connection, run, items, at)
    signed = evidence.sign(service, document)
    keys = document["keys"]
    made = Erasure(
        run.erasure or "",
        RETENTION,
        run.approved_by or run.proposed_by,
        at,
        sum(1 for one in items if one.state == ERASED),
        len(keys) if isinstance(keys, list) else 0,
    )
    erasures.keep_erasure(connection, made, signed.document, signed.note)
    retention_run.move(connection, run.id, ERASING, DONE, finished_at=at)
    detail: dict[str, str | int | bool] = {
        "run": run.id,
        "erasure": made.id,
        "state": DONE,
        "evidence": hashlib.sha256(signed.document).hexdigest(),
    }
    ended = _view(connection, retention_run.read_run(connection, run.id))
    return Outcome(ended, count=0, detail=detail)


def job_result(view: RunView | None) -> JsonValue:
    """What a job writes down of it."""
    if view is None:
        return {"run": None, "records": 0}
    return {"run": view.run.id, "state": view.run.state, "records": view.run.records}


def _held(item: Item) -> Held:
    return Held(item.collection, item.id, item.subject, None)


def _view(connection: Connection, run: RetentionRun) -> RunView:
    return RunView(run, retention_run.counts(connection, run.id))


def _stating(service: Service, wanted: Sequence[str] | None) -> tuple[Collection, ...]:
    """The collections that state a period, in order. Raises NotFound, InvalidInput."""
    known = service.collections
    for name in wanted or ():
        if name not in known:
            raise NotFound(f"there is no collection {name[:64]}")
        if known[name].retention is None:
            raise InvalidInput.at("collections", f"{name} states no period; it is kept for ever")
    return tuple(
        known[name]
        for name in sorted(known)
        if known[name].retention is not None and (wanted is None or name in wanted)
    )


def _operation(action: str) -> Operation:
    return Operation(action, "it", "retention", "it/retention")

"""Re-wrapping that the worker does: asked for, seen, stopped, and done through kills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from sqlalchemy import Connection

from secvault.errors import Cancelled
from secvault.jobs import queue
from secvault.records import rewrap_run
from secvault.records.rewrap import Batch
from secvault.records.rewrap_run import RewrapRun, Stopped
from secvault.service import collection_runs
from secvault.service.rewrapping import operation_on_key, rewrap_all_of, rotate_collection_key
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

REWRAP = "rewrap"


def request_rewrapping(
    service: Service, caller: Caller, collections: Sequence[str] | None, *, rotate: bool = False
) -> tuple[RewrapRun, ...]:
    """Ask the worker to put data keys under the latest version of their collection's key.

    collections: whose; None for all of them. rotate: first add a version to each one's key. Nothing
    is done unless the caller may do it to each. Raises NotFound.
    """
    names = sorted(service.collections) if collections is None else list(collections)
    for name in names:
        for action in ("key.rotate", "key.rewrap") if rotate else ("key.rewrap",):
            service.spine.decide(caller, operation_on_key(service, action, name))
    if rotate:
        for name in names:
            rotate_collection_key(service, caller, name)
    return tuple(_requested(service, caller, name) for name in names)


def _requested(service: Service, caller: Caller, collection: str) -> RewrapRun:
    def act(connection: Connection) -> Outcome[RewrapRun]:
        run = ask_for_rewrapping(service, connection, collection, caller.principal.subject)
        # The outcome of the work itself is another entry, by whoever does it.
        made = rewrap_run.read_run(connection, run)
        return Outcome(made, count=0, detail={"run": run, "reason": "requested"})

    return service.spine.change(caller, operation_on_key(service, "key.rewrap", collection), act)


def ask_for_rewrapping(
    service: Service, connection: Connection, collection: str, requested_by: str
) -> str:
    """Ask the worker in the caller's transaction; the id of the run."""
    run = queue.request(
        connection,
        kind=REWRAP,
        plan=collection,
        requested_by=requested_by,
        now=service.clock.micros(),
        random=service.random,
    )
    rewrap_run.insert_run(connection, run, collection)
    return run


def read_run(service: Service, caller: Caller, run: str) -> RewrapRun:
    """How far a run is. Raises NotFound."""
    operation = _operation_on_run(service, "key.read", run)
    return service.spine.read(
        caller, operation, lambda connection: Outcome(rewrap_run.read_run(connection, run))
    )


def watch_run(
    service: Service, caller: Caller, run: str, tell: Callable[[RewrapRun], None]
) -> RewrapRun:
    """Return the run when it has ended, told of its progress until then. Raises NotFound.

    Looking on is one entry in the log, however long it takes.
    """
    seen = read_run(service, caller, run)
    return collection_runs.watch(
        service, seen, lambda connection: rewrap_run.read_run(connection, run), tell
    )


def list_runs(service: Service, caller: Caller, limit: int) -> tuple[RewrapRun, ...]:
    """The newest runs of the collections whose keys the caller may list, newest first."""
    newest = rewrap_run.newest_runs
    return collection_runs.list_allowed(service, caller, newest, limit, _list_operation)


def stop_run(service: Service, caller: Caller, run: str) -> RewrapRun:
    """Ask that a run stop; what is re-wrapped stays so. Raises NotFound, Conflict when it ended."""

    def act(connection: Connection) -> Outcome[RewrapRun]:
        asked = rewrap_run.stop(connection, run, service.clock.micros())
        return Outcome(asked, count=0, detail={"run": run, "reason": "stop-requested"})

    return service.spine.change(caller, _operation_on_run(service, "key.rewrap", run), act)


def do_requested_rewrapping(
    service: Service, caller: Caller, collection: str, run: str, cancel: Event
) -> RewrapRun:
    """Do what was asked for, from where a process that was killed left it.

    cancel: set when this process must stop soon. Raises Cancelled then, NotFound, Damaged.
    """

    def tell(_done: int, _of: int) -> None:
        if cancel.is_set():
            raise Cancelled("the worker stops; the run goes on at its next start")

    def note(connection: Connection, version: int, batch: Batch, left: int) -> None:
        rewrap_run.advance(
            connection, run, version=version, rewrapped=batch.rewrapped, remaining=left
        )

    def act() -> Outcome[RewrapRun]:
        detail: dict[str, str | int | bool] = {"run": run}
        try:
            done = rewrap_all_of(service, collection, tell, note)
        except Stopped:
            detail["reason"] = "stopped"
        else:
            with service.store.write() as connection:
                damaged = len(done.damaged)
                rewrap_run.conclude(connection, run, remaining=done.left, damaged=damaged)
        with service.store.read() as connection:
            ended = rewrap_run.read_run(connection, run)
        detail |= {"version": ended.version or 0, "problems": ended.damaged}
        return Outcome(ended, count=ended.rewrapped, detail=detail)

    return service.spine.work(caller, operation_on_key(service, "key.rewrap", collection), act)


def _operation_on_run(service: Service, action: str, run: str) -> Operation:
    with service.store.read() as connection:
        found = rewrap_run.read_run(connection, run)
    return operation_on_key(service, action, found.collection)


def _list_operation(department: str) -> Operation:
    return Operation("key.list", department, "*", f"{department}/records/*")

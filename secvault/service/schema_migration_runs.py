"""Migrating records by the worker: asked for, seen, stopped, and done through kills."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from sqlalchemy import Connection

from secvault.errors import Cancelled
from secvault.jobs import queue
from secvault.records import schema_migration_run
from secvault.records.rewrap_run import Stopped
from secvault.records.schema_migration import Batch
from secvault.records.schema_migration_run import MigrationRun
from secvault.service import collection_runs
from secvault.service.schema_migrations import migrate_all_of, operation_on_schema
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

MIGRATE = "migrate"


def request_migration(service: Service, caller: Caller, collection: str) -> MigrationRun:
    """Ask the worker to store the records of a collection as its present schema says.

    Raises NotFound.
    """

    def act(connection: Connection) -> Outcome[MigrationRun]:
        run = queue.request(
            connection,
            kind=MIGRATE,
            plan=collection,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
            random=service.random,
        )
        schema_migration_run.insert_run(connection, run, collection)
        # The outcome of the work itself is another entry, by whoever does it.
        made = schema_migration_run.read_run(connection, run)
        return Outcome(made, count=0, detail={"run": run, "reason": "requested"})

    operation = operation_on_schema(service, "schema.migrate", collection)
    return service.spine.change(caller, operation, act)


def read_run(service: Service, caller: Caller, run: str) -> MigrationRun:
    """How far a run is. Raises NotFound."""

    def act(connection: Connection) -> Outcome[MigrationRun]:
        return Outcome(schema_migration_run.read_run(connection, run), detail={"run": run})

    return service.spine.read(caller, _operation_on_run(service, "schema.read", run), act)


def watch_run(
    service: Service, caller: Caller, run: str, tell: Callable[[MigrationRun], None]
) -> MigrationRun:
    """Return the run when it has ended, told of its progress until then. Raises NotFound.

    Looking on is one entry in the log, however long it takes.
    """
    seen = read_run(service, caller, run)
    return collection_runs.watch(
        service, seen, lambda connection: schema_migration_run.read_run(connection, run), tell
    )


def list_runs(service: Service, caller: Caller, limit: int) -> tuple[MigrationRun, ...]:
    """The newest runs of the departments whose schemas the caller may read, newest first."""
    newest = schema_migration_run.newest_runs
    return collection_runs.list_allowed(service, caller, newest, limit, _list_operation)


def stop_run(service: Service, caller: Caller, run: str) -> MigrationRun:
    """Ask that a run stop; what is migrated stays so. Raises NotFound, Conflict when it ended."""

    def act(connection: Connection) -> Outcome[MigrationRun]:
        asked = schema_migration_run.stop(connection, run, service.clock.micros())
        return Outcome(asked, count=0, detail={"run": run, "reason": "stop-requested"})

    return service.spine.change(caller, _operation_on_run(service, "schema.migrate", run), act)


def do_requested_migration(
    service: Service, caller: Caller, collection: str, run: str, cancel: Event
) -> MigrationRun:
    """Do what was asked for, from where a process that was killed left it.

    cancel: set when this process must stop soon. Raises Cancelled then, NotFound, Damaged.
    """

    def tell(_done: int, _of: int) -> None:
        if cancel.is_set():
            raise Cancelled("the worker stops; the run goes on at its next start")

    def note(connection: Connection, version: int, batch: Batch, left: int) -> None:
        schema_migration_run.advance(
            connection, run, version=version, migrated=batch.migrated, remaining=left
        )

    def act() -> Outcome[MigrationRun]:
        detail: dict[str, str | int | bool] = {"run": run}
        try:
            done = migrate_all_of(service, collection, tell, note)
        except Stopped:
            detail["reason"] = "stopped"
        else:
            with service.store.write() as connection:
                damaged = len(done.damaged)
                schema_migration_run.conclude(connection, run, remaining=done.left, damaged=damaged)
        with service.store.read() as connection:
            ended = schema_migration_run.read_run(connection, run)
        detail |= {"version": ended.version or 0, "problems": ended.damaged}
        return Outcome(ended, count=ended.migrated, detail=detail)

    operation = operation_on_schema(service, "schema.migrate", collection)
    return service.spine.work(caller, operation, act)


def _operation_on_run(service: Service, action: str, run: str) -> Operation:
    with service.store.read() as connection:
        found = schema_migration_run.read_run(connection, run)
    return operation_on_schema(service, action, found.collection)


def _list_operation(department: str) -> Operation:
    return Operation("schema.read", department, "*", f"{department}/*")

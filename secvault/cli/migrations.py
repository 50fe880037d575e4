"""`secvault records migrate`: records as the present schema stores them, here or by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.errors import Damaged, SecvaultError

if TYPE_CHECKING:
    from secvault.records.schema_migration_run import MigrationRun
    from secvault.service.schema_migrations import Migration
    from secvault.service.service import Service
    from secvault.service.spine import Caller

LONG_WAIT = 10
"""Looks at a run that nobody has begun, before the person is told what it waits for."""


class MigrationFailed(SecvaultError):
    """A run of the worker came to no good end."""

    code = "migration-failed"
    title = "The records are not all migrated"


def migrate(
    context: typer.Context,
    *,
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION", help="Whose records, such as payroll.")
    ],
    by_worker: Annotated[
        bool, typer.Option("--worker", help="Let the running service do it; Ctrl-C looks away.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With --worker: show its progress.")
    ] = True,
    as_json: show.AsJson = False,
) -> None:
    """Store all records of a collection as its present schema says, after a change of it.

    What became sensitive is encrypted, and indexes are made anew; no value, version or approval
    changes. Records can be read and written meanwhile. After a kill it goes on where it ended: by
    itself with --worker, else when it is run again.
    """
    with opening.vault(context) as (service, caller):
        if not by_worker:
            _show_done(_done_here(service, caller, collection), as_json=as_json)
            return
        run = operations.schema_migration_runs.request_migration(service, caller, collection)
        if wait:
            run = _watched(service, caller, run)
        _show_run(run, as_json=as_json, waited=wait)


def migrations(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest migrations by the worker, newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.schema_migration_runs.list_runs(service, caller, limit)
    columns = {
        "id": "Run",
        "state": "State",
        "version": "Schema",
        "migrated": "Migrated",
        "remaining": "Remaining",
        "damaged": "Damaged",
        "requested_at": "Requested",
        "error": "Error",
    }
    empty = "There was none yet: secvault records migrate COLLECTION --worker"
    rows = [_row(run) for run in found]
    show.listing("migrations", rows, columns, as_json=as_json, empty=empty)


def stop_migration(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, as `records migrations` lists it.")],
) -> None:
    """Stop a migration by the worker after its present batch. What is migrated stays so."""
    with opening.vault(context) as (service, caller):
        stopped = operations.schema_migration_runs.stop_run(service, caller, run)
    show.out(f"{stopped.id} stops")


def _done_here(service: Service, caller: Caller, collection: str) -> Migration:
    with progress.of_count(f"migrating {show.cell(collection)}") as so_far:
        return operations.schema_migrations.migrate_collection(service, caller, collection, so_far)


def _watched(service: Service, caller: Caller, run: MigrationRun) -> MigrationRun:
    with progress.of_count(f"migrating {run.collection}") as so_far:
        looks = 0

        def tell(now: MigrationRun) -> None:
            nonlocal looks
            looks += 1
            if now.state == "requested" and looks == LONG_WAIT:
                show.talk(
                    f"{now.id} waits for the worker, which runs with the service (secvault serve); "
                    "Ctrl-C looks away"
                )
            so_far(now.migrated, now.migrated + (now.remaining or 0))

        return operations.schema_migration_runs.watch_run(service, caller, run.id, tell)


def _show_done(done: Migration, *, as_json: bool) -> None:
    if as_json:
        show.document({**vars(done), "damaged": list(done.damaged)})
    else:
        _say(done.collection, done.migrated, done.version, done.left)
    if done.damaged:
        some = ", ".join(done.damaged[:20])
        raise Damaged(
            f"{len(done.damaged)} records of {done.collection} do not open and stay as they were: "
            f"{some}; restore them from a backup"
        )


def _show_run(run: MigrationRun, *, as_json: bool, waited: bool) -> None:
    if as_json:
        show.document(_row(run))
    elif run.state == "done":
        _say(run.collection, run.migrated, run.version or 0, run.remaining or 0)
    else:
        show.out(f"{run.id} is {run.state}" + (f": {run.error}" if run.error else ""))
    if not waited:
        return
    if run.state == "failed":
        raise MigrationFailed(f"the run failed: {run.error}")
    if run.damaged:
        raise Damaged(
            f"{run.damaged} records do not open; `secvault records migrate {run.collection}` names "
            "them"
        )


def _say(collection: str, migrated: int, version: int, left: int) -> None:
    show.out(
        f"{migrated} records of {collection} migrated; all are stored as version {version} of its "
        "schema says" + (f", but for {left} that are damaged" if left else "")
    )


def _row(run: MigrationRun) -> dict[str, Any]:
    times = {
        "requested_at": show.time(run.requested_at),
        "finished_at": show.time(run.finished_at),
    }
    return {**vars(run), **times}

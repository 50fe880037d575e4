"""`secvault records migrate`: records as the present schema stores them, here or by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.waiting import Waiting
from secvault.errors import Damaged, InvalidInput, SecvaultError

if TYPE_CHECKING:
    from secvault.records.schema_migration_run import MigrationRun
    from secvault.service.schema_migrations import Migration
    from secvault.service.service import Service
    from secvault.service.spine import Caller


class MigrationFailed(SecvaultError):
    """A run of the worker came to no good end."""

    code = "migration-failed"
    title = "The records are not all migrated"


def migrate(
    context: typer.Context,
    *,
    collection: Annotated[
        str | None, typer.Argument(metavar="COLLECTION", help="Whose records, such as payroll.")
    ] = None,
    of_all: Annotated[bool, typer.Option("--all", help="Those of all collections.")] = False,
    by_worker: Annotated[
        bool, typer.Option("--worker", help="Let the running service do it; Ctrl-C looks away.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With --worker: show its progress.")
    ] = True,
    as_json: show.AsJson = False,
) -> None:
    """Store the records of a collection, or of all, as the present schema says.

    After a change of it what became sensitive is encrypted, and indexes are made anew; no value,
    version or approval changes. Records can be read and written meanwhile. After a kill it goes
    on where it ended: by itself with --worker, else when it is run again.
    """
    if (collection is None) != of_all:
        raise InvalidInput.at("collection", "name a collection, or say --all")
    with opening.vault(context) as (service, caller):
        named = sorted(service.collections) if collection is None else [collection]
        if not by_worker:
            _show_done([_done_here(service, caller, one) for one in named], as_json=as_json)
            return
        request = operations.schema_migration_runs.request_migration
        runs = [request(service, caller, one) for one in named]
        if wait:
            runs = [_watched(service, caller, run) for run in runs]
        _show_runs(runs, as_json=as_json, waited=wait)


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
        waiting = Waiting()

        def tell(now: MigrationRun) -> None:
            waiting.look(now.id, begun=now.state != "requested")
            so_far(now.migrated, now.migrated + (now.remaining or 0))

        return operations.schema_migration_runs.watch_run(service, caller, run.id, tell)


def _show_done(done: list[Migration], *, as_json: bool) -> None:
    if as_json:
        show.document({"migrations": [{**vars(one), "damaged": list(one.damaged)} for one in done]})
    else:
        for one in done:
            _say(one.collection, one.migrated, one.version, one.left)
    damaged = [f"{one.collection}/{record}" for one in done for record in one.damaged]
    if damaged:
        some = ", ".join(damaged[:20])
        raise Damaged(
            f"{len(damaged)} records do not open and stay as they were: {some}; restore them from "
            "a backup"
        )


def _show_runs(runs: list[MigrationRun], *, as_json: bool, waited: bool) -> None:
    if as_json:
        show.document({"migrations": [_row(run) for run in runs]})
    else:
        for run in runs:
            if run.state == "done":
                _say(run.collection, run.migrated, run.version or 0, run.remaining or 0)
            else:
                show.out(f"{run.id} is {run.state}" + (f": {run.error}" if run.error else ""))
    if not waited:
        return
    failed = [run for run in runs if run.state == "failed"]
    if failed:
        raise MigrationFailed(f"{len(failed)} runs failed: {failed[0].error}")
    damaged = sum(run.damaged for run in runs)
    if damaged:
        raise Damaged(f"{damaged} records do not open; `secvault records migrate` names them")


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

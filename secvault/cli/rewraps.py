"""`secvault keys rewrap`: all data keys under the latest versions, here or by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.waiting import Waiting
from secvault.errors import Damaged, InvalidInput, SecvaultError

if TYPE_CHECKING:
    from secvault.records.rewrap_run import RewrapRun
    from secvault.service.rewrapping import Rewrapping
    from secvault.service.service import Service
    from secvault.service.spine import Caller


class RewrapFailed(SecvaultError):
    """A run of the worker came to no good end."""

    code = "rewrap-failed"
    title = "The data keys are not all re-wrapped"


def rewrap(
    context: typer.Context,
    *,
    collection: Annotated[
        str | None, typer.Argument(help="Whose data keys: a collection of records.")
    ] = None,
    of_all: Annotated[bool, typer.Option("--all", help="Those of all collections.")] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="First add a version to the collection's key.")
    ] = False,
    by_worker: Annotated[
        bool, typer.Option("--worker", help="Let the running service do it; Ctrl-C looks away.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With --worker: show its progress.")
    ] = True,
    as_json: show.AsJson = False,
) -> None:
    """Put all data keys of a collection, or of all, under the latest version of its key.

    No field is encrypted anew. Records can be read and written meanwhile. After a kill it goes on
    where it ended: by itself with --worker, else when it is run again.
    """
    if (collection is None) != of_all:
        raise InvalidInput.at("collection", "name a collection, or say --all")
    with opening.vault(context) as (service, caller):
        named = sorted(service.collections) if collection is None else [collection]
        if by_worker:
            runs = operations.rewrap_runs.request_rewrapping(service, caller, named, rotate=rotate)
            if wait:
                runs = tuple(_watched(service, caller, run) for run in runs)
            _show_runs(runs, as_json=as_json, waited=wait)
        else:
            _show_done(_done_here(service, caller, named, rotate=rotate), as_json=as_json)


def rewraps(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest runs of re-wrapping by the worker, newest first."""
    with opening.vault(context) as (service, caller):
        rows = [_row(run) for run in operations.rewrap_runs.list_runs(service, caller, limit)]
    columns = {
        "id": "Run",
        "state": "State",
        "rewrapped": "Re-wrapped",
        "remaining": "Remaining",
        "damaged": "Damaged",
        "requested_at": "Requested",
        "error": "Error",
    }
    empty = "There was none yet: secvault keys rewrap --all --worker"
    show.listing("rewraps", rows, columns, as_json=as_json, empty=empty)


def stop_rewrap(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, as `keys rewraps` lists it.")],
) -> None:
    """Stop a run of the worker after its present batch. What is re-wrapped stays so."""
    with opening.vault(context) as (service, caller):
        stopped = operations.rewrap_runs.stop_run(service, caller, run)
    show.out(f"{stopped.id} stops")


def _done_here(
    service: Service, caller: Caller, named: list[str], *, rotate: bool
) -> list[Rewrapping]:
    done = []
    for name in named:
        with progress.of_count(f"re-wrapping {name}") as so_far:
            if rotate:
                operations.rewrapping.rotate_collection_key(service, caller, name)
            done.append(operations.rewrapping.rewrap_collection(service, caller, name, so_far))
    return done


def _watched(service: Service, caller: Caller, run: RewrapRun) -> RewrapRun:
    with progress.of_count(f"re-wrapping {run.collection}") as so_far:
        waiting = Waiting()

        def tell(now: RewrapRun) -> None:
            waiting.look(now.id, begun=now.state != "requested")
            so_far(now.rewrapped, now.rewrapped + (now.remaining or 0))

        return operations.rewrap_runs.watch_run(service, caller, run.id, tell)


def _show_done(done: list[Rewrapping], *, as_json: bool) -> None:
    if as_json:
        show.document({"rewraps": [{**vars(one), "damaged": list(one.damaged)} for one in done]})
    else:
        for one in done:
            _say(one.collection, one.rewrapped, one.version, one.left)
    damaged = [f"{one.collection}/{subject}" for one in done for subject in one.damaged]
    if damaged:
        some = ", ".join(damaged[:20])
        raise Damaged(f"{len(damaged)} data keys do not open: {some}; restore them from a backup")


def _show_runs(runs: tuple[RewrapRun, ...], *, as_json: bool, waited: bool) -> None:
    if as_json:
        show.document({"rewraps": [_row(run) for run in runs]})
    else:
        for run in runs:
            if run.state == "done":
                _say(run.collection, run.rewrapped, run.version or 0, run.remaining or 0)
            else:
                show.out(f"{run.id} is {run.state}" + (f": {run.error}" if run.error else ""))
    if not waited:
        return
    failed = [run for run in runs if run.state == "failed"]
    if failed:
        raise RewrapFailed(f"{len(failed)} runs failed: {failed[0].error}")
    damaged = sum(run.damaged for run in runs)
    if damaged:
        raise Damaged(
            f"{damaged} data keys do not open; `secvault keys rewrap COLLECTION` names them"
        )


def _say(collection: str, rewrapped: int, version: int, left: int) -> None:
    show.out(
        f"{rewrapped} data keys of {collection} re-wrapped; all are under version {version}"
        + (f", but for {left} that are damaged" if left else "")
    )


def _row(run: RewrapRun) -> dict[str, Any]:
    times = {
        "requested_at": show.time(run.requested_at),
        "finished_at": show.time(run.finished_at),
    }
    return {**vars(run), **times}

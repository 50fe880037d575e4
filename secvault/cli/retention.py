"""`secvault records retention`: what has been kept for long enough is listed, approved, erased."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show

if TYPE_CHECKING:
    from secvault.records.retention_run import Item
    from secvault.service.erasing.retention_runs import RunView

app = typer.Typer(
    no_args_is_help=True,
    help="Retention: propose what is due, look at the list, run it, drop it.",
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, of `retention list`.")]


@app.command(epilog="Example: secvault records retention propose --collection visitors")
def propose(
    context: typer.Context,
    collection: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """List the records whose period has run out today. Nothing is erased by this."""
    with opening.vault(context) as (service, caller):
        view = operations.retention_runs.propose(service, caller, collection)
    if view is None:
        if as_json:
            show.document({"run": None})
        else:
            show.talk("Nothing is due.")
        return
    _print(view, as_json=as_json)
    if not as_json:
        show.talk(f"Next: secvault records retention show {view.run.id}, then `retention run`.")


@app.command("list", epilog="Example: secvault records retention list --json")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest runs, newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.retention_runs.list_runs(service, caller, limit)
    columns = {
        "proposed_at": "Proposed",
        "state": "State",
        "records": "Records",
        "states": "Of them",
        "approved_by": "Begun by",
        "finished_at": "Ended",
        "id": "Id",
    }
    show.listing(
        "runs", [_run(one) for one in found], columns, as_json=as_json, empty="There was none yet."
    )


@app.command("show", epilog="Example: secvault records retention show RUN")
def show_(
    context: typer.Context,
    run: RunId,
    after: Annotated[str, typer.Option(help="Continue after this COLLECTION/ID.")] = "",
    limit: Annotated[int, typer.Option(help="How many records, 1 to 500.")] = 100,
    as_json: show.AsJson = False,
) -> None:
    """Show a run's list: each record, since when it is kept, when due, what became of it."""
    collection, _, record = after.partition("/")
    with opening.vault(context) as (service, caller):
        view, items = operations.retention_runs.read_run(
            service, caller, run, (collection, record), limit
        )
    rows = [_item(one) for one in items]
    following = f"{items[-1].collection}/{items[-1].id}" if len(items) == limit else None
    if as_json:
        show.document({**_run(view), "items": rows, "next_after": following})
        return
    _print(view, as_json=False)
    columns = {
        "collection": "Collection",
        "id": "Record",
        "since": "Since",
        "period": "Period",
        "due": "Due",
        "state": "State",
    }
    show.table(rows, columns, "There is nothing more on the list.")
    if following:
        show.talk(f"More: secvault records retention show {run} --after {following}")


@app.command(epilog="Example: secvault records retention run RUN")
def run(
    context: typer.Context,
    run_id: RunId,
    by_worker: Annotated[
        bool, typer.Option("--worker", help="Let the running service erase it.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Erase exactly the list that was proposed. Needs a second person's approval (--ask).

    What is held, or is not due any more, stays. After a kill it goes on where it was when it is run
    again; what is erased stays erased.
    """
    with opening.vault(context) as (service, caller):
        runs = operations.retention_runs
        view, _ = runs.read_run(service, caller, run_id, ("", ""), 1)
        if view.run.state != operations.retention_rows.ERASING:
            view = runs.begin(service, caller, run_id, by_worker=by_worker)
        if not by_worker:
            with progress.cancellable() as cancel, progress.of_count("Erasing") as so_far:
                view = runs.work(service, caller, run_id, so_far, cancel)
    _print(view, as_json=as_json)


@app.command(epilog="Example: secvault records retention drop RUN")
def drop(context: typer.Context, run_id: RunId, as_json: show.AsJson = False) -> None:
    """Put a proposed list away; nothing is erased."""
    with opening.vault(context) as (service, caller):
        view = operations.retention_runs.drop(service, caller, run_id)
    _print(view, as_json=as_json)


def _print(view: RunView, *, as_json: bool) -> None:
    row = _run(view)
    if as_json:
        show.document(row)
        return
    show.facts(
        {
            "run": view.run.id,
            "state": view.run.state,
            "records": view.run.records,
            "of them": row["states"],
            "that do not open": view.run.damaged,
            "list (SHA-256)": view.run.digest,
            "evidence": view.run.erasure or "-",
        }
    )


def _run(view: RunView) -> dict[str, Any]:
    one = view.run
    states: Counter[str] = Counter()
    by_collection: dict[str, dict[str, int]] = {}
    for (collection, state), count in sorted(view.counts.items()):
        states[state] += count
        by_collection.setdefault(collection, {})[state] = count
    return {
        "id": one.id,
        "state": one.state,
        "proposed_by": one.proposed_by,
        "proposed_at": show.time(one.proposed_at),
        "digest": one.digest,
        "records": one.records,
        "damaged": one.damaged,
        "approved_by": one.approved_by,
        "approved_at": show.time(one.approved_at),
        "finished_at": show.time(one.finished_at),
        "erasure": one.erasure,
        "states": ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
        "collections": by_collection,
    }


def _item(one: Item) -> dict[str, Any]:
    return {
        "collection": one.collection,
        "id": one.id,
        "since": one.since,
        "due": one.due,
        "period": one.period,
        "state": one.state,
        "key_destroyed": None if one.keys is None else bool(one.keys),
        "decided_at": show.time(one.decided_at),
    }

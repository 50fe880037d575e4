"""`secvault backup check`, `checks` and `forget`: what is in the repositories, whole or gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.backup import Plan, retention_of, retention_words
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.checks import Check

_COLUMNS = {
    "started_at": "Started",
    "plan": "Plan",
    "state": "State",
    "passed": "Whole",
    "repositories": "Repositories",
    "error": "Error",
}


def check(
    context: typer.Context,
    plan: Plan = None,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read all of the data, and not a part in turn.")
    ] = False,
    structure: Annotated[
        bool, typer.Option("--structure", help="Read nothing of the data.")
    ] = False,
    subset: Annotated[str, typer.Option(help="Read this much of the data: 1/10, 5% or 500M.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Check the plan's repositories now: their structure, and a part of their data.

    Which part is in turn, so that checks by the plan's `check_schedule` read everything within
    `check_days`. Exit code 5 when damage is found. Ctrl-C stops it cleanly.
    """
    asked = [what for what in ("all" * read_data, "structure" * structure, subset) if what]
    if len(asked) > 1:
        raise InvalidInput.at("--subset", "name one of --read-data, --structure and --subset")
    with opening.vault(context) as (service, caller), progress.cancellable() as cancel:
        named = opening.the_plan(service, plan)
        what = asked[0] if asked else ""
        with progress.of_count(f"Check {named}") as so_far:
            done = operations.backup_checks.run_check(service, caller, named, what, so_far, cancel)
    if as_json:
        show.document(_check(done))
        return
    show.facts(
        {one.repository: f"whole, read: {one.read}" for one in done.repositories}
        | {"check": done.id}
    )


def checks(
    context: typer.Context,
    plan: Annotated[str | None, typer.Option(help="Only those of this plan.")] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest checks, and what each came to in each repository."""
    with opening.vault(context) as (service, caller):
        found = operations.backup_checks.list_checks(service, caller, limit, plan)
    rows = [_check(one) for one in found]
    if not as_json:
        rows = [{**row, "repositories": _repositories(row)} for row in rows]
    empty = "There was no check yet: run `secvault backup check`."
    show.listing("checks", rows, _COLUMNS, as_json=as_json, empty=empty)


def forget(context: typer.Context, plan: Plan = None, as_json: show.AsJson = False) -> None:
    """Apply the plan's retention now, and prune: what no rule keeps any more goes."""
    with opening.vault(context) as (service, caller), progress.cancellable() as cancel:
        named = opening.the_plan(service, plan)
        done = operations.backup_runs.forget(service, caller, named, cancel)
    retention = retention_of(done)
    if as_json:
        show.document({"plan": named, "retention": retention})
        return
    show.facts({"plan": named, "retention": retention_words(retention)})


def _check(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "plan": check.plan,
        "state": check.state,
        "phase": check.phase,
        "passed": check.passed,
        "requested_by": check.requested_by,
        "started_at": show.time(check.started_at),
        "finished_at": show.time(check.finished_at),
        "error": check.error,
        "repositories": [
            {
                "repository": one.repository,
                "checked_at": show.time(one.checked_at),
                "passed": one.passed,
                "read": one.read,
                "damaged": list(one.damaged),
                "notes": list(one.hints),
            }
            for one in check.repositories
        ],
    }


def _repositories(row: dict[str, Any]) -> str:
    return "; ".join(
        f"{one['repository']}: {one['read'] if one['passed'] else 'DAMAGED'}"
        for one in row["repositories"]
    )

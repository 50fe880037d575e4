"""`secvault drill`: prove that the backups restore, and keep the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from secvault.cli import (
    drill_report,
    drill_scenario,
    drill_watch,
    drill_words,
    opening,
    operations,
    outcome,
    progress,
    show,
)
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.drills.order import DrillOrder
    from secvault.config.drills import LevelName

app = typer.Typer(
    no_args_is_help=True,
    help="Restore drills: run, watch, list, show, report, verify the evidence.",
)

Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]
app.command(epilog=drill_scenario.PLAY)(drill_scenario.scenario)
app.command(epilog=drill_scenario.LIST)(drill_scenario.scenarios)

DrillId = Annotated[str, typer.Argument(metavar="ID", help="From `secvault drill list`.")]
LEVELS: tuple[LevelName, ...] = ("repository", "files", "databases", "vault", "service")
_COLUMNS = {
    "started_at": "Started",
    "plan": "Plan",
    "state": "State",
    "passed": "Passed",
    "snapshot": "Snapshot",
    "extent": "Extent",
    "rpo_seconds": "RPO s",
    "rto_seconds": "RTO s",
    "error": "Error",
    "id": "Id",
}


@app.command(epilog="Example: secvault drill run nightly --snapshot 1a2b3c4d --level repository")
def run(
    context: typer.Context,
    plan: Plan = None,
    *,
    snapshot: Annotated[
        str,
        typer.Option(help="`latest`, or the beginning of an id; else by the plan's settings."),
    ] = "",
    repository: Annotated[str, typer.Option(help="One of the plan's repositories.")] = "",
    extent: Annotated[
        Literal["whole", "sample"] | None,
        typer.Option(help="All files, or a sample; else by the plan's settings."),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(help=f"What to prove, more than once: {', '.join(LEVELS)}; else all set."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Restore a snapshot in a scratch place and prove that it can be used.

    What is proven, and how, stands in the plan's settings (drill). The finding is signed and kept.
    Exit code 5 when a level failed. Ctrl-C stops it cleanly; nothing is proven then.
    """
    order = _order(snapshot, repository, extent or "", level or [])
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        with (
            progress.cancellable("Stopping; what was restored is removed.") as cancel,
            progress.of_bytes(f"Drill {named}") as so_far,
        ):
            done = operations.drills.run_drill(service, caller, named, so_far, cancel, order)
        verified, _, _ = operations.drills.read_evidence(service, caller, done.id)
        files = drill_report.files_of(service, done)
    if as_json:
        show.document({**drill_words.shown(done), "evidence": files})
    else:
        drill_words.tell(done, verified)
        show.facts(files)
    if done.passed is not True:
        raise typer.Exit(outcome.DAMAGE.number)


@app.command("list", epilog="Example: secvault drill list --json")
def list_(
    context: typer.Context,
    plan: Annotated[str | None, typer.Option(help="Only those of this plan.")] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest drills, newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.drills.list_drills(service, caller, limit, plan)
    rows = [drill_words.shown(one) for one in found]
    if not as_json:
        rows = [{**row, "snapshot": (row["snapshot"] or "")[:8]} for row in rows]
    empty = "There was no drill yet: run `secvault drill run`."
    show.listing("drills", rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command("show", epilog="Example: secvault drill show 019a0d3c5e7a7c11b0a5c2f0c3a1d2e4")
def show_(context: typer.Context, drill_id: DrillId, as_json: show.AsJson = False) -> None:
    """Show what a drill found, after checking the signature on it; or how far it is."""
    with opening.vault(context) as (service, caller):
        found = operations.drills.read_drill(service, caller, drill_id)
        verified: dict[str, Any] = {}
        if found.state == "done":
            verified, _, _ = operations.drills.read_evidence(service, caller, drill_id)
        files = drill_report.files_of(service, found)
    if as_json:
        show.document({**drill_words.shown(found), "evidence": files})
        return
    drill_words.tell(found, verified)
    show.facts(files)


@app.command(epilog="Example: secvault drill status --json")
def status(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show how every plan stands with its drills: failed, overdue, missed, new, proven or off."""
    with opening.vault(context) as (service, caller):
        found = operations.drill_standing.read_standings(service, caller)
    rows = [drill_words.standing(one) for one in found]
    if as_json:
        show.document({"plans": rows})
        return
    empty = "There is no plan: see [backup.plans.<name>] in the settings."
    show.table([drill_words.in_words(row) for row in rows], drill_words.STANDING, empty)
    for row in rows:
        for line in drill_words.findings(row):
            show.talk(f"{row['plan']}: {line}")


app.command(epilog=drill_watch.WATCH)(drill_watch.watch)
app.command("report", epilog=drill_report.REPORT)(drill_report.report)
app.command("verify", epilog=drill_report.VERIFY)(drill_report.verify)


def _order(
    snapshot: str, repository: str, extent: Literal["", "whole", "sample"], named: list[str]
) -> DrillOrder:
    unknown = [one for one in named if one not in LEVELS]
    if unknown:
        raise InvalidInput.at("--level", f"use one of {', '.join(LEVELS)}")
    levels = tuple(level for level in LEVELS if level in named)
    made: DrillOrder = operations.drill_orders.DrillOrder(snapshot, repository, extent, levels)
    return made

"""`secvault drill`: prove that the backups restore, and keep the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from secvault.backup.drills.order import LEVELS, DrillOrder
from secvault.cli import drill_report, opening, operations, outcome, progress, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.drills.stored import Drill

app = typer.Typer(
    no_args_is_help=True, help="Restore drills: run, list, show, report, verify the evidence."
)

Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]
DrillId = Annotated[str, typer.Argument(metavar="ID", help="From `secvault drill list`.")]
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
        Literal["", "whole", "sample"],
        typer.Option(help="All files, or a sample; else by the plan's settings."),
    ] = "",
    level: Annotated[
        list[str] | None,
        typer.Option(help=f"What to prove, more than once: {', '.join(LEVELS)}; else all set."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Restore a snapshot in a scratch place and prove that it can be used.

    What is proven, and how, is set for each plan ([backup.plans.<plan>.drill]). The finding is
    signed and kept. Exit code 5 when a level failed. Ctrl-C stops it cleanly; nothing is proven
    then.
    """
    order = _order(snapshot, repository, extent, level or [])
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        with (
            progress.cancellable("Stopping; what was restored is removed.") as cancel,
            progress.of_bytes(f"Drill {named}") as so_far,
        ):
            done = operations.drills.run_drill(service, caller, named, so_far, cancel, order)
    if as_json:
        show.document(shown(done))
    else:
        _print(done)
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
    rows = [shown(one) for one in found]
    if not as_json:
        rows = [{**row, "snapshot": (row["snapshot"] or "")[:8]} for row in rows]
    empty = "There was no drill yet: run `secvault drill run`."
    show.listing("drills", rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command("show", epilog="Example: secvault drill show 019a0d3c5e7a7c11b0a5c2f0c3a1d2e4")
def show_(context: typer.Context, drill_id: DrillId, as_json: show.AsJson = False) -> None:
    """Show what a drill found, after checking the signature on it; or how far it is."""
    with opening.vault(context) as (service, caller):
        found = operations.drills.read_drill(service, caller, drill_id)
        if found.state == "done":
            operations.drills.read_evidence(service, caller, drill_id)
    if as_json:
        show.document(shown(found))
        return
    _print(found)


app.command("report", epilog=drill_report.REPORT)(drill_report.report)
app.command("verify", epilog=drill_report.VERIFY)(drill_report.verify)


def shown(drill: Drill) -> dict[str, Any]:
    """A drill as JSON shows it."""
    figures = drill.figures
    return {
        "id": drill.id,
        "plan": drill.plan,
        "state": drill.state,
        "phase": drill.phase,
        "passed": drill.passed,
        "complete": drill.complete,
        "requested_by": drill.requested_by,
        "started_at": show.time(drill.started_at),
        "finished_at": show.time(drill.finished_at),
        "repository": drill.repository,
        "snapshot": drill.snapshot,
        "snapshot_at": show.time(drill.snapshot_at),
        "data_at": show.time(drill.data_at),
        "chosen": drill.chosen,
        "extent": drill.extent,
        "rpo_seconds": drill.rpo_seconds,
        "rpo_target_seconds": figures.rpo_target_seconds or None,
        "rto_seconds": drill.rto_seconds,
        "rto_target_seconds": figures.rto_target_seconds or None,
        "phases_ms": dict(drill.phases),
        "files": drill.files,
        "bytes": drill.bytes,
        "bytes_per_second": drill.bytes_per_second,
        "scratch_announced": drill.scratch_announced,
        "scratch_used": drill.scratch_used,
        "audit_entries_lost": figures.audit_entries_lost,
        "estimate_ms": figures.estimate_ms,
        "estimate_low_ms": figures.estimate_low_ms,
        "estimate_high_ms": figures.estimate_high_ms,
        "sample_population": figures.sample_population,
        "sample_size": figures.sample_size,
        "sample_found": figures.sample_found,
        "levels": dict(drill.levels),
        "faults": [
            {"level": one.level, "code": one.code, "where": one.where, "words": one.words}
            for one in drill.faults
        ],
        "error": drill.error,
    }


def _order(
    snapshot: str, repository: str, extent: Literal["", "whole", "sample"], named: list[str]
) -> DrillOrder:
    unknown = [one for one in named if one not in LEVELS]
    if unknown:
        raise InvalidInput.at("--level", f"use one of {', '.join(LEVELS)}")
    levels = tuple(level for level in LEVELS if level in named)
    return DrillOrder(snapshot, repository, extent, levels)


def _print(drill: Drill) -> None:
    for name, verdict in drill.levels.items():
        show.out(f"{verdict.upper() if verdict == 'failed' else verdict:<10}  {name}")
    for fault in drill.faults:
        show.out(
            f"{fault.code}  {show.cell(fault.where)}: {show.cell(fault.words)} ({fault.level})"
        )
    show.facts(_facts(drill))


def _facts(drill: Drill) -> dict[str, Any]:
    verdict = {True: "passed", False: "did not pass", None: drill.state}[drill.passed]
    facts: dict[str, Any] = {"drill": drill.id, "plan": drill.plan, "verdict": verdict}
    if drill.state != "done":
        facts |= {"phase": drill.phase, "error": drill.error}
    facts |= {
        "repository": drill.repository,
        "snapshot": drill.snapshot,
        "chosen": drill.chosen,
        "extent": drill.extent,
    }
    if drill.state != "done":
        return facts
    return facts | {
        "data as of": show.time(drill.data_at),
        "RPO": _against(drill.rpo_seconds, drill.figures.rpo_target_seconds, "age of the data"),
        "RTO": _against(drill.rto_seconds, drill.figures.rto_target_seconds, "to bring it back"),
        **{f"  {phase}": show.duration(took) for phase, took in drill.phases.items()},
        **_estimate(drill),
        "files": drill.files,
        "bytes": show.size(drill.bytes),
        "scratch space": f"{show.size(drill.scratch_used)} of {show.size(drill.scratch_announced)} "
        "that were announced",
    }


def _against(seconds: int | None, target: int, what: str) -> str:
    if seconds is None:
        return "-"
    kept = "" if seconds <= target else ", MISSED"
    aim = f"; the target is {show.duration(target * 1000)}{kept}" if target else ""
    return f"{show.duration(seconds * 1000)} ({what}{aim})"


def _estimate(drill: Drill) -> dict[str, str]:
    figures = drill.figures
    if figures.estimate_ms is None:
        return {}
    low, high = figures.estimate_low_ms or 0, figures.estimate_high_ms or 0
    return {
        "RTO of the whole": f"{show.duration(figures.estimate_ms)}, from {show.duration(low)} to "
        f"{show.duration(high)}, by the sample"
    }

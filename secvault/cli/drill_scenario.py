"""`secvault drill scenario`: play a loss through, and see that the company comes back from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, outcome, progress, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.drills.scenarios.stored import StoredScenario
    from secvault.crypto.secret import Secret
    from secvault.service.drill_scenarios import Report

PLAY = "Example: secvault drill scenario bucket-lost nightly"
LIST = "Example: secvault drill scenarios --json"
_NAMES = (
    "single-file, database-dropped, host-lost, ransomware, keys-lost, bucket-lost, "
    "administrator-lost."
)


def scenario(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SCENARIO", help=_NAMES)],
    plan: Annotated[
        str | None,
        typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
    ] = None,
    *,
    path: Annotated[
        str, typer.Option(help="single-file: the file, by its full path; else one by chance.")
    ] = "",
    shares: Annotated[
        int,
        typer.Option(
            help="Ask for so many shares: of the recovery kit (keys-lost, host-lost), or of the "
            "seal (administrator-lost; a passphrase counts as one).",
            min=0,
            max=16,
        ),
    ] = 0,
    as_json: show.AsJson = False,
) -> None:
    """Play a loss through on real parts, without touching production.

    What is lost is lost for the drill alone; what comes back lies in secvault's own scratch space
    and is removed at the end. What it came to is signed and kept. Exit code 5 when it did not pass.
    """
    chosen = operations.drill_scenarios.named(name)
    wish = operations.drill_plays.Wish(path or None, _given(name, shares))
    if path and name != "single-file":
        raise InvalidInput.at("--path", "is for single-file alone")
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        with progress.cancellable() as cancel, progress.of_bytes(f"{name} of {named}") as so_far:
            result = operations.drill_scenarios.run_scenario(
                service, caller, chosen, named, wish, so_far, cancel
            )
        report = operations.drill_scenarios.read_scenario(service, caller, result.id)
        files = operations.drill_scenarios.evidence_files(service, report)
    _show(report, files, as_json=as_json)
    if not result.passed:
        raise typer.Exit(outcome.DAMAGE.number)


def scenarios(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest scenario drills, newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.drill_scenarios.list_scenarios(service, caller, limit)
    columns = {
        "started_at": "Started",
        "scenario": "Scenario",
        "plan": "Plan",
        "state": "State",
        "phase": "Phase",
        "passed": "Passed",
        "rto_seconds": "RTO s",
        "error": "Error",
        "id": "Id",
    }
    show.listing(
        "scenarios",
        [_row(one) for one in found],
        columns,
        as_json=as_json,
        empty="No scenario was played yet: run `secvault drill scenario single-file`.",
    )


def _given(name: str, count: int) -> tuple[Secret, ...]:
    if count and name not in ("keys-lost", "host-lost", "administrator-lost"):
        raise InvalidInput.at("--shares", "no shares are used in this scenario")
    return tuple(ask.secret(f"Share {number} of {count}") for number in range(1, count + 1))


def _show(report: Report, files: tuple[Path, ...], *, as_json: bool) -> None:
    told: dict[str, Any] = report.document
    if as_json:
        show.document({**told, "evidence": [str(file) for file in files]})
        return
    verdicts = {"passed": "done  ", "failed": "FAILED", "not tested": "open  "}
    for step in told["steps"]:
        show.out(
            f"{verdicts.get(step['verdict'], step['verdict'])}  {show.cell(step['name'])}: "
            f"{show.cell(step['words'])}"
        )
    for words in told["not_tested"]:
        show.out(f"not tested: {show.cell(words)}")
    show.facts(
        {
            "scenario": told["scenario"],
            "verdict": "passed" if told["passed"] else "did not pass",
            "id": told["id"],
            "evidence": str(files[0]),
            "report": str(files[2]),
        }
    )


def _row(one: StoredScenario) -> dict[str, Any]:
    return {
        "id": one.id,
        "scenario": one.scenario,
        "plan": one.plan,
        "state": one.state,
        "phase": one.phase,
        "passed": one.passed,
        "requested_by": one.requested_by,
        "started_at": show.time(one.started_at),
        "finished_at": show.time(one.finished_at),
        "rto_seconds": one.rto_seconds,
        "error": one.error,
    }

"""`secvault drill`: prove that the backups restore, and keep the proof."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import evidence as evidence_files
from secvault.cli import opening, operations, outcome, progress, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.drill import Drill, Finding
    from secvault.service.service import Service

app = typer.Typer(
    no_args_is_help=True, help="Restore drills: run, list, show, verify the evidence."
)

Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]
DrillId = Annotated[str, typer.Argument(metavar="ID", help="From `secvault drill list`.")]


@app.command(epilog="Example: secvault drill run nightly")
def run(context: typer.Context, plan: Plan = None, as_json: show.AsJson = False) -> None:
    """Restore the newest snapshot in a scratch place and prove that it can be used.

    Every file is hashed, the database opened, the audit log verified and a sample of fields
    decrypted. The finding is signed and kept. Exit code 5 when a step did not pass.
    """
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        with progress.cancellable() as cancel, progress.of_bytes(f"Drill {named}") as so_far:
            finding = operations.drills.run_drill(service, caller, named, so_far, cancel)
        files = _evidence(service, finding.id)
    if as_json:
        show.document({**_finding(finding), "evidence": files})
    else:
        _print(_finding(finding), files)
    if not finding.passed:
        raise typer.Exit(outcome.DAMAGE.number)


@app.command("list", epilog="Example: secvault drill list --json")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest drills, newest first."""
    with opening.vault(context) as (service, caller):
        rows = [_row(one) for one in operations.drills.list_drills(service, caller, limit)]
    columns = {
        "started_at": "Started",
        "plan": "Plan",
        "state": "State",
        "passed": "Passed",
        "rpo_seconds": "RPO s",
        "rto_seconds": "RTO s",
        "error": "Error",
        "id": "Id",
    }
    show.listing(
        "drills",
        rows,
        columns,
        as_json=as_json,
        empty="There was no drill yet: run `secvault drill run`.",
    )


@app.command("show", epilog="Example: secvault drill show 019a0d3c5e7a7c11b0a5c2f0c3a1d2e4")
def show_(context: typer.Context, drill_id: DrillId, as_json: show.AsJson = False) -> None:
    """Show what a drill found, after checking the signature on it."""
    with opening.vault(context) as (service, caller):
        verified, _, _ = operations.drills.read_evidence(service, caller, drill_id)
        files = _evidence(service, drill_id)
    if as_json:
        show.document({**verified, "evidence": files})
        return
    _print(verified, files)


@app.command(
    epilog="Example: secvault drill verify --document drill.json --note drill.note --key 'acme/...'"
)
def verify(
    context: typer.Context,
    drill_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="A drill of this vault.")
    ] = None,
    *,
    document: Annotated[Path | None, typer.Option(help="The evidence's .json file.")] = None,
    note: Annotated[Path | None, typer.Option(help="The evidence's .note file.")] = None,
    key: evidence_files.KeyText = "",
    as_json: show.AsJson = False,
) -> None:
    """Check the signature on a drill's evidence: of this vault by id, or of files by a key.

    With --document, --note and --key no vault is needed. Exit code 5 when the evidence was
    changed.
    """
    if drill_id is not None and not (document or note or key):
        with opening.vault(context) as (service, caller):
            verified, _, _ = operations.drills.read_evidence(service, caller, drill_id)
    elif document and note and key and drill_id is None:
        verified = evidence_files.verified((document, "--document"), (note, "--note"), key)
    else:
        raise InvalidInput("give a drill's ID, or --document, --note and --key together")
    if as_json:
        show.document({"genuine": True, "document": verified})
    else:
        verdict = "passed" if verified.get("passed") else "did not pass"
        show.out(
            f"the evidence is genuine: drill {show.cell(verified.get('id'))} of plan "
            f"{show.cell(verified.get('plan'))} {verdict}"
        )


def _evidence(service: Service, drill_id: str) -> dict[str, str]:
    document, note, english, vietnamese = operations.drills.evidence_files(service, drill_id)
    return {
        "document": str(document),
        "note": str(note),
        "page_en": str(english),
        "page_vi": str(vietnamese),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "plan": finding.plan,
        "repository": finding.repository,
        "snapshot": finding.snapshot,
        "passed": finding.passed,
        "started_at": show.time(finding.started_at),
        "finished_at": show.time(finding.finished_at),
        "data_at": show.time(finding.data_at),
        "rpo_ms": finding.rpo_ms,
        "rto_ms": finding.rto_ms,
        "audit_events_lost": finding.audit_events_lost,
        "files": finding.files,
        "bytes": finding.bytes,
        "steps": [
            {"name": step.name, "passed": step.passed, "finding": step.finding}
            for step in finding.steps
        ],
    }


def _print(finding: Mapping[str, Any], files: Mapping[str, str]) -> None:
    for step in finding["steps"]:
        verdict = "proven" if step["passed"] else "FAILED"
        show.out(f"{verdict}  {show.cell(step['name'])}: {show.cell(step['finding'])}")
    show.facts(
        {
            "drill": finding["id"],
            "verdict": "passed" if finding["passed"] else "did not pass",
            "finished": finding["finished_at"],
            "snapshot": finding["snapshot"],
            "RPO": f"{show.duration(finding['rpo_ms'])} (age of the restored data)",
            "RTO": f"{show.duration(finding['rto_ms'])} (from its start to the last proof)",
            "audit entries since": finding["audit_events_lost"],
            "evidence": files["document"],
            "signature": files["note"],
            "report": files["page_en"],
        }
    )


def _row(drill: Drill) -> dict[str, Any]:
    return {
        "id": drill.id,
        "plan": drill.plan,
        "state": drill.state,
        "phase": drill.phase,
        "passed": drill.passed,
        "requested_by": drill.requested_by,
        "started_at": show.time(drill.started_at),
        "finished_at": show.time(drill.finished_at),
        "snapshot": drill.snapshot,
        "rpo_seconds": drill.rpo_seconds,
        "rto_seconds": drill.rto_seconds,
        "error": drill.error,
    }

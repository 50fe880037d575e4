"""`secvault audit alerts`: what the rules of detection have raised, and who has looked at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.audit.detection.alerts import RaisedAlert

app = typer.Typer(
    invoke_without_command=True,
    help="The alerts that detection has raised: list them, say that you have looked at one.",
)

_COLUMNS = {
    "id": "Alert",
    "rule": "Rule",
    "subject": "About",
    "first_at": "First",
    "last_at": "Last",
    "times": "Times",
    "counted": "Count",
    "threshold": "Limit",
    "seq": "Event",
    "acknowledged_by": "Looked at by",
}


@app.callback(epilog="Example: secvault audit alerts --all")
def alerts(
    context: typer.Context,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that somebody has acknowledged.")
    ] = False,
    after: Annotated[str, typer.Option(help="Continue after this alert (older ones).")] = "",
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 100,
    as_json: show.AsJson = False,
) -> None:
    """List the alerts that nobody has acknowledged, newest first."""
    if context.invoked_subcommand is not None:
        return
    with opening.vault(context) as (service, caller):
        found = operations.detecting.list_alerts(
            service, caller, every=every, after=after, limit=limit
        )
    rows = [_row(alert) for alert in found]
    show.listing("alerts", rows, _COLUMNS, as_json=as_json, empty="No alert is open.")


@app.command("acknowledge", epilog="Example: secvault audit alerts acknowledge 0198c0de...")
def acknowledge(
    context: typer.Context,
    alert: Annotated[str, typer.Argument(help="The alert's id.")],
) -> None:
    """Say that you have looked at an alert. It stays listed with --all, and in the log."""
    with opening.vault(context) as (service, caller):
        done = operations.detecting.acknowledge_alert(service, caller, alert)
    show.out(f"{done.rule} of {done.subject}: acknowledged by {done.acknowledged_by}")


def _row(alert: RaisedAlert) -> dict[str, Any]:
    return {
        **vars(alert),
        "first_at": show.time(alert.first_at),
        "last_at": show.time(alert.last_at),
        "acknowledged_at": show.time(alert.acknowledged_at),
    }

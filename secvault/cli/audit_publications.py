"""`secvault audit publications`, `publish`, `rotate-key`: what the log shows outside."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, outcome, progress, show

if TYPE_CHECKING:
    from secvault.service.audit_publications import PublicationState


def publications(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show where the log is published, how far each place has come, and what is wrong with it.

    Exit code 1 when one of them is broken.
    """
    with opening.vault(context) as (service, caller):
        found = operations.audit_publications.list_publications(service, caller)
    rows = [_row(each) for each in found]
    if as_json:
        show.document({"publications": rows})
    else:
        columns = {
            "name": "Publication",
            "location": "Where",
            "size": "Events",
            "lag": "Lag",
            "published": "Published",
            "lock": "Lock",
            "locked_until": "Locked until",
            "fault": "Fault",
        }
        none = "The log is published nowhere; see [audit.publications] in the settings."
        show.table(rows, columns, none)
        for row in rows:
            if row["detail"]:
                show.talk(f"{row['name']}: {row['detail']}")
    if any(row["fault"] for row in rows):
        raise typer.Exit(1)


def publish(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Which publications; else all of them."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Sign the log as it is and publish it now, instead of when the worker is due.

    What the place has missed is caught up with. Exit code 1 when one of them fails, 5 when what was
    published contradicts the log.
    """
    rows = []
    with opening.vault(context) as (service, caller):
        for name in names or sorted(service.settings.audit.published):
            with progress.of_count(name) as so_far:
                found = operations.audit_publications.publish_now(
                    service, caller, name, partial(_tell, so_far)
                )
            rows.append(_row(found))
    if as_json:
        show.document({"publications": rows})
    for row in rows if not as_json else ():
        if row["fault"]:
            show.talk(f"{row['name']}: NOT as it should be ({row['fault']}): {row['detail']}")
        else:
            show.talk(f"{row['name']}: {row['size']} events are published to {row['location']}.")
    if not rows:
        show.talk("The log is published nowhere; see [audit.publications] in the settings.")
    faults = {row["fault"] for row in rows}
    if "contradicted" in faults:
        raise typer.Exit(outcome.DAMAGE.number)
    if faults - {""}:
        raise typer.Exit(1)


def rotate_key(
    context: typer.Context,
    overlap_days: Annotated[
        int, typer.Option(help="For how long the old key signs as well, 0 to 365.")
    ] = 30,
    as_json: show.AsJson = False,
) -> None:
    """Make another key that signs the log. Old checkpoints stay good by their key.

    Both sign during the overlap, so that auditors can take over the new key with the old one still
    in hand. With --overlap-days 0 the old key signs nothing more: for one that others may have.
    """
    with opening.vault(context) as (service, caller):
        rotated = operations.audit_keys.rotate_key(service, caller, overlap_days)
    values = {
        "audit": rotated.key.vkey,
        "number": rotated.key.number,
        "former": rotated.former.vkey,
        "both_until": show.time(rotated.until),
    }
    if as_json:
        show.document(values)
        return
    show.facts(values)
    show.talk("Give the new key to whoever verifies the log, and publish it beside the old one.")


def _tell(so_far: progress.CountSoFar, done: int) -> None:
    so_far(done, max(done, 1))


def _row(found: PublicationState) -> dict[str, Any]:
    state, last = found.state, found.last
    return {
        "name": state.name,
        "location": found.settings.location,
        "size": state.size,
        "lag": found.lag,
        "published": show.time(state.published_at) if state.published_at else "",
        "lock": last.mode.lower() if last else "",
        "locked_until": show.time(last.retain_until) if last and last.retain_until else "",
        "version": last.version if last else "",
        "fault": state.fault,
        "detail": state.detail,
        "failing_since": show.time(state.failing_since) if state.failing_since else "",
    }

"""`secvault audit witnesses`: who co-signs the log, and up to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.service.audit_witnesses import WitnessView


def witnesses(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show who co-signs the log's checkpoints, up to which size, and why one does not."""
    with opening.vault(context) as (service, caller):
        views = operations.audit_witnesses.list_witnesses(service, caller)
    rows = [_row(one) for one in views]
    if as_json:
        show.document({"witnesses": rows})
        return
    columns = {
        "name": "Witness",
        "url": "Address",
        "size": "Co-signed up to",
        "cosigned_at": "Last",
        "lag": "Behind",
        "reason": "Trouble",
        "failing_since": "Since",
    }
    show.table(rows, columns, "No witness is declared; see docs/how-to/witness.md.")


def _row(view: WitnessView) -> dict[str, Any]:
    state = view.state
    return {
        "name": view.name,
        "url": view.url,
        "vkey": view.vkey,
        "size": state.size if state else 0,
        "asked_at": show.time(state.asked_at) if state else None,
        "cosigned_at": show.time(state.cosigned_at) if state else None,
        "lag": view.lag,
        "failing_since": show.time(state.failing_since) if state else None,
        "reason": state.reason if state else None,
    }

"""`secvault records history`: who entered, changed, read and revealed a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.audit.leaf import StoredEvent
    from secvault.service.record_history import History


def history(
    context: typer.Context,
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Such as payroll.")],
    record_id: Annotated[str, typer.Argument(metavar="ID", help="The record's id.")],
    *,
    collection_wide: Annotated[
        bool,
        typer.Option(
            "--collection-wide",
            help="With pages, searches and exports of the whole collection, which name no records.",
            show_default=False,
        ),
    ] = False,
    after: Annotated[
        int | None, typer.Option(help="Continue after this sequence number (older events).")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.", min=1, max=1000)] = 50,
    as_json: show.AsJson = False,
) -> None:
    """Show what happened to a record, newest first, also to one that is gone.

    For auditors, and for those who answer for its department. No value is shown; why values were
    revealed is.
    """
    with opening.vault(context) as (service, caller):
        found = operations.record_history.record_history(
            service,
            caller,
            collection,
            record_id,
            after=after,
            limit=limit,
            collection_wide=collection_wide,
        )
    rows = [_row(stored, found) for stored in found.events]
    record = f"/{collection}/{record_id}/"
    if as_json:
        deeds = [
            {
                "action": one.action,
                "version": one.version,
                "who": one.subject,
                "at": show.time(one.at),
            }
            for one in found.deeds
        ]
        show.document(
            {
                "collection": collection,
                "id": record_id,
                "deeds": deeds,
                "events": rows,
                "names": dict(found.names),
                "next": found.next,
            }
        )
        return
    for deed in found.deeds:
        who = show.cell(found.names.get(deed.subject, deed.subject))
        show.out(f"version {deed.version}: {deed.action} by {who}, {show.time(deed.at)}")
    for row in rows:
        # What was refused names its one field in what it was done to.
        row["touched"] = row["fields"] or row["resource"].partition(record)[2]
    columns = {
        "time": "Time",
        "who": "Who",
        "kind": "What",
        "outcome": "Outcome",
        "touched": "Fields",
        "reason": "Reason",
    }
    show.table(rows, columns, "No event is known of it.")
    if found.next is not None:
        show.talk(f"Older ones: the same with --after {found.next}")


def _row(stored: StoredEvent, found: History) -> dict[str, Any]:
    event = stored.event
    subject = event.actor.subject
    return {
        "seq": stored.seq,
        "time": show.time(stored.t),
        "actor": subject,
        "who": found.names.get(subject, subject),
        "kind": event.kind,
        "outcome": event.outcome,
        "resource": event.resource,
        "fields": list(event.fields),
        "detail": dict(event.detail),
        "reason": reason_of(stored.id, found.reasons),
    }


def reason_of(event: str, reasons: Mapping[str, str | None]) -> str | None:
    """Why a value was revealed, as it is shown; None where nothing is kept."""
    if event not in reasons:
        return None
    return reasons[event] or "(damaged: it was changed in the store)"

"""`secvault reviews dormant` and `unused`: what lies idle."""

from __future__ import annotations

from typing import Annotated

import typer

from secvault.cli import opening, operations, show


def dormant(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(help="Not seen for so long.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """List people, systems and tokens that were not seen for long, or never."""
    with opening.vault(context) as (service, caller):
        found = operations.review_reports.dormant(service, caller, days)
    rows = [
        {
            "kind": one.kind,
            "id": one.id,
            "name": one.name,
            "created_at": show.time(one.since),
            "last_seen": show.time(one.last_seen),
            "note": one.note,
            "grants": one.grants,
        }
        for one in found
    ]
    columns = {
        "kind": "What",
        "name": "Name",
        "id": "Id",
        "created_at": "Made",
        "last_seen": "Last seen",
        "note": "Note",
        "grants": "Roles",
    }
    show.listing("dormant", rows, columns, as_json=as_json, empty="Everything was seen lately.")


def unused(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(help="Not used for so long.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """List grants of which something was not used for long, and a smaller role that fits."""
    with opening.vault(context) as (service, caller):
        report = operations.review_reports.unused(service, caller, days)
        rows = [
            {
                "grant": one.grant.id,
                "name": one.name,
                "role": one.grant.role,
                "department": one.grant.department,
                "last_used": operations.review_evidence.day(one.last_used),
                "unused": one.unused,
                "given": one.given,
                "smaller": one.smaller,
                "rules": list(one.rules),
            }
            for one in report.grants
        ]
        eligible = [operations.review_evidence.as_row(one) for one in report.eligible]
    since = show.time(report.since)
    if as_json:
        found = {"days": report.days, "known_since": since, "grants": rows, "eligible": eligible}
        show.document(found)
        return
    columns = {
        "grant": "Grant",
        "name": "Who",
        "role": "Role",
        "department": "In",
        "last_used": "Last used",
        "unused": "Rules unused",
        "given": "of",
        "smaller": "Would do",
    }
    show.table(rows, columns, "Nothing lies idle, as far as is known.")
    if eligible:
        may = {
            "eligibility": "Eligibility",
            "name": "Who",
            "role": "May activate",
            "department": "In",
            "last_used": "Last activated",
            "expires_at": "Until",
        }
        show.table(eligible, may, "")
    show.talk(f"Uses are known since {since or 'never: the worker has not read the log yet'}.")

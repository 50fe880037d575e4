"""`secvault audit timeline`, `standing`: how much the log has of which time, and how it stands."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import typer

from secvault.cli import opening, operations, show
from secvault.cli.audit_filters import (
    ByActor,
    EndedSo,
    Moment,
    OfDepartment,
    OfKind,
    OnResource,
)
from secvault.cli.moment import micros_of
from secvault.clock import timestamp


def timeline(
    context: typer.Context,
    *,
    kind: OfKind = "",
    ended: EndedSo = None,
    actor: ByActor = "",
    resource: OnResource = "",
    department: OfDepartment = "",
    since: Moment = "",
    until: Moment = "",
    parts: Annotated[int, typer.Option(help="Into how many the time is cut, 1 to 100.")] = 30,
    as_json: show.AsJson = False,
) -> None:
    """Show how many events came when: of the last 30 days, or of a time that you say.

    With more than a time to restrict them the newest 5,000 are counted.
    """
    with opening.vault(context) as (service, caller):
        standing = operations.audit_standing
        question = operations.query.Question(
            kind=kind,
            outcome=ended,
            actor=actor,
            resource=resource,
            department=department,
            since=micros_of(since, "--since"),
            until=micros_of(until, "--until"),
        )
        edges = standing.even_edges(question.since, question.until, parts, service.clock.micros())
        found = standing.read_timeline(service, caller, edges, question)
    rows = [
        {"since": timestamp(start), "until": timestamp(end), "events": count}
        for (start, end), count in zip(pairwise(found.edges), found.counts, strict=True)
    ]
    if as_json:
        show.document({"parts": rows, "archived": found.archived, "partial": found.partial})
        return
    show.table(
        rows, {"since": "From", "until": "Until", "events": "Events"}, "No time is asked for."
    )
    if found.archived:
        show.talk("Older ones lie in archives, and are not counted: secvault audit archives")
    if found.partial:
        show.talk("There are more that fit than the newest, which are counted here.")


def standing(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show how the log stands: its size, its newest checkpoint, when it was last verified.

    Nothing is verified for that: `secvault audit verify` does.
    """
    with opening.vault(context) as (service, caller):
        found = operations.audit_standing.read_standing(service, caller)
    signed, verified = found.checkpoint, found.verified
    facts = {
        "size": found.size,
        "checkpoint": signed.size if signed else None,
        "checkpoint_at": timestamp(signed.t) if signed else None,
        "cosigned": found.cosigned,
        "live_from": found.live_from,
        "verified_at": timestamp(verified.t) if verified else None,
        "verified": verified.passed if verified else None,
    }
    if as_json:
        show.document(facts)
        return
    show.facts(
        {
            "events": facts["size"],
            "newest checkpoint, of so many": facts["checkpoint"],
            "signed": facts["checkpoint_at"],
            "co-signed, of so many": facts["cosigned"] or None,
            "not in archives, from": facts["live_from"],
            "last verified": facts["verified_at"],
            "it passed then": facts["verified"],
        }
    )

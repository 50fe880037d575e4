"""`secvault audit event`, and how an event is shown: with what is personal in it, if any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, record_history, show

if TYPE_CHECKING:
    from secvault.audit.leaf import StoredEvent
    from secvault.service.audit_log import Events
    from secvault.service.audit_personal import Seen

_GONE = {"erased": "(erased)", "altered": "(damaged: it was changed in the store)"}


def event(
    context: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The event's number.")],
    as_json: show.AsJson = False,
) -> None:
    """Show one event: what happened, by whom, from where, and on which decision it rests.

    Where people came from, their programs, their names at the time and what they wrote are shown to
    auditors, until the person is erased; others see the network alone.
    """
    with opening.vault(context) as (service, caller):
        found = operations.audit_log.read_event(service, caller, seq)
    stored = found.events[0]
    if as_json:
        show.document(row_of(stored, found))
        return
    row, seen = row_of(stored, found), found.personal.get(stored.id)
    personal = {} if seen is None else _facts(seen)
    reason = row.pop("reason") or personal.pop("reason", "")
    del row["personal"]
    row["fields"] = ", ".join(row["fields"])
    row["detail"] = ", ".join(f"{name} {value}" for name, value in row["detail"].items())
    known = {**row, **personal, "reason": reason}
    show.facts({name: value for name, value in known.items() if value not in ("", None)})


def row_of(stored: StoredEvent, page: Events) -> dict[str, Any]:
    """The event as `--json` has it."""
    event = stored.event
    seen = page.personal.get(stored.id)
    return {
        "seq": stored.seq,
        "id": stored.id,
        "time": show.time(stored.t),
        "kind": event.kind,
        "outcome": event.outcome,
        "actor": event.actor.subject,
        "session": event.actor.session,
        "resource": event.resource,
        "department": event.department,
        "fields": list(event.fields),
        "count": event.count,
        "rule": event.decision.rule if event.decision else "",
        "decision": event.decision.id if event.decision else "",
        "request": event.request,
        "detail": dict(event.detail),
        "reason": record_history.reason_of(stored.id, page.reasons),
        "network": event.network,
        "personal": None if seen is None else vars(seen),
    }


def line_of(stored: StoredEvent, page: Events) -> dict[str, Any]:
    """The event as a line of a table, with `name`, `from` and `reason` where there are any."""
    row = row_of(stored, page)
    seen = page.personal.get(stored.id)
    known = {} if seen is None else _facts(seen)
    return {
        **row,
        "name": known.get("name", ""),
        "from": known.get("from", row["network"]),
        "reason": row["reason"] or known.get("reason", ""),
    }


def _facts(seen: Seen) -> dict[str, str]:
    if seen.state in _GONE:
        return {"from": _GONE[seen.state]}
    return {"name": seen.name, "from": seen.address, "program": seen.agent, "reason": seen.reason}

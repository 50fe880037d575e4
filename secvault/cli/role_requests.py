"""`secvault grants request`, `requests` and `claim`: a role is asked for, approved, and taken."""

from __future__ import annotations

from typing import Annotated

import typer

from secvault.cli import operations, show
from secvault.cli.approvals import RequestId, row_of_request
from secvault.cli.eligible import Department
from secvault.cli.grants import Days, Hours, Role, row_of, said
from secvault.cli.opening import vault


def request(
    context: typer.Context,
    role: Role,
    *,
    department: Department,
    reason: Annotated[str, typer.Option(help="Why, for those who approve it.")],
    days: Days = None,
    hours: Hours = None,
    whom: Annotated[str, typer.Option("--for", help="user:NAME; else for yourself.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Ask for a role; needs a second factor of the last five minutes.

    When others have approved it, take it with `secvault grants claim`: its time begins then.
    """
    with vault(context) as (service, caller):
        seconds = operations.spans.required_length(days=days, hours=hours)
        wanted = operations.role_requests.WantedRole(role, department, seconds, reason, whom)
        view = operations.role_requests.ask(service, caller, wanted)
    if as_json:
        show.document(row_of_request(view))
    else:
        people = "one other person" if view.missing == 1 else f"{view.missing} other people"
        show.out(f"{view.request.id} waits for {people}; see `secvault grants requests`")


def requests(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the roles and activations that you have asked for, the newest first.

    `secvault approvals show` shows one, `secvault approvals withdraw` takes it back.
    """
    with vault(context) as (service, caller):
        rows = [row_of_request(view) for view in operations.role_requests.own(service, caller)]
    for row in rows:
        row["role"] = row["terms"]["role"]
    columns = {
        "id": "Request",
        "role": "Role",
        "department": "Department",
        "affected_name": "For whom",
        "reason": "Why",
        "state": "State",
        "missing": "Missing",
        "expires_at": "Until",
    }
    show.listing("requests", rows, columns, as_json=as_json, empty="You have asked for no role.")


def claim(
    context: typer.Context,
    request: RequestId,
    as_json: show.AsJson = False,
) -> None:
    """Take what you asked for and others approved; its time begins now."""
    with vault(context) as (service, caller):
        grant = operations.role_requests.claim(service, caller, request)
    if as_json:
        show.document(row_of(grant))
    else:
        show.out(said(grant))

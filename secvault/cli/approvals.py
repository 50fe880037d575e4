"""`secvault approvals`: what waits for a second person. Asking is `secvault --ask REASON ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import Cancelled, InvalidInput

if TYPE_CHECKING:
    from secvault.service.approvals.operations import RequestView

app = typer.Typer(
    no_args_is_help=True,
    help="What waits for a second person: list, show, approve, refuse, withdraw.",
)

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, of `approvals list`.")]


@app.command("list", epilog="Example: secvault approvals list --json")
def list_(
    context: typer.Context,
    own: Annotated[
        bool, typer.Option("--own", help="What you have asked for.", show_default=False)
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are over, too.", show_default=False)
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """List the requests that wait for an approval, the newest first."""
    with opening.vault(context) as (service, caller):
        approvals = operations.approvals
        found = (
            approvals.own_requests(service, caller)
            if own
            else approvals.list_requests(service, caller, pending=not everything)
        )
    columns = {
        "id": "Request",
        "action": "What",
        "resource": "Where",
        "requester_name": "Asked by",
        "affected_name": "Whom it affects",
        "reason": "Why",
        "state": "State",
        "missing": "Missing",
        "expires_at": "Until",
    }
    rows = [row_of_request(view) for view in found]
    show.listing("requests", rows, columns, as_json=as_json, empty="Nothing waits.")


@app.command("show", epilog="Example: secvault approvals show 0192f0c0a1b2c3d4e5f60718293a4b5c")
def show_(context: typer.Context, request: RequestId, as_json: show.AsJson = False) -> None:
    """Show one request: exactly what would be done."""
    with opening.vault(context) as (service, caller):
        view = operations.approvals.read_request(service, caller, request)
    _print(view, as_json=as_json)


@app.command(epilog="Example: secvault approvals approve 0192f0c0a1b2c3d4e5f60718293a4b5c")
def approve(
    context: typer.Context,
    request: RequestId,
    digest: Annotated[
        str, typer.Option(help="The digest that was shown; else it is shown and you are asked.")
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Approve a request; needs a session with a second factor of the last five minutes.

    For a reset it prints a part of the code, shown once, to give to the person who is reset.
    """
    with opening.vault(context) as (service, caller):
        approvals = operations.approvals
        if not digest:
            view = approvals.read_request(service, caller, request)
            digest = view.request.proposal.digest
            _ask_yes(view)
        done = approvals.approve(service, caller, request, digest)
    part = None if done.part is None else done.part.text()
    if as_json:
        show.document({**row_of_request(done.view), "part": part})
        return
    if part is None:
        show.out(f"{request} is approved")
    else:
        show.out(part)
        show.talk(
            "Give this part to the person who is reset and to nobody else; it is shown once. "
            "Whoever asked has another part when they carry it out."
        )


@app.command(epilog="Example: secvault approvals refuse 0192f0c0a1b2c3d4e5f60718293a4b5c")
def refuse(context: typer.Context, request: RequestId) -> None:
    """Refuse a request, which ends it."""
    with opening.vault(context) as (service, caller):
        operations.approvals.refuse(service, caller, request)
    show.out(f"{request} is refused")


@app.command(epilog="Example: secvault approvals withdraw 0192f0c0a1b2c3d4e5f60718293a4b5c")
def withdraw(context: typer.Context, request: RequestId) -> None:
    """Take back what you asked for."""
    with opening.vault(context) as (service, caller):
        operations.approvals.withdraw(service, caller, request)
    show.out(f"{request} is withdrawn")


@app.command(epilog="Example: secvault approvals policy")
def policy(context: typer.Context, as_json: show.AsJson = False) -> None:
    """What needs how many other people in department it, and whether there are enough of them."""
    with opening.vault(context) as (service, caller):
        found = operations.approvals.quorums(service, caller)
    rows = [
        {
            "action": one.action,
            "people": sum(slot.people for slot in one.slots),
            "able": one.able,
            "met": one.met,
        }
        for one in found
    ]
    columns = {
        "action": "What",
        "people": "Needs others",
        "able": "Who could",
        "met": "Enough of them",
    }
    show.listing("quorums", rows, columns, as_json=as_json, empty="Nothing needs an approval.")
    if any(not one.met for one in found):
        show.talk(
            "Too few can approve: have role:it.approver given to more people, who then sign in."
        )


def _ask_yes(view: RequestView) -> None:
    if not ask.at_terminal():
        raise InvalidInput.at("--digest", "give the digest of what you approve, of approvals show")
    _print(view, as_json=False)
    if ask.line("Approve exactly this? Type yes") != "yes":
        raise Cancelled("nothing was approved")


def _print(view: RequestView, *, as_json: bool) -> None:
    row = row_of_request(view)
    if as_json:
        show.document(row)
    else:
        show.facts(row)


def row_of_request(view: RequestView) -> dict[str, Any]:
    """A request as a row."""
    request = view.request
    proposal = request.proposal
    return {
        "id": request.id,
        "action": proposal.action,
        "department": proposal.department,
        "resource": proposal.resource,
        "terms": dict(proposal.terms),
        "digest": proposal.digest,
        "requester": request.requester,
        "requester_name": view.names[request.requester],
        "affected_name": view.names.get(proposal.beneficiary),
        "reason": request.reason,
        "state": request.state,
        "created_at": show.time(request.created_at),
        "expires_at": show.time(request.expires_at),
        "missing": view.missing,
        "approvals": [view.names[one.approver] for one in request.approvals],
    }

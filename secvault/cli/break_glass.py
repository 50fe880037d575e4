"""`secvault break-glass`: emergency access, and the review that must follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.crypto import Secret
    from secvault.service.break_glass.operations import View

app = typer.Typer(
    no_args_is_help=True,
    help="Emergency access for at most an hour, with an alarm and a review that must follow.",
)

IncidentId = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Its id, of `break-glass list`.")
]
Reason = Annotated[str, typer.Option(help="Why; those who are alarmed read it.")]


@app.command(epilog='Example: secvault break-glass start --reason "an admin account is misused"')
def start(
    context: typer.Context,
    reason: Reason,
    *,
    drill: Annotated[
        bool, typer.Option("--drill", help="Only try it; who is told reads that it is a drill.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Take emergency access now; needs a session with a second factor of the last five minutes.

    Only for who was prepared (role:it.break_glass_holder). Administrators, approvers and auditors
    are alarmed at once. It ends by itself.
    """
    with opening.vault(context) as (service, caller):
        view = operations.break_glass.start(service, caller, reason, drill=drill)
    if as_json:
        show.document(_row(view))
        return
    one = view.incident
    show.out(f"emergency access until {show.time(one.expires_at)}: incident {one.id}")
    show.talk(
        f"End it when you are done: secvault break-glass end {one.id}. Somebody else must review "
        f"it until {show.time(one.review_by)}."
    )


@app.command(epilog="Example: secvault break-glass end g0123456789abcdef0123")
def end(context: typer.Context, incident: IncidentId) -> None:
    """End emergency access before its time.

    Your own; or, as an administrator, anybody's, also one that waits to begin.
    """
    with opening.vault(context) as (service, caller):
        operations.break_glass.end(service, caller, incident)
    show.out(f"{incident} is ended")


@app.command("list", epilog="Example: secvault break-glass list --json")
def list_(
    context: typer.Context,
    own: Annotated[bool, typer.Option("--own", help="Your own.", show_default=False)] = False,
    as_json: show.AsJson = False,
) -> None:
    """List the incidents, the newest first."""
    with opening.vault(context) as (service, caller):
        glass = operations.break_glass
        found = (
            glass.own_incidents(service, caller) if own else glass.list_incidents(service, caller)
        )
    columns = {
        "id": "Incident",
        "kind": "Kind",
        "subject_name": "Who",
        "reason": "Why",
        "started_at": "From",
        "running": "Runs",
        "state": "Review",
        "review_by": "Review until",
    }
    rows = [_row(view) for view in found]
    show.listing("incidents", rows, columns, as_json=as_json, empty="The glass is whole.")


@app.command("show", epilog="Example: secvault break-glass show g0123456789abcdef0123")
def show_(context: typer.Context, incident: IncidentId, as_json: show.AsJson = False) -> None:
    """Show one incident, with everything that its person did while it ran."""
    with opening.vault(context) as (service, caller):
        view = operations.break_glass.read_incident(service, caller, incident)
    row = _row(view)
    if as_json:
        show.document(row)
        return
    commands = row.pop("commands")
    show.facts(row)
    columns = {
        "at": "When",
        "action": "What",
        "outcome": "Outcome",
        "resource": "Where",
        "under": "By emergency",
    }
    show.table(commands, columns, "Nothing was done meanwhile.")


@app.command(epilog='Example: secvault break-glass review INCIDENT --findings "as agreed by phone"')
def review(
    context: typer.Context,
    incident: IncidentId,
    findings: Annotated[str, typer.Option(help="What you found; 1 to 2000 characters.")],
    *,
    reinstate: Annotated[
        bool,
        typer.Option("--reinstate", help="Let those back in whom it has disabled."),
    ] = False,
) -> None:
    """Say what you found, and so close an incident; not for whoever broke the glass.

    Look at `secvault break-glass show` first. Needs a second factor of the last five minutes.
    """
    with opening.vault(context) as (service, caller):
        operations.break_glass.review(service, caller, incident, findings, reinstate=reinstate)
    show.out(f"{incident} is reviewed")


@app.command(epilog='Example: secvault break-glass recover --reason "both administrators left"')
def recover(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option(help="Why; those who are alarmed read it.")] = "",
    code: Annotated[
        bool, typer.Option("--code", help="The wait is over: show the new administrator's code.")
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase in its first line.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """When every administrator is lost: let a new one in, by the holders of the seal.

    On the server only, for seals that people open (shares, passphrase): they give what opens the
    vault once more. Everybody who is still there is alarmed and can stop it while it waits
    (break_glass.recovery_wait_hours); then --code shows the code for `secvault people activate`.
    """
    with opening.opened(opening.settings(context)) as service:
        recovery = operations.recovery_by_seal
        if code:
            issued = recovery.issue(service)
            shown = issued.code.text()
            if as_json:
                show.document({"code": shown, "expires_at": show.time(issued.expires_at)})
            else:
                show.out(shown)
                show.talk("It works once: secvault people activate. Give it to nobody else.")
            return
        if not reason:
            raise InvalidInput.at("--reason", "say why")

        def given(progress: int, threshold: int) -> Secret:
            if passphrase_file is not None:
                return operations.seal_files.passphrase_in(passphrase_file)
            if threshold > 1:
                return ask.secret(f"Share {progress + 1} of {threshold}")
            return ask.secret("Share or passphrase")

        proof = recovery.prove(service, given)
        incident = recovery.begin(service, proof, reason)
        opens = recovery.opens_at(service, incident)
    if as_json:
        show.document(
            {
                "incident": incident.id,
                "opens_at": show.time(opens),
                "closes_at": show.time(incident.expires_at),
            }
        )
        return
    show.out(
        f"incident {incident.id}: open from {show.time(opens)} until "
        f"{show.time(incident.expires_at)}"
    )
    show.talk("Then: secvault break-glass recover --code")


def _row(view: View) -> dict[str, Any]:
    one = view.incident
    return {
        "id": one.id,
        "kind": one.kind,
        "subject": one.subject,
        "subject_name": view.names[one.subject],
        "role": one.role,
        "reason": one.reason,
        "started_at": show.time(one.started_at),
        "expires_at": show.time(one.expires_at),
        "ended_at": show.time(one.ended_at),
        "running": view.running,
        "state": one.state,
        "review_by": show.time(one.review_by),
        "reviewed_at": show.time(one.reviewed_at),
        "reviewed_by_name": view.names.get(one.reviewed_by or ""),
        "findings": one.findings,
        "commands": [
            {
                "event": each.event,
                "at": show.time(each.t),
                "action": each.action,
                "outcome": each.outcome,
                "resource": each.resource,
                "under": each.under,
            }
            for each in view.commands
        ],
    }

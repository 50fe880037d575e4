"""`secvault sessions`: the open sessions of people, one's own or, for administrators, others'."""

from __future__ import annotations

from typing import Annotated

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Open sessions: list them, end them.")

Person = Annotated[str, typer.Option(help="Somebody else, for administrators: sign-in name or id.")]


@app.command("list", epilog="Example: secvault sessions list --person lan.tran")
def list_(context: typer.Context, person: Person = "", as_json: show.AsJson = False) -> None:
    """List open sessions, oldest first."""
    with opening.vault(context) as (service, caller):
        sessions = operations.sessions
        found = (
            sessions.sessions_of(service, caller, person)
            if person
            else sessions.own_sessions(service, caller)
        )
        rows = [
            {
                "id": each.key_id,
                "created_at": show.time(each.created_at),
                "last_seen_at": show.time(each.last_seen_at),
                "expires_at": show.time(each.expires_at),
                "factors": list(each.factors),
                "carrier": each.carrier,
                "network": each.network,
                "present": each.key_id == caller.principal.credential,
            }
            for each in found
        ]
    columns = {
        "id": "Session",
        "created_at": "Opened",
        "last_seen_at": "Last seen",
        "expires_at": "Ends",
        "factors": "By",
        "network": "From",
        "carrier": "In",
        "present": "This one",
    }
    show.listing("sessions", rows, columns, as_json=as_json, empty="There is no open session.")


@app.command(epilog="Example: secvault sessions end --person lan.tran --all")
def end(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="The session, as list shows it.")] = "",
    person: Person = "",
    everything: Annotated[
        bool, typer.Option("--all", help="All sessions of --person.", show_default=False)
    ] = False,
    others: Annotated[
        bool, typer.Option("--others", help="All of yours but this one.", show_default=False)
    ] = False,
) -> None:
    """End a session at once."""
    if [bool(session), everything, others].count(True) != 1 or (everything and not person):
        raise InvalidInput("name a session, or give --person with --all, or --others")
    if others and person:
        raise InvalidInput("--others are your own; give --person with --all")
    with opening.vault(context) as (service, caller):
        if person:
            ended = operations.sessions.end_sessions_of(service, caller, person, session)
        elif others:
            ended = operations.sessions.end_own_others(service, caller)
        else:
            operations.sessions.end_own_session(service, caller, session)
            ended = 1
    show.out(f"{ended} ended")

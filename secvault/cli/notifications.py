"""`secvault notifications`: what was told to whom, what waits, and whether a channel works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput, SecvaultError

if TYPE_CHECKING:
    from secvault.notices.outbox import Notice, State

app = typer.Typer(
    no_args_is_help=True, help="Notices to people and administrators: list, show, test."
)

_STATES: tuple[State, ...] = ("waiting", "delivered", "given_up", "unreachable")
_COLUMNS = {
    "id": "Notice",
    "kind": "Of",
    "recipient": "To",
    "state": "State",
    "attempts": "Attempts",
    "made_at": "Made",
    "reason": "Reason",
}


class NotTaken(SecvaultError):
    """The other side of a channel did not take the test."""

    code = "not-taken"
    title = "The message was not taken"


@app.command("list", epilog="Example: secvault notifications list --state given_up")
def list_(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="Only those: waiting, delivered, given_up, unreachable.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 100,
    as_json: show.AsJson = False,
) -> None:
    """List the notices, newest first. No address is among them."""
    chosen = next((each for each in _STATES if each == state), None)
    if state is not None and chosen is None:
        raise InvalidInput.at("state", f"use one of {', '.join(_STATES)}")
    with opening.vault(context) as (service, caller):
        found = operations.notifications.list_notices(service, caller, state=chosen, limit=limit)
        rows = [_row(notice) for notice in found.notices]
    show.listing("notices", rows, _COLUMNS, as_json=as_json, empty="There is no notice.")
    if not as_json:
        show.talk(", ".join(f"{name}: {count}" for name, count in found.counts.items()))


@app.command("show", epilog="Example: secvault notifications show 0198c0de...")
def show_(
    context: typer.Context,
    notice: Annotated[str, typer.Argument(help="The notice's id.")],
    as_json: show.AsJson = False,
) -> None:
    """Show one notice and how far it is."""
    with opening.vault(context) as (service, caller):
        found = operations.notifications.read_notice(service, caller, notice)
    row = {
        **_row(found),
        "happened_at": show.time(found.happened_at),
        "next_try_at": show.time(found.next_try_at) if found.state == "waiting" else None,
        "ended_at": show.time(found.ended_at),
    }
    if as_json:
        show.document(row)
    else:
        show.facts(row)


@app.command("test", epilog="Example: secvault notifications test security")
def test(
    context: typer.Context,
    channel: Annotated[str, typer.Argument(help="Its name in notifications.channels.")],
) -> None:
    """Send a test to a channel now, from this machine."""
    with opening.vault(context) as (service, caller):
        if not operations.notifications.try_out(service, caller, channel):
            raise NotTaken(
                f"{channel}: nobody took it; look at the address, the network, and the other side"
            )
    show.out(f"{channel}: taken")


def _row(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "kind": notice.kind,
        "recipient": notice.recipient,
        "state": notice.state,
        "attempts": notice.attempts,
        "made_at": show.time(notice.made_at),
        "reason": notice.reason,
    }

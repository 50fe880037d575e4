"""`secvault audit streams`: where the log is sent as it grows, how far each stream is, a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import SecvaultError

if TYPE_CHECKING:
    from secvault.service.audit_streams import Stream

app = typer.Typer(
    invoke_without_command=True,
    help="The streams of the log to syslog, webhooks and buckets: how far each is; try one out.",
)

_COLUMNS = {
    "name": "Stream",
    "target": "To",
    "address": "Address",
    "format": "As",
    "state": "State",
    "lag_events": "Waiting",
    "lag_seconds": "For (s)",
    "acknowledged_at": "Acknowledged",
    "reason": "Reason",
}


class NotAcknowledged(SecvaultError):
    """The receiver of a stream did not acknowledge the test."""

    code = "not-acknowledged"
    title = "The entry was not acknowledged"


@app.callback(epilog="Example: secvault audit streams --json")
def streams(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the streams, and how many entries of the log each has yet to hand over."""
    if context.invoked_subcommand is not None:
        return
    with opening.vault(context) as (service, caller):
        rows = [_row(stream) for stream in operations.audit_streams.list_streams(service, caller)]
    empty = "There is no stream: see [audit.streams.<name>] in config.example.toml."
    show.listing("streams", rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command("test", epilog="Example: secvault audit streams test siem")
def test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name in audit.streams.")],
) -> None:
    """Send the log's newest entry now, from this machine. The stream sends it in its turn, too."""
    with opening.vault(context) as (service, caller):
        tried = operations.audit_streams.test_stream(service, caller, name)
    if not tried.taken:
        raise NotAcknowledged(
            f"{name}: {tried.reason}; look at the address, the certificate, the network, and what "
            "the receiver says"
        )
    show.out(f"{name}: entry {tried.seq} was acknowledged")


def _row(stream: Stream) -> dict[str, Any]:
    return {
        **vars(stream),
        "acknowledged_at": show.time(stream.acknowledged_at),
        "next_try_at": show.time(stream.next_try_at),
    }

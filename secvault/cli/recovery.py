"""`secvault recovery`: what is needed after a total loss, tried before it, and done then."""

from __future__ import annotations

import typer

from secvault.cli import recovery_kit, recovery_rehearse, recovery_start

app = typer.Typer(
    no_args_is_help=True,
    help="After a total loss: the kit, its shares, a rehearsal, and the way back.",
)
app.add_typer(recovery_kit.app, name="kit")
app.command(epilog="Example: secvault recovery status")(recovery_kit.status)
app.command(epilog="Example: secvault recovery rehearse --kit kit.json --folder /srv/rehearsal")(
    recovery_rehearse.rehearse
)
app.command(epilog="Example: secvault recovery start --kit kit.json --folder /srv/secvault")(
    recovery_start.start
)
app.command(epilog="Example: secvault recovery incident /srv/secvault/incident.jsonl")(
    recovery_start.incident
)

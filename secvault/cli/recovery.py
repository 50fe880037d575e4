"""`secvault recovery`: what is needed after a total loss, made ready before it."""

from __future__ import annotations

import typer

from secvault.cli import recovery_kit

app = typer.Typer(
    no_args_is_help=True, help="After a total loss: the kit, its shares, and the way back."
)
app.add_typer(recovery_kit.app, name="kit")
app.command(epilog="Example: secvault recovery status")(recovery_kit.status)

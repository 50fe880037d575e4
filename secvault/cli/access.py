"""`secvault access`: what people and systems have, as a whole."""

from __future__ import annotations

import typer

from secvault.cli import separation

app = typer.Typer(
    no_args_is_help=True, help="What people and systems have together: conflicts, exceptions."
)
app.command(epilog=separation.CONFLICTS_EXAMPLE)(separation.conflicts)
app.command("separation", epilog=separation.SEPARATION_EXAMPLE)(separation.rules)
app.add_typer(separation.exceptions, name="exceptions")

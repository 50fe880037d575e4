"""`secvault help`: what is not about one command."""

from __future__ import annotations

import typer

from secvault.cli import show
from secvault.cli.outcome import EXIT_CODES

app = typer.Typer(no_args_is_help=True, help="What the exit codes mean.")


@app.command("exit-codes", epilog="Example: secvault help exit-codes --json")
def exit_codes(as_json: show.AsJson = False) -> None:
    """Explain the exit codes, for scripts."""
    rows = [{"code": one.number, "name": one.name, "meaning": one.meaning} for one in EXIT_CODES]
    columns = {"code": "Code", "name": "Name", "meaning": "Meaning"}
    show.listing("exit_codes", rows, columns, as_json=as_json, empty="")


@app.callback()
def group() -> None:
    """Keep `exit-codes` a subcommand."""

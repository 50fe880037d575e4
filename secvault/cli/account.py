"""`secvault account`: what a person sets for themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from secvault.cli import opening, operations, show

app = typer.Typer(no_args_is_help=True, help="Your own account: where you are told of things.")


@app.command(epilog="Example: secvault account contact --address lan@example.com --language vi")
def contact(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Option(help="E-mail address for notices; '' takes it away.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="en or vi; '' for the installation's.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show or change where you are told of new factors, sign-ins from new networks and the like.

    A change takes a factor shown within the last five minutes, and is told to the address before.
    """
    with opening.vault(context) as (service, caller):
        if address is None and language is None:
            found = operations.contacts.own_contact(service, caller)
        else:
            found = operations.contacts.change_contact(
                service, caller, address=address, language=language
            )
    row = {"address": found.address or None, "language": found.language or None}
    if as_json:
        show.document(row)
    else:
        show.facts(row)

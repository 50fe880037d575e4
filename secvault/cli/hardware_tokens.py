"""`secvault hardware-tokens`: the stock of tokens that show codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.hardware_tokens import FileFormat

app = typer.Typer(
    no_args_is_help=True, help="Hardware tokens: import the maker's file, list, assign, retire."
)

Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="The number on the token's back.")]


@app.command(
    "import", epilog="Example: secvault hardware-tokens import tokens.xml --key-from key.hex"
)
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PSKC (RFC 6030) if .xml, .pskc.")],
    *,
    key_from: Annotated[
        str,
        typer.Option(metavar="FILE", help="File with the key of an encrypted PSKC file, in hex."),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Put the tokens of a maker's file into the stock, all or none.

    CSV needs the columns serial and secret (hex or base32), and may have digits, algorithm and
    period. Delete the file when it is in: nothing here shows a seed again.
    """
    file_format: FileFormat = "pskc" if file.suffix.lower() in (".xml", ".pskc") else "csv"
    try:
        with file.open("rb") as opened:
            content = opened.read(ask.LARGEST_INPUT + 1)
    except OSError as error:
        raise InvalidInput.at("FILE", f"{file} cannot be read: {error.strerror}") from None
    with opening.vault(context) as (service, caller):
        count = operations.hardware_tokens.import_tokens(
            service,
            caller,
            content=content,
            file_format=file_format,
            key=ask.first_line(key_from, "--key-from") if key_from else None,
        )
    if as_json:
        show.document({"imported": count})
    else:
        show.out(f"{count} tokens imported")
        show.talk("Next: secvault hardware-tokens assign SERIAL PERSON")


@app.command("list", epilog="Example: secvault hardware-tokens list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the stock: which tokens are free, and who has the others."""
    with opening.vault(context) as (service, caller):
        rows = [
            {
                "serial": token.serial,
                "state": token.state,
                "person": token.person or None,
                "codes": f"{token.shape.algorithm}, {token.shape.digits} digits, "
                f"{token.shape.period} s",
                "imported_at": show.time(token.imported_at),
            }
            for token in operations.hardware_tokens.list_tokens(service, caller)
        ]
    columns = {
        "serial": "Serial",
        "state": "State",
        "person": "Person",
        "codes": "Codes",
        "imported_at": "Imported",
    }
    show.listing("tokens", rows, columns, as_json=as_json, empty="There is no token in stock.")


@app.command(epilog="Example: secvault hardware-tokens assign 40412 lan.tran")
def assign(
    context: typer.Context,
    serial: Serial,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Sign-in name or id.")],
) -> None:
    """Give a token to somebody, who has 14 days to confirm it by two of its codes."""
    with opening.vault(context) as (service, caller):
        device = operations.hardware_tokens.assign_token(service, caller, serial, person)
    show.out(f"{serial} is assigned as the device {device.id}")
    show.talk(f"Next, by its holder: secvault devices confirm {person}")
    show.talk("Who is invited only: secvault people activate --hardware-token")


@app.command(epilog="Example: secvault hardware-tokens retire 40412")
def retire(context: typer.Context, serial: Serial) -> None:
    """Take a token that nobody uses out of the stock, with its seed."""
    with opening.vault(context) as (service, caller):
        operations.hardware_tokens.retire_token(service, caller, serial)
    show.out(f"{serial} is retired")

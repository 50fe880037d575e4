"""`secvault records reveal`: one masked value in clear, for a reason that is kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput


def reveal(
    context: typer.Context,
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Such as payroll.")],
    record_id: Annotated[str, typer.Argument(metavar="ID", help="The record's id.")],
    name: Annotated[
        str, typer.Argument(metavar="FIELD", help="A field that `records show` says is revealable.")
    ],
    reason: Annotated[
        str, typer.Option(help="Why, 1 to 200 characters; asked for when left out.")
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Print one value that is shown masked. Takes a reason, and a second factor just shown.

    Who revealed what is in the audit log; the reason is kept with the record, for those who may see
    its history. `secvault --ticket T` names a ticket beside it, `secvault step-up` shows a factor.
    """
    said = reason or _asked()
    with opening.vault(context) as (service, caller):
        shown = operations.reveals.reveal_field(service, caller, collection, record_id, name, said)
    if as_json:
        show.document(
            {
                "collection": shown.collection,
                "id": shown.record,
                "field": shown.field,
                "value": shown.value,
                "version": shown.version,
                "reveal": shown.reveal,
            }
        )
    else:
        show.out(show.cell(plain(shown.value)))


def plain(value: Any) -> Any:
    """Money and files as people write them; anything else as it is."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    if isinstance(value, dict) and "attachment" in value:
        return f"{value['name']} ({show.size(value['size'])})"
    return value


def _asked() -> str:
    if not ask.at_terminal():
        raise InvalidInput.at("--reason", "say why; nobody can be asked here")
    return ask.line("Why is it to be revealed")

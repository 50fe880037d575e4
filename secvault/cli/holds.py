"""`secvault records holds`: what must not be erased, whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.records.hold import Hold

app = typer.Typer(
    no_args_is_help=True,
    help="Legal holds: place, list, lift. What is held is not erased, by nobody and no period.",
)

Reason = Annotated[str, typer.Option(help="Why; 1 to 500 characters.")]


@app.command(epilog="Example: secvault records holds place nv-0042 --reason 'lawsuit 12/2026'")
def place(
    context: typer.Context,
    person: Annotated[
        str | None,
        typer.Argument(metavar="PERSON", help="An employee's number: in all collections."),
    ] = None,
    *,
    reason: Reason,
    collection: Annotated[
        str, typer.Option(help="Of this collection only; all of it without the two below.")
    ] = "",
    subject: Annotated[str, typer.Option(help="One data subject of the collection.")] = "",
    record: Annotated[str, typer.Option(help="One record of the collection, by its id.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Forbid that something be erased, until the hold is lifted. Needs a second person (--ask)."""
    kinds = operations.hold_rows.HoldKind
    if bool(person) == bool(collection) or (subject and record) or (person and (subject or record)):
        raise InvalidInput("name a PERSON, or --collection, if wanted with --subject or --record")
    kind = kinds.PERSON if person else kinds.COLLECTION
    if subject or record:
        kind = kinds.SUBJECT if subject else kinds.RECORD
    with opening.vault(context) as (service, caller):
        made = operations.holds.place(
            service, caller, kind, collection, person or subject or record, reason
        )
    if as_json:
        show.document(_row(made))
    else:
        show.out(f"held: {_what(made)}; hold {made.id}")


@app.command("list", epilog="Example: secvault records holds list --all")
def list_(
    context: typer.Context,
    lifted: Annotated[bool, typer.Option("--all", help="With those that were lifted.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """List the legal holds, oldest first."""
    with opening.vault(context) as (service, caller):
        found = operations.holds.list_holds(service, caller, lifted=lifted)
    rows = [{**_row(one), "what": _what(one)} for one in found]
    columns = {
        "what": "What",
        "reason": "Reason",
        "placed_by": "Placed by",
        "placed_at": "At",
        "lifted_at": "Lifted",
        "id": "Id",
    }
    show.listing("holds", rows, columns, as_json=as_json, empty="Nothing is under legal hold.")


@app.command(epilog="Example: secvault records holds lift HOLD --reason 'case closed'")
def lift(
    context: typer.Context,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id, of `holds list`.")],
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Lift a hold: what it was on may be erased again. Needs a second person (--ask)."""
    with opening.vault(context) as (service, caller):
        lifted = operations.holds.lift(service, caller, hold, reason)
    if as_json:
        show.document(_row(lifted))
    else:
        show.out(f"no longer held: {_what(lifted)}")


def _what(hold: Hold) -> str:
    where = hold.collection or f"the {hold.kind}"
    joined = {
        "person": " ",
        "subject": ", all of ",
        "record": "/",
        "collection": ", all of it",
        "log": " from ",
    }
    return f"{where}{joined[str(hold.kind)]}{show.cell(hold.target) if hold.target else ''}"


def _row(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "kind": str(hold.kind),
        "collection": hold.collection or None,
        "target": hold.target or None,
        "reason": hold.reason,
        "placed_by": hold.placed_by,
        "placed_at": show.time(hold.placed_at),
        "lifted_by": hold.lifted_by,
        "lifted_at": show.time(hold.lifted_at),
        "lift_reason": hold.lift_reason,
    }

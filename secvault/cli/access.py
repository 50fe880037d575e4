"""`secvault access`: why somebody may or may not, who can, what somebody can, and replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import access_panel, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.explanations import Explained

app = typer.Typer(
    no_args_is_help=True,
    help="Why somebody may or may not, who can do what, what somebody can; separation of duties.",
)

ANY = "*"
At = Annotated[
    str,
    typer.Option(metavar="MOMENT", help="As of this moment, such as 2026-11-03T10:00Z; else now."),
]
Field = Annotated[str, typer.Option(help="A field of the collection; else none in particular.")]
Department = Annotated[str, typer.Option(help="Only in this one.")]

EXPLAIN_EXAMPLE = (
    "Example: secvault access explain lan.tran record.read hr payroll --field bank_account"
)


@app.command(epilog=EXPLAIN_EXAMPLE)
def explain(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(metavar="SUBJECT", help="A person's or system's name, user:NAME, svc:NAME."),
    ] = "",
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="Such as record.read or key.rotate.")
    ] = "",
    department: Annotated[str, typer.Argument(metavar="DEPARTMENT", help="Such as hr.")] = "",
    object_: Annotated[
        str,
        typer.Argument(metavar="OBJECT", help="A collection, a key as MOUNT/NAME, a plan, ..."),
    ] = "",
    *,
    field: Field = ANY,
    at: At = "",
    decision: Annotated[
        str, typer.Option(metavar="ID", help="A decision that was made, by its id.")
    ] = "",
    token: Annotated[
        str, typer.Option(metavar="KEY_ID", help="As if done with this token of the system.")
    ] = "",
    factor_age: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=86_400,
            help="As if a second factor had been shown so long before; else none was.",
        ),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say whether somebody may do something, why, and what would mend a no."""
    with opening.vault(context) as (service, caller):
        explanations = operations.explanations
        if decision:
            made = explanations.explain_decision(service, caller, decision)
        else:
            for name, given in (("SUBJECT", subject), ("ACTION", action), ("OBJECT", object_)):
                if not given:
                    raise InvalidInput.at(
                        name, "write SUBJECT ACTION DEPARTMENT OBJECT, or --decision ID"
                    )
            moment = operations.past.moment_of(at) if at else None
            made = explanations.explain(
                service,
                caller,
                explanations.Asked(
                    action, department, object_, field, subject, moment, token, factor_age
                ),
            )
        document = operations.access_documents.explanation(made)
    if as_json:
        show.document(document)
    else:
        _say(made)


@app.command("who-can", epilog="Example: secvault access who-can record.read --object payroll")
def who_can(
    context: typer.Context,
    action: Annotated[str, typer.Argument(help="Such as record.read or key.rotate.")],
    *,
    department: Department = "",
    object_: Annotated[
        str, typer.Option("--object", help="A collection, a key as MOUNT/NAME, ...; else any.")
    ] = "",
    field: Field = ANY,
    at: At = "",
    as_json: show.AsJson = False,
) -> None:
    """List everybody who may do something: by which role and grant, on what terms, until when."""
    with opening.vault(context) as (service, caller):
        made = operations.entitlements.who_can(
            service,
            caller,
            action=action,
            department=department,
            object=object_,
            field=field,
            at=operations.past.moment_of(at) if at else None,
        )
        document = operations.access_documents.holders(made, action=action)
    if as_json:
        show.document(document)
        return
    columns = {
        "name": "Who",
        "department": "Where",
        "path": "By role",
        "grant": "Grant",
        "terms": "On terms",
        "until": "Until",
        "account": "Account",
    }
    rows = [_row(one) for one in document["holders"]]
    show.table(rows, columns, "Nobody can.")


@app.command("what-can", epilog="Example: secvault access what-can lan.tran --department hr")
def what_can(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(help="A person's or system's name; you when left out.")
    ] = "",
    *,
    department: Department = "",
    at: At = "",
    as_json: show.AsJson = False,
) -> None:
    """List everything that somebody may do: where, to what, on what terms, until when."""
    with opening.vault(context) as (service, caller):
        made = operations.entitlements.what_can(
            service,
            caller,
            subject=subject,
            department=department,
            at=operations.past.moment_of(at) if at else None,
        )
        document = operations.access_documents.holdings(made)
    if as_json:
        show.document(document)
        return
    if document["suspended"]:
        show.talk(f"{document['name']} is shut out, and can do none of this until let in again.")
    columns = {
        "department": "Where",
        "action": "What",
        "objects": "To",
        "shown_fields": "Classes, .fields",
        "path": "By role",
        "grant": "Grant",
        "terms": "On terms",
        "until": "Until",
    }
    everywhere = 1 if department else len(operations.vocabulary.DEPARTMENTS)
    rows = access_panel.grouped(
        [_row(one) for one in document["entitlements"] if _is_about_something(one)], everywhere
    )
    show.table(rows, columns, f"{document['name']} can do nothing.")


@app.command(epilog="Example: secvault access replay 018bcfe568000a0a0a0a0a0a0a0a0a0a")
def replay(
    context: typer.Context,
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Its id.")],
    as_json: show.AsJson = False,
) -> None:
    """Make a decision of the audit log again, by the policy and the facts of then, and compare.

    Exit code 5 when the answer is another.
    """
    with opening.vault(context) as (service, caller):
        made = operations.replays.replay(service, caller, decision)
        document = operations.access_documents.replay(made)
    if as_json:
        show.document(document)
    else:
        show.out(access_panel.replayed(document))
    if document["verdict"] == "differs":
        raise typer.Exit(5)


def _say(made: Explained) -> None:
    document = operations.access_documents.explanation(made)
    title, lines = access_panel.explained(document)
    access_panel.show_panel(title, lines, good=document["verdict"] == "may")


def _is_about_something(one: dict[str, Any]) -> bool:
    """Whether it is not merely that one may ask about no single collection."""
    return not _is_of_collections(one) or one["objects"] != [ANY]


def _is_of_collections(one: dict[str, Any]) -> bool:
    vocabulary = operations.vocabulary
    return bool(vocabulary.ACTIONS.get(one["action"]) == vocabulary.COLLECTION)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    grant = one["grant"]
    objects = list(one.get("objects", ()))
    if "action" in one and _is_of_collections(one):
        objects = [each for each in objects if each != ANY]
    if one.get("excepting"):
        objects.append(f"(not {', '.join(one['excepting'])})")
    return {
        **one,
        "path": " > ".join(one["path"]),
        "grant": grant["id"] if grant else None,
        "terms": access_panel.terms(one["when"], one["unless"]),
        "objects": objects,
        "shown_fields": [
            each.removeprefix("class:") if each.startswith("class:") else f".{each}"
            for each in one.get("fields", ())
            if each != ANY
        ],
        "account": "shut out" if one.get("suspended") else "active",
    }

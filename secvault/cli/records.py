"""`secvault records`: what is guarded, as far as the caller's token may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import (
    ask,
    imports,
    opening,
    operations,
    record_history,
    record_reveals,
    sample,
    show,
)
from secvault.cli.record_reveals import plain
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.records.collection import Collection
    from secvault.service.record_views import RecordView

app = typer.Typer(
    no_args_is_help=True,
    help="Records: list, search, show, add, change, approve, reveal, delete. Set SECVAULT_TOKEN to "
    "the session or token of whoever asks; the operator of this machine sees no record.",
)

# The most columns of fields that a list shows to a person.
_SHOWN_FIELDS = 5

CollectionName = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="Such as employees; see `records collections`.")
]
RecordId = Annotated[str, typer.Argument(metavar="ID", help="The record's id.")]
Source = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FILE",
        help='File with the fields as JSON, {"field": value}; - for stdin.',
    ),
]
Version = Annotated[
    int, typer.Option(help="The version that the change is based on, as shown.", min=1)
]


@app.command(epilog="Example: secvault records collections")
def collections(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the collections that the caller may work with, and their fields."""
    with opening.vault(context) as (service, caller):
        rows = [_schema(one) for one in operations.records.collections(service, caller)]
    if as_json:
        show.document({"collections": rows})
        return
    lines = [{**row, "names": [field["name"] for field in row["fields"]]} for row in rows]
    columns = {"name": "Collection", "department": "Department", "names": "Fields"}
    show.table(lines, columns, "There is no collection for this caller.")


@app.command("list", epilog="Example: SECVAULT_TOKEN=svs_... secvault records list employees")
def list_(
    context: typer.Context,
    collection: CollectionName,
    after: Annotated[str, typer.Option(help="Continue after this id.")] = "",
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 50,
    as_json: show.AsJson = False,
) -> None:
    """List records in the order of their ids, each as far as the caller may see it."""
    with opening.vault(context) as (service, caller):
        page = operations.records.list_records(service, caller, collection, after, limit)
    if as_json:
        records = [document_of(view) for view in page.records]
        show.document({"records": records, "next_after": page.next_after or None})
        return
    table(page.records)
    if page.next_after:
        show.talk(f"More: secvault records list {collection} --after {page.next_after}")


@app.command(
    "show", epilog="Example: SECVAULT_TOKEN=svs_... secvault records show employees nv-0001"
)
def show_(
    context: typer.Context,
    collection: CollectionName,
    record_id: RecordId,
    as_json: show.AsJson = False,
) -> None:
    """Show one record: what is clear, what is masked, and why the rest is withheld."""
    with opening.vault(context) as (service, caller):
        view = operations.records.read_record(service, caller, collection, record_id)
    _print(view, as_json=as_json)


@app.command(
    epilog="Example: SECVAULT_TOKEN=svs_... secvault records field payroll pr-0001 gross_salary"
)
def field(
    context: typer.Context,
    collection: CollectionName,
    record_id: RecordId,
    name: Annotated[str, typer.Argument(metavar="FIELD", help="The field's name.")],
    as_json: show.AsJson = False,
) -> None:
    """Print one field in clear, or say why the caller may not see it."""
    with opening.vault(context) as (service, caller):
        value = operations.records.read_field(service, caller, collection, record_id, name)
    if as_json:
        show.document({"collection": collection, "id": record_id, "field": name, "value": value})
    else:
        show.out(show.cell(plain(value)))


@app.command(epilog="Example: secvault records add visitors --id v-77 --from visitor.json")
def add(
    context: typer.Context,
    collection: CollectionName,
    source: Source,
    record_id: Annotated[
        str | None, typer.Option("--id", help="The new record's id; made if left out.")
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            "--idempotency-key",
            metavar="KEY",
            help="Your own name for this; for a day, nothing is added twice under it.",
        ),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Add a record. Its values come from a file or stdin, never from the command's arguments."""
    values = ask.fields_from(source)
    with opening.vault(context) as (service, caller):
        view = operations.records.create_record(service, caller, collection, record_id, values, key)
    if as_json:
        _print(view, as_json=True)
    else:
        show.out(f"{view.collection}/{view.id} added, version {view.version}")


@app.command(
    "set",
    epilog="Example: secvault records set visitors v-77 --version 1 --from changes.json",
)
def set_(
    context: typer.Context,
    collection: CollectionName,
    record_id: RecordId,
    *,
    version: Version,
    source: Source,
    as_json: show.AsJson = False,
) -> None:
    """Change the named fields of a record; null removes a value, what is not named stays.

    If somebody changed the record since the version that you name, nothing is changed.
    """
    values = ask.fields_from(source)
    with opening.vault(context) as (service, caller):
        view = operations.records.update_record(
            service, caller, collection, record_id, values, version
        )
    if as_json:
        _print(view, as_json=True)
    else:
        show.out(f"{view.collection}/{view.id} changed, version {view.version}")


@app.command(
    epilog="Example: SECVAULT_TOKEN=svs_... secvault records approve payments pay-0007 --version 2"
)
def approve(
    context: typer.Context,
    collection: CollectionName,
    record_id: RecordId,
    *,
    version: Annotated[
        int, typer.Option(help="The version that you have looked at, as shown.", min=1)
    ],
    as_json: show.AsJson = False,
) -> None:
    """Approve a record that others have entered and changed; a change makes it a draft again."""
    with opening.vault(context) as (service, caller):
        view = operations.records.approve_record(service, caller, collection, record_id, version)
    if as_json:
        _print(view, as_json=True)
    else:
        show.out(f"{view.collection}/{view.id} approved, version {view.version}")


@app.command(
    epilog="Example: SECVAULT_TOKEN=svs_... secvault records delete visitors v-77 --version 2 --yes"
)
def delete(
    context: typer.Context,
    collection: CollectionName,
    record_id: RecordId,
    version: Version,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a record and the key to it. Only a backup can bring it back."""
    if not yes:
        _confirm(record_id)
    with opening.vault(context) as (service, caller):
        operations.records.delete_record(service, caller, collection, record_id, version)
    show.out(f"{show.cell(collection)}/{show.cell(record_id)} is deleted")


@app.command(epilog="Example: secvault records load-sample")
def load_sample(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Fill an empty vault with the records of a company that does not exist, to try things out."""
    with opening.vault(context) as (service, caller):
        stored = sample.load(service, caller)
    if as_json:
        show.document({"records": stored})
    else:
        show.out(f"{stored} sample records stored")


app.command(
    "import",
    epilog='Example: secvault records import payroll may.xlsx --map "Lương=gross_salary" --dry-run',
)(imports.import_)
app.add_typer(imports.app, name="imports")


def table(views: Sequence[RecordView]) -> None:
    """Print records as a table, with the first of their fields."""
    seen = {name: None for view in views for name in (*view.fields, *view.masked)}
    names = list(seen)[:_SHOWN_FIELDS]
    rows = [
        {
            "id": view.id,
            "version": view.version,
            "state": "approved" if view.approved else "draft",
            **{f".{name}": _shown(view, name) for name in names},
        }
        for view in views
    ]
    columns = {"id": "Id", "version": "Version", **{f".{name}": name for name in names}}
    if any(view.released for view in views):
        columns["state"] = "State"
    show.table(rows, columns, "There is no record.")
    if len(seen) > len(names):
        show.talk(f"Not shown: {', '.join(list(seen)[_SHOWN_FIELDS:])}; see `records show`.")


app.command(
    epilog="Example: secvault records reveal payroll pr-0001 bank_account --reason 'pay came back'"
)(record_reveals.reveal)
app.command(epilog="Example: secvault records history payroll pr-0001")(record_history.history)


def _confirm(record_id: str) -> None:
    if not ask.at_terminal():
        raise InvalidInput.at("--yes", "deleting needs --yes when nobody can be asked")
    if ask.line(f"Type {show.cell(record_id)} to delete it for good") != record_id:
        raise InvalidInput.at("id", "that is not the record's id; nothing was deleted")


def _schema(collection: Collection) -> dict[str, Any]:
    kept = collection.retention
    return {
        "name": collection.name,
        "department": collection.department,
        "title": dict(collection.title),
        "version": collection.version,
        "release": collection.release,
        "subject": collection.subject_field or None,
        "retention": None
        if kept is None
        else {
            "years": kept.years,
            "months": kept.months,
            "from": kept.from_field,
            "reason": dict(kept.reason),
        },
        "fields": [
            {
                "name": one.name,
                "title": dict(one.title),
                "type": str(one.type),
                "class": str(one.sensitivity),
                "mask": None if one.mask is None else str(one.mask),
                "required": one.required,
                "retired": one.retired,
                "index": list(one.index.kinds) if one.index else [],
                "deidentify": str(one.deidentified.how),
            }
            for one in collection.fields.values()
        ],
    }


def document_of(view: RecordView) -> dict[str, Any]:
    """A record as JSON, as far as the caller may see it."""
    return {
        "collection": view.collection,
        "id": view.id,
        "version": view.version,
        "created_at": show.time(view.created_at),
        "updated_at": show.time(view.updated_at),
        "fields": dict(view.fields),
        "masked": dict(view.masked),
        "withheld": dict(view.withheld),
        "revealable": list(view.revealable),
        "release": _release(view),
    }


def _release(view: RecordView) -> dict[str, Any] | None:
    if not view.released:
        return None
    given = view.approved
    return {
        "state": "approved" if given else "draft",
        "approved_by": given.approved_by if given else None,
        "approved_at": show.time(given.approved_at) if given else None,
    }


def _shown(view: RecordView, name: str) -> Any:
    if name in view.masked:
        return f"{view.masked[name]} (masked)"
    return plain(view.fields.get(name, "" if name not in view.withheld else "(withheld)"))


def _print(view: RecordView, *, as_json: bool) -> None:
    if as_json:
        show.document(document_of(view))
        return
    show.out(f"{view.collection}/{view.id}, version {view.version}, {show.time(view.updated_at)}")
    if view.approved is not None:
        when = show.time(view.approved.approved_at)
        show.out(f"approved by {view.approved.approved_by}, {when}")
    elif view.released:
        show.out("draft: waits for its approval by somebody who did not enter or change it")
    show.facts(
        {
            **{name: plain(value) for name, value in view.fields.items()},
            **{name: f"{value}  (masked)" for name, value in view.masked.items()},
            **{name: f"withheld: {reason}" for name, reason in view.withheld.items()},
        }
    )
    if view.revealable:
        first = f"secvault records reveal {view.collection} {view.id} {view.revealable[0]}"
        show.talk(f"May be revealed, with a reason: {', '.join(view.revealable)} ({first})")

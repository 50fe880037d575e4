"""`secvault records erase` and `records erasures`: data that goes for good, and the proof of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.cli import evidence as evidence_files
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.records.erasure import Erasure
    from secvault.service.erasing.erasures import Erased, Found
    from secvault.service.erasing.reach import Reach
    from secvault.service.erasing.target import Target
    from secvault.service.service import Service

app = typer.Typer(no_args_is_help=True, help="Erasures: list, evidence, verify.")

ERASE_EXAMPLE = "Example: secvault records erase nv-0042 --reason 'asked for it' --yes"
ErasureId = Annotated[str, typer.Argument(metavar="ERASURE", help="Its id, of `erasures list`.")]


def erase(
    context: typer.Context,
    person: Annotated[
        str | None,
        typer.Argument(metavar="PERSON", help="An employee's number: in all collections."),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; stands in the evidence. 1 to 500 characters.")],
    collection: Annotated[
        str, typer.Option(help="With --subject or --record: the collection.")
    ] = "",
    subject: Annotated[
        str, typer.Option(help="All of one data subject of the collection, and its data key.")
    ] = "",
    record: Annotated[str, typer.Option(help="One record of the collection, by its id.")] = "",
    actor: Annotated[
        str, typer.Option(help="What the audit log keeps of one who acted, such as user:<id>.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Erase what is kept on a person, a data subject or a record, for good.

    Rows, index and data keys go, here at once and from the backups after some days; nobody can
    bring them back. Of a person also goes what is personal in the audit log: its entries stay, and
    every proof of them. Needs a second person's approval (--ask). What is under legal hold is not
    erased.
    """
    with opening.vault(context) as (service, caller):
        target = _target(service, person, collection, subject, record, actor)
        if not yes:
            _confirm(operations.erasures.look(service, caller, target))
        done = operations.erasures.erase(service, caller, target, reason)
    if as_json:
        show.document({**_erased(done), "target": str(target)})
        return
    show.facts(
        {
            "erased": str(target),
            "erasure": done.id,
            "records": done.records,
            "encrypted values": done.fields,
            "data keys destroyed": done.keys,
            "records whose key others share": done.shared,
            "entries of the log made nobody's": done.entries,
            "in this database": "gone"
            if done.scrubbed
            else "gone, but its log is in use: what was there goes when it is next written out",
            "in the backups": _reach(done.reach),
        }
    )
    show.talk("Next, so that the backups know it: secvault backup run")


@app.command("list", epilog="Example: secvault records erasures list --json")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 50,
    as_json: show.AsJson = False,
) -> None:
    """List the newest erasures, newest first, and whether they have reached the backups."""
    with opening.vault(context) as (service, caller):
        found = operations.erasures.list_erasures(service, caller, limit)
    rows = [
        {**_row(one, reach), **({} if as_json else {"backups": _reach(reach)})}
        for one, reach in found
    ]
    columns = {
        "at": "At",
        "kind": "Of",
        "records": "Records",
        "keys": "Keys",
        "asked_by": "By",
        "backups": "In the backups",
        "id": "Id",
    }
    show.listing("erasures", rows, columns, as_json=as_json, empty="Nothing was erased.")


@app.command(epilog="Example: secvault records erasures evidence ERASURE --to /srv/evidence")
def evidence(
    context: typer.Context,
    erasure: ErasureId,
    to: evidence_files.Folder = None,
) -> None:
    """Take out the signed evidence of an erasure: a .json file and its signature, a .note file."""
    with opening.vault(context) as (service, caller):
        _, document, note, _ = operations.erasures.read_evidence(service, caller, erasure)
    if to is None:
        show.out(document.decode())
        return
    files = evidence_files.write(to, f"erasure-{erasure}", {".json": document, ".note": note})
    show.out(str(files[0]))


@app.command(epilog="Example: secvault records erasures verify erasure.json --key 'acme/...'")
def verify(
    context: typer.Context,  # noqa: ARG001 - needs no vault
    file: evidence_files.File,
    key: evidence_files.KeyText,
    note: evidence_files.NoteFile = None,
    as_json: show.AsJson = False,
) -> None:
    """Check the signature on an erasure's evidence; no vault is needed.

    Exit code 5 when the evidence was changed.
    """
    kind = operations.erasure_evidence.KIND
    verified = evidence_files.verified_of(file, note, key, kind, "an erasure")
    if as_json:
        show.document({"genuine": True, "document": verified})
        return
    records, keys = verified.get("records"), verified.get("keys")
    show.out(
        f"the evidence is genuine: erasure {show.cell(verified.get('id'))} at "
        f"{show.cell(verified.get('erased_at'))}: "
        f"{len(records) if isinstance(records, list) else 0} records, "
        f"{len(keys) if isinstance(keys, list) else 0} data keys destroyed"
    )


def _target(
    service: Service, person: str | None, collection: str, subject: str, record: str, actor: str
) -> Target:
    kinds = operations.erasure_target.Kind
    if actor and person is None and not (collection or subject or record):
        return operations.erasure_target.target_of(service, kinds.LOG, "", actor)
    if person is not None and not (collection or subject or record or actor):
        return operations.erasure_target.target_of(service, kinds.PERSON, "", person)
    if person is None and not actor and collection and bool(subject) != bool(record):
        kind = kinds.SUBJECT if subject else kinds.RECORD
        return operations.erasure_target.target_of(service, kind, collection, subject or record)
    raise InvalidInput(
        "name a PERSON, or --collection with either --subject or --record, or an --actor of the "
        "audit log: what is to be erased"
    )


def _confirm(found: Found) -> None:
    if not ask.at_terminal():
        raise InvalidInput.at("--yes", "erasing needs --yes when nobody can be asked")
    listed = ", ".join(f"{count} of {name}" for name, count in sorted(found.by_collection.items()))
    if found.entries:
        logged = f"what is personal in {found.entries} entries of the audit log"
        listed = f"{listed}, {logged}" if listed else logged
    show.talk(f"To be erased for good: {listed or 'nothing'}.")
    for hold in found.holds:
        show.talk(f"Under legal hold {hold.id}: {show.cell(hold.reason)}")
    if ask.line(f"Type {show.cell(found.target.name)} to erase it") != found.target.name:
        raise InvalidInput.at("target", "that is not its name; nothing was erased")


def _reach(reach: Reach) -> str:
    if reach.gone:
        return "gone from all"
    if not reach.known or reach.gone_after is None:
        return "not yet: the next run of each plan brings it there"
    after = show.time(reach.gone_after)
    return f"left out of every restore; keys gone with the first run after {after}"


def _erased(done: Erased) -> dict[str, Any]:
    return {
        "id": done.id,
        "records": done.records,
        "fields": done.fields,
        "keys": done.keys,
        "shared": done.shared,
        "scrubbed": done.scrubbed,
        "entries": done.entries,
        **_backups(done.reach),
    }


def _row(one: Erasure, reach: Reach) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "asked_by": one.asked_by,
        "at": show.time(one.at),
        "records": one.records,
        "keys": one.keys,
        **_backups(reach),
    }


def _backups(reach: Reach) -> dict[str, Any]:
    return {
        "backups_know": reach.known,
        "backups_gone_after": show.time(reach.gone_after),
        "backups_gone": reach.gone,
    }

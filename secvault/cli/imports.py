"""`secvault records import` and `imports`: files of records, checked and stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from secvault.cli import ask, opening, operations, progress, show
from secvault.cli.waiting import Waiting
from secvault.errors import Cancelled, InvalidInput, SecvaultError
from secvault.records.imports.spec import Dates, Delimiter, Encoding, Form, Numbers, OnConflict

if TYPE_CHECKING:
    from secvault.records.imports.import_row import FaultOfRow, Import
    from secvault.records.imports.spec import Spec
    from secvault.service.service import Service
    from secvault.service.spine import Caller

app = typer.Typer(
    no_args_is_help=True, help="Imports of records from files: list, show, resume, cancel."
)

PART_BYTES = 4 * 1024 * 1024
_SHOWN_FAULTS = 50
_MOST_FAULTS = 1_000

ImportId = Annotated[
    str, typer.Argument(metavar="IMPORT", help="The import's id, as `imports list` shows it.")
]
ByWorker = Annotated[
    bool, typer.Option("--worker", help="Let the running service do it; Ctrl-C looks away.")
]


class FileFaulty(SecvaultError):
    """A file has faults, so nothing of it was imported."""

    code = "file-faulty"
    title = "Nothing was imported"


class ImportStopped(SecvaultError):
    """An import did not come to its end."""

    code = "import-stopped"
    title = "The import stopped"


def import_(
    context: typer.Context,
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Such as payroll.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, Excel (.xlsx) or JSON Lines; - for stdin.")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is wrong with the file.")
    ] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEADING=FIELD",
            help="Where a column goes; HEADING= leaves it out. Others go by their heading: a "
            "field's name, or its title in English or Vietnamese.",
        ),
    ] = None,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What becomes of records that are there already.")
    ] = OnConflict.REFUSE,
    form: Annotated[
        Form | None, typer.Option("--format", help="Else as the file's name ends.")
    ] = None,
    dates: Annotated[Dates, typer.Option(help="How dates are written as text.")] = Dates.ISO,
    numbers: Annotated[
        Numbers, typer.Option(help="How numbers are written as text.")
    ] = Numbers.PLAIN,
    delimiter: Annotated[Delimiter, typer.Option(help="Of a CSV file.")] = Delimiter.AUTO,
    encoding: Annotated[Encoding, typer.Option(help="Of a CSV file.")] = Encoding.AUTO,
    sheet: Annotated[
        str, typer.Option(help="Of a workbook; else the only visible one.", show_default=False)
    ] = "",
    time_zone: Annotated[
        str,
        typer.Option(metavar="ZONE", help="Of moments that name none.", show_default=False),
    ] = "",
    by_worker: ByWorker = False,
    as_json: show.AsJson = False,
) -> None:
    """Import a file of records. All of it is checked first: with any fault, nothing is stored.

    A column `id` names the records; without one, ids are made. After a kill or Ctrl-C the import
    goes on with `records imports resume`; each row is stored once.
    """
    if dry_run and by_worker:
        raise InvalidInput.at("--worker", "a dry run is done here; leave one of the two out")
    spec = operations.import_spec.Spec(
        form=form or _form_of(file),
        dates=dates,
        numbers=numbers,
        delimiter=delimiter,
        encoding=encoding,
        sheet=sheet,
        time_zone=time_zone,
        mapping=_mapping(mapping or ()),
    )
    with opening.vault(context) as (service, caller), _opened(file) as content:
        sent = _sent(service, caller, collection, spec, on_conflict, content)
        if dry_run:
            operations.imports.check_import(service, caller, sent.id, by_worker=False)
        else:
            operations.imports.start_import(service, caller, sent.id, by_worker=by_worker)
        done = _done(service, caller, sent.id, by_worker=by_worker)
        if dry_run and not done.ended:
            operations.imports.cancel_import(service, caller, sent.id)
        _tell(service, caller, done, dry_run=dry_run, as_json=as_json)


@app.command("list", epilog="Example: secvault records imports list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest imports into the collections that the caller may import into."""
    with opening.vault(context) as (service, caller):
        rows = [_row(one) for one in operations.imports.list_imports(service, caller, limit)]
    columns = {
        "id": "Import",
        "collection": "Collection",
        "state": "State",
        "total": "Rows",
        "created": "Created",
        "updated": "Updated",
        "skipped": "Skipped",
        "faults": "Faults",
        "created_at": "Begun",
    }
    empty = "There was none yet: secvault records import COLLECTION FILE"
    show.listing("imports", rows, columns, as_json=as_json, empty=empty)


@app.command(
    "show", epilog="Example: secvault records imports show 0199c2... --faults-to faults.csv"
)
def show_(
    context: typer.Context,
    import_id: ImportId,
    faults_to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what is wrong with the file as CSV."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show how far an import is, and what is wrong with its file."""
    with opening.vault(context) as (service, caller):
        found, faults = operations.imports.import_faults(service, caller, import_id)
        sheet = operations.fault_sheet.as_csv(faults)
    if faults_to is not None:
        try:
            faults_to.write_bytes(sheet)
        except OSError as error:
            raise InvalidInput.at(
                "--faults-to", f"{faults_to} cannot be written: {error.strerror}"
            ) from None
    if as_json:
        show.document({**_row(found), "found": [_fault(one) for one in faults]})
        return
    show.facts(_row(found))
    _print_faults(faults, found.id)


@app.command(epilog="Example: secvault records imports resume 0199c2...")
def resume(
    context: typer.Context,
    import_id: ImportId,
    by_worker: ByWorker = False,
    as_json: show.AsJson = False,
) -> None:
    """Have an import of one's own go on where it stopped, with the rights of now."""
    with opening.vault(context) as (service, caller):
        operations.imports.resume_import(service, caller, import_id, by_worker=by_worker)
        done = _done(service, caller, import_id, by_worker=by_worker)
        _tell(service, caller, done, dry_run=False, as_json=as_json)


@app.command(epilog="Example: secvault records imports cancel 0199c2...")
def cancel(context: typer.Context, import_id: ImportId) -> None:
    """End an import and destroy its file. The records that it has stored stay."""
    with opening.vault(context) as (service, caller):
        ended = operations.imports.cancel_import(service, caller, import_id)
    show.out(f"{ended.id} is cancelled; {ended.created + ended.updated} records of it are stored")


def _sent(
    service: Service,
    caller: Caller,
    collection: str,
    spec: Spec,
    on_conflict: OnConflict,
    content: BinaryIO,
) -> Import:
    made = operations.imports.create_import(service, caller, collection, spec, on_conflict)
    number = 0
    while piece := content.read(PART_BYTES):
        number += 1
        made = operations.imports.put_part(service, caller, made.id, number, piece)
    return made


def _done(service: Service, caller: Caller, import_id: str, *, by_worker: bool) -> Import:
    """The import when nothing more is done for it, its progress shown until then."""
    waiting = Waiting()
    with progress.of_count("importing") as so_far:

        def tell(now: Import) -> None:
            waiting.look(now.id, begun=not by_worker or now.total is not None)
            so_far(now.done_with, now.total or 0)

        if by_worker:
            return operations.imports.watch_import(service, caller, import_id, tell)
        with progress.cancellable() as cancel_:
            try:
                return operations.import_running.do_import(service, import_id, cancel_, tell)
            except Cancelled:
                raise Cancelled(
                    f"go on with: secvault records imports resume {import_id}"
                ) from None


def _tell(service: Service, caller: Caller, done: Import, *, dry_run: bool, as_json: bool) -> None:
    faults: tuple[FaultOfRow, ...] = ()
    if done.faults:
        faults = operations.imports.import_faults(service, caller, done.id)[1]
    if as_json:
        show.document({**_row(done), "found": [_fault(one) for one in faults]})
    elif done.state == "done":
        parts = [f"{done.created} records of {done.collection} stored"]
        parts += [f"{done.updated} changed"] if done.updated else []
        parts += [f"{done.skipped} left as they were"] if done.skipped else []
        show.out(", ".join(parts))
    elif dry_run and done.state == "checked":
        show.out(f"nothing is wrong with the {done.total} rows; nothing was stored")
    else:
        _print_faults(faults, done.id)
    if done.state == "faulty":
        found = "1 fault" if done.faults == 1 else f"{done.faults} faults"
        more = "" if done.faults < _MOST_FAULTS else ", and looking ended there"
        raise FileFaulty(f"{found} in the file{more}; mend it and import it anew")
    if done.state == "stopped":
        raise ImportStopped(
            f"{done.reason}; {done.created + done.updated} records are stored, go on with: "
            f"secvault records imports resume {done.id}"
        )
    if done.state in ("cancelled", "expired"):
        raise ImportStopped(
            f"it was {done.state}; {done.created + done.updated} records are stored"
        )


def _print_faults(faults: Sequence[FaultOfRow], import_id: str) -> None:
    if faults:
        rows = [_fault(one) for one in faults[:_SHOWN_FAULTS]]
        show.table(rows, {"row": "Row", "field": "Field", "problem": "Problem"}, "")
    if len(faults) > _SHOWN_FAULTS:
        show.talk(
            f"and {len(faults) - _SHOWN_FAULTS} more: secvault records imports show {import_id} "
            "--faults-to FILE"
        )


def _fault(one: FaultOfRow) -> dict[str, Any]:
    return {"row": one.line or None, "field": one.field, "problem": one.detail}


def _row(found: Import) -> dict[str, Any]:
    shown = {name: it for name, it in vars(found).items() if name not in ("position", "goal")}
    times = ("created_at", "changed_at", "ended_at")
    words = ("format", "on_conflict")
    return {
        **shown,
        **{name: show.time(shown[name]) for name in times},
        **{name: str(shown[name]) for name in words},
    }


def _form_of(file: str) -> Form:
    if file == ask.STDIN:
        raise InvalidInput.at("--format", "say what comes on stdin: csv, xlsx or jsonl")
    return operations.import_spec.form_of(file)


def _mapping(given: Sequence[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for one in given:
        heading, equals, field = one.rpartition("=")
        if not equals or not heading:
            raise InvalidInput.at("--map", "write it as HEADING=FIELD, or HEADING= to leave it out")
        if heading in mapping:
            raise InvalidInput.at("--map", "names a heading twice")
        mapping[heading] = field.strip()
    return mapping


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == ask.STDIN:
        yield sys.stdin.buffer
        return
    try:
        content = Path(file).open("rb")  # noqa: SIM115 - closed below, errors of reading apart
    except OSError as error:
        raise InvalidInput.at("FILE", f"{file} cannot be read: {error.strerror}") from None
    with content:
        yield content

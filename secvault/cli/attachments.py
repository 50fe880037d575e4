"""`secvault records attach` and `attachments`: files in the fields of records."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from secvault.cli import opening, operations, progress, show
from secvault.errors import Conflict, Damaged, InvalidInput

if TYPE_CHECKING:
    from secvault.records.attachment import Attached
    from secvault.service.attachments import Opened

app = typer.Typer(
    no_args_is_help=True,
    help="Files in the fields of records: show, fetch, remove, and collect what no record names "
    "any more. `records attach` puts one in.",
)

STDOUT = "-"
_PIECE_BYTES = 2**20

CollectionName = Annotated[str, typer.Argument(metavar="COLLECTION", help="Such as contracts.")]
RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="The record's id.")]
FieldName = Annotated[str, typer.Argument(metavar="FIELD", help="A field of type attachment.")]


def attach(
    context: typer.Context,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to store.")],
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Its media type; by its ending if left out. Its content must be of that type.",
            show_default=False,
        ),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when the field holds a file already.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Store a file in a field of a record, encrypted. It is there whole, or what was before is."""
    sent_type = kind or operations.content_type.type_by_name(file.name)
    if not sent_type:
        raise InvalidInput.at("--type", f"say what {show.cell(file.name)} is, as application/pdf")
    with _readable(file) as source, opening.vault(context) as (service, caller):
        size = os.fstat(source.fileno()).st_size
        uploads = operations.attachment_upload
        sent = uploads.Sent(file.name, sent_type, size)
        expected = None if replace else operations.attachments.NONE_YET
        with (
            progress.of_transfer(f"storing {file.name}", size) as so_far,
            uploads.uploading(
                lambda: uploads.begin_upload(
                    service, caller, collection, record, field, sent, expected
                )
            ) as upload,
        ):
            while piece := source.read(_PIECE_BYTES):
                upload.write(piece)
                so_far(len(piece))
            stored = upload.finish()
    if as_json:
        show.document({**_document(stored.attached), "version": stored.version})
    else:
        where = f"{collection}/{record}/{field}"
        show.out(f"{where}: {_told(stored.attached)}, version {stored.version} of the record")


@app.command("show", epilog="Example: secvault records attachments show contracts ct-0001")
def show_(
    context: typer.Context,
    collection: CollectionName,
    record: RecordId,
    as_json: show.AsJson = False,
) -> None:
    """List the files of a record, as far as the caller may see them."""
    with opening.vault(context) as (service, caller):
        view = operations.records.read_record(service, caller, collection, record)
        schema = service.collections[collection]
    names = [name for name, field in schema.fields.items() if field.type == "attachment"]
    rows: list[dict[str, Any]] = []
    for name in names:
        if name in view.fields:
            attached = operations.attachment.Attached.of(view.fields[name])
            rows.append({"field": name, **_document(attached), "shown": "clear"})
        elif name in view.masked:
            rows.append({"field": name, "shown": "masked"})
        elif name in view.withheld:
            rows.append({"field": name, "shown": "withheld"})
    if as_json:
        show.document({"attachments": rows})
        return
    lines = [{**row, "size": show.size(row.get("size"))} for row in rows]
    columns = {"field": "Field", "name": "File", "size": "Size", "type": "Type", "shown": "Shown"}
    show.table(lines, columns, "The record holds no file.")


@app.command(
    epilog="Example: secvault records attachments fetch contracts ct-0001 document --out ."
)
def fetch(
    context: typer.Context,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    *,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="Where to: a new file, a folder, or - for stdout.")
    ] = ".",
    force: Annotated[bool, typer.Option("--force", help="Also in the place of a file.")] = False,
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Reveal a file that is shown masked: why, 1 to 200 characters, kept on record.",
            show_default=False,
        ),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Fetch a file in clear, verified. A damaged one gives exit code 5, and no file."""
    if as_json and out == STDOUT:
        raise InvalidInput.at("--json", "is for a file; stdout takes the content")
    with opening.vault(context) as (service, caller):
        opened = operations.attachments.open_attachment(
            service, caller, collection, record, field, reason
        )
        attached = opened.attached
        with progress.of_transfer(f"fetching {attached.name}", attached.size) as so_far:
            if out == STDOUT:
                _copy(opened, sys.stdout.buffer, so_far)
                sys.stdout.buffer.flush()
                return
            target = _target(Path(out), attached.name)
            with _beside(target, replace=force) as file:
                _copy(opened, file, so_far)
    if as_json:
        show.document({**_document(attached), "file": str(target)})
    else:
        show.out(f"{show.cell(str(target))}: {_told(attached)}")


@app.command(epilog="Example: secvault records attachments remove contracts ct-0001 document --yes")
def remove(
    context: typer.Context,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, nothing is done.")] = False,
) -> None:
    """Empty a field of its file; the record stays."""
    if not yes:
        raise InvalidInput.at("--yes", "say --yes to remove the file for good")
    with opening.vault(context) as (service, caller):
        version = operations.attachments.remove_attachment(
            service, caller, collection, record, field, operations.attachments.WHATEVER
        )
    show.out(f"{collection}/{record}/{field} is empty, version {version} of the record")


@app.command(epilog="Example: secvault records attachments collect")
def collect(
    context: typer.Context,
    *,
    strays: Annotated[
        bool,
        typer.Option("--strays", help="Also look for contents that the database does not know."),
    ] = False,
    remove_strays: Annotated[
        bool,
        typer.Option(
            "--remove-strays",
            help="And remove them: only when no other vault, and no other copy of this database, "
            "has its contents in the same place.",
        ),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Remove contents that no record names any more; the worker does the same each hour."""
    with opening.vault(context) as (service, caller), progress.of_count("removing") as so_far:
        done = operations.attachment_collection.collect_attachments(
            service,
            caller,
            lambda removed: so_far(removed, removed),
            look_for_strays=strays,
            remove_strays=remove_strays,
        )
    if as_json:
        show.document(vars(done))
        return
    show.out(f"contents removed: {done.removed}, kept until they are due: {done.waiting}")
    if done.strays is not None:
        left = done.strays - done.strays_removed
        show.out(f"unknown to the database: {done.strays_removed} removed, {left} left there")


@contextmanager
def _readable(file: Path) -> Iterator[BinaryIO]:
    try:
        source = file.open("rb")
    except OSError as error:
        raise InvalidInput.at("FILE", f"cannot be read: {error.strerror}") from None
    with source:
        try:
            yield source
        except OSError as error:
            raise InvalidInput.at("FILE", f"cannot be read: {error.strerror}") from None


def _target(out: Path, name: str) -> Path:
    if not out.is_dir():
        return out
    if name.startswith((".", "-")):
        # Such a name says something to programs; whoever stored the file chose it.
        raise InvalidInput.at("--out", f"name a file: that of the attachment is {show.cell(name)}")
    return out / name


@contextmanager
def _beside(target: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file that takes the place of `target` when the block ends well, and leaves nothing else."""
    if target.exists() and not replace:
        raise Conflict(f"{target} exists already; say --force to replace it")
    try:
        handle, made = tempfile.mkstemp(prefix=".fetch-", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InvalidInput.at("--out", f"cannot be written: {error.strerror}") from None
    part = Path(made)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _put(part, target, replace=replace)
    except OSError as error:
        raise InvalidInput.at("--out", f"cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _put(part: Path, target: Path, *, replace: bool) -> None:
    if replace:
        part.replace(target)
        return
    try:
        # Unlike a renaming, it never takes the place of a file that came meanwhile.
        target.hardlink_to(part)
    except FileExistsError:
        raise Conflict(f"{target} exists already; say --force to replace it") from None
    except OSError:
        # A file system without links.
        part.replace(target)


def _copy(opened: Opened, target: BinaryIO, so_far: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    with closing(opened.read()) as pieces:
        for piece in pieces:
            digest.update(piece)
            target.write(piece)
            so_far(len(piece))
    if digest.hexdigest() != opened.attached.sha256:
        raise Damaged("the content is not what the record says of it; restore it from a backup")


def _document(attached: Attached) -> dict[str, Any]:
    return {
        "id": attached.id,
        "name": attached.name,
        "size": attached.size,
        "type": attached.type,
        "sha256": attached.sha256,
    }


def _told(attached: Attached) -> str:
    return f"{show.cell(attached.name)}, {show.size(attached.size)}, {attached.type}"

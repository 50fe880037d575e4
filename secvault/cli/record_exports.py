"""`secvault records export`: records as a file, with a signed manifest beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from secvault.cli import ask, opening, operations, progress, show
from secvault.cli import evidence as evidence_files
from secvault.cli.whole_file import whole
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from typer._click import Context

    from secvault.crypto.evidence import SignedEvidence
    from secvault.service.record_exports.underway import Underway

_COLLECTION = "collection"
_FORMATS = ("csv", "xlsx", "jsonl", "parquet")
MANIFEST, NOTE = ".manifest.json", ".manifest.note"


class _Exports(TyperGroup):
    """`export COLLECTION ...` beside `export verify FILE`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take what names no command for the export of a collection."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [_COLLECTION, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Exports,
    no_args_is_help=True,
    help="Export records as far as the caller may see them, or de-identified: `records export "
    "COLLECTION --output FILE`. All options: `records export collection --help`.",
)


@app.command(
    _COLLECTION,
    epilog="Example: secvault records export payroll --output payroll.xlsx --reason 'audit 2026'",
)
def collection_(
    context: typer.Context,
    *,
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION", help="Such as payroll; see `collections`.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format", help="csv, xlsx, jsonl or parquet; else by the ending of the file."
        ),
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for the manifest.")] = "",
    where: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help='File with filters as JSON, {"field": value or {"from": ..., "to": ...}}; - for '
            "stdin.",
        ),
    ] = "",
    language: Annotated[str, typer.Option(help="Of titles: en, vi.")] = "en",
    titles: Annotated[
        bool, typer.Option("--titles", help="Head the columns by titles, not by names.")
    ] = False,
    mark: Annotated[
        bool,
        typer.Option("--bom/--no-bom", help="Begin csv so that Excel knows it is UTF-8."),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    deidentified: Annotated[
        bool, typer.Option("--deidentified", help="Without telling who is who; needs --project.")
    ] = False,
    project: Annotated[
        str, typer.Option(help="Pseudonyms are the same within a project.", metavar="NAME")
    ] = "",
    k: Annotated[
        int | None, typer.Option("--k", help="How many people at least are alike.")
    ] = None,
    quasi: Annotated[
        list[str] | None,
        typer.Option(
            "--quasi",
            metavar="FIELD",
            help="A field by which somebody might be known again, beside the usual ones.",
        ),
    ] = None,
    refuse_small: Annotated[
        bool,
        typer.Option("--refuse-small-groups", help="Fail rather than leave out who stands out."),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write records to a file that only you can read, and its signed manifest beside it.

    What the caller sees masked is masked in the file, under `<field>_masked`; what is withheld is
    not there. Text that a spreadsheet would take for a formula is defused. FILE.manifest.json says
    what was exported, FILE.manifest.note signs it; check both with `records export verify`.
    """
    chosen = _format(format_, output)
    asked = operations.exports_asked
    if not deidentified and (project or quasi or refuse_small or k is not None):
        raise InvalidInput.at("--project", "belongs to --deidentified, as do --k and --quasi")
    wanted = asked.Wanted(
        collection,
        operations.export_formats.Format(chosen),
        ask.fields_from(where) if where else {},
        reason,
        language,
        titles,
        mark,
    )
    with (
        opening.vault(context) as (service, caller),
        progress.of_count(f"Export {collection}") as so_far,
    ):
        if deidentified:
            anonymity = asked.Anonymity(project, k, tuple(quasi or ()), refuse=refuse_small)
            export = operations.exports_deidentified.export_deidentified(
                service, caller, wanted, anonymity, so_far
            )
        else:
            export = operations.exports_as_shown.export_records(service, caller, wanted, so_far)
        with export:
            evidence = _written(export, output, force=force)
    document = operations.canonical.parse_canonical(evidence.document)
    if as_json:
        show.document({"file": str(output), "manifest": document})
        return
    _tell(document, output)


@app.command(epilog="Example: secvault records export verify payroll.xlsx --key 'acme/...'")
def verify(
    context: typer.Context,  # noqa: ARG001 - needs no vault
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The exported file.")],
    key: evidence_files.KeyText,
    manifest: Annotated[
        Path | None, typer.Option(help="Its manifest; else the one beside it.")
    ] = None,
    note: Annotated[Path | None, typer.Option(help="Its note; else the one beside it.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Check that a file is, to the byte, what its signed manifest says; no vault is needed.

    Exit code 5 when file, manifest or signature was changed.
    """
    try:
        document = operations.export_manifest.verify_export(
            file,
            evidence_files.content_of(manifest or _beside(file, MANIFEST), "--manifest"),
            evidence_files.content_of(note or _beside(file, NOTE), "--note"),
            operations.note.NoteVerifier.from_vkey(key.strip()),
        )
    except OSError as error:
        raise InvalidInput.at("FILE", f"{file} cannot be read: {error.strerror}") from None
    if as_json:
        show.document({"genuine": True, "document": document})
        return
    who = document.get("exported_by")
    name = who.get("name") if isinstance(who, Mapping) else None
    show.out(
        f"the file is genuine: {document.get('records')} records of "
        f"{show.cell(document.get('collection'))}, exported by {show.cell(name)} at "
        f"{show.cell(document.get('finished_at'))}"
    )


def _format(said: str, output: Path) -> str:
    chosen = said or output.suffix.removeprefix(".").lower()
    if chosen not in _FORMATS:
        raise InvalidInput.at("--format", f"use one of {', '.join(_FORMATS)}")
    return chosen


def _written(export: Underway, output: Path, *, force: bool) -> SignedEvidence:
    """Write the file, then its manifest and note; none of them is there before it is whole."""
    places = (output, _beside(output, MANIFEST), _beside(output, NOTE))
    if not force:
        for place in places:
            if os.path.lexists(place):
                raise InvalidInput.at("--output", f"{place} is there already; say --force")
    with whole(places[0], "--output", force=force) as file:
        for part in export.parts():
            file.write(part)
        # Signed before the file has its name: a file without a manifest would be no export.
        evidence = export.finish()
        for place, content in zip(places[1:], (evidence.document, evidence.note), strict=True):
            with whole(place, "--output", force=force) as beside:
                beside.write(content)
    return evidence


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _tell(document: Any, output: Path) -> None:
    fields = document["fields"]
    shown = [name for name, how in fields.items() if how != "absent"]
    show.out(f"{document['records']} records of {document['collection']} are in {output}")
    told = document["deidentified"]
    if told is None:
        masked = [name for name in shown if "masked" in fields[name]]
        show.facts(
            {
                "in clear": [name for name in shown if name not in masked],
                "masked": masked,
                "not there": [name for name in fields if name not in shown],
            }
        )
    else:
        show.facts(
            {
                "people who are alike": f"{told['k_achieved']} or more (k = {told['k']})",
                "judged by": told["quasi_identifiers"],
                "records left out": told["records_left_out"],
                "not there": [name for name in fields if name not in shown],
            }
        )
    show.talk(f"Signed: {_beside(output, MANIFEST).name} and {_beside(output, NOTE).name}")

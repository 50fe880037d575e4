"""`secvault audit export`: a period of the log as an evidence package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.audit_filters import (
    ByActor,
    EndedSo,
    Moment,
    OfDepartment,
    OfKind,
    OfRequest,
    OnResource,
)
from secvault.cli.moment import micros_of
from secvault.cli.whole_file import whole
from secvault.errors import InvalidInput


def export(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The zip to write.")],
    since: Moment = "",
    until: Moment = "",
    kind: OfKind = "",
    ended: EndedSo = None,
    actor: ByActor = "",
    resource: OnResource = "",
    department: OfDepartment = "",
    request: OfRequest = "",
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="A table beside the exact bytes: csv, xlsx, parquet, ocsf or cef; more than once "
            "for more. Else csv.",
        ),
    ] = None,
    pseudonyms: Annotated[
        bool,
        typer.Option(
            "--pseudonyms", help="Call people by pseudonyms; proves how many entries there are."
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="With the access report on the period and department, PDF and Excel."
        ),
    ] = False,
    language: Annotated[
        list[str] | None,
        typer.Option(help="Of the report: en or vi; more than once for both. Else en."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write a period of the log with the proof that nothing in it was left out or added.

    Entries that answer are in the package to the byte, all others of the period by their hashes;
    its signed manifest says what was asked. Whoever has the log's public key checks it anywhere, by
    `secvault audit verify --export` or by the verify.py inside of it. Without a zone, times are
    UTC; --until is not included. The export is itself an event of the log.
    """
    if not force and os.path.lexists(out):
        raise InvalidInput.at("--out", f"{out} is there already; say --force")
    question = operations.query.Question(
        kind=kind,
        outcome=ended,
        actor=actor,
        resource=resource,
        department=department,
        request=request,
        since=micros_of(since, "--since"),
        until=micros_of(until, "--until"),
    )
    chosen = tuple(formats) if formats else operations.audit_export.USUAL_FORMATS
    reports = tuple(dict.fromkeys(language or ("en",))) if report else ()
    wanted = operations.audit_export.Wanted(question, chosen, pseudonyms, reports)
    with (
        opening.vault(context) as (service, caller),
        progress.of_count("Export the log") as so_far,
        operations.audit_export.export_log(service, caller, wanted) as package,
        whole(out, "--out", force=force) as file,
    ):
        for part in package.parts():
            file.write(part)
            so_far(package.done, package.to_do)
        signed = package.manifest
    document = operations.canonical.parse_canonical(signed.document)
    assert isinstance(document, dict)  # noqa: S101 - narrows: it was made a moment ago
    if as_json:
        show.document({"file": str(out), "manifest": document})
        return
    show.out(f"{document['events']} entries are in {out}")
    show.facts(
        {
            "others of the period, by their hashes": document["hidden"],
            "of a log with": document["size"],
            "pseudonymised": document["pseudonymised"],
        }
    )
    show.talk(f"To check it: secvault audit verify --export {out} --key VKEY, as `audit keys` has.")

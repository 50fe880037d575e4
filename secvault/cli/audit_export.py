"""`secvault audit export`: a period of the log as an evidence package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.moment import micros_of
from secvault.cli.whole_file import whole
from secvault.errors import InvalidInput

Ended = Literal["ok", "denied", "error", "intent", "unknown"]
_Moment = typer.Option(metavar="TIME", help="Such as 2026-11-03 or 2026-11-03T10:00:00+07:00.")


def export(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The zip to write.")],
    since: Annotated[str, _Moment] = "",
    until: Annotated[str, _Moment] = "",
    kind: Annotated[str, typer.Option(help="Only this kind, or all of `record.`.")] = "",
    ended: Annotated[Ended | None, typer.Option("--outcome", help="Only what ended so.")] = None,
    actor: Annotated[
        str, typer.Option(help="Only by this one, such as user:<id>, or `user:` for all people.")
    ] = "",
    resource: Annotated[
        str, typer.Option(help="Only this and what is below it, such as hr/employees.")
    ] = "",
    department: Annotated[str, typer.Option(help="Only of this department.")] = "",
    request: Annotated[str, typer.Option(help="Only what was done in this request.")] = "",
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
    wanted = operations.audit_export.Wanted(question, chosen, pseudonyms)
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

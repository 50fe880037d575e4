"""`secvault records report`: what is held on one person, for that person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

EXAMPLE = "Example: secvault records report nv-0042 --pdf nv-0042.pdf --language vi"


def report(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An employee's number.")],
    pdf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a PDF; - for stdout.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the PDF: en or vi.")] = "en",
    as_json: show.AsJson = False,
) -> None:
    """Show all that is held on a person, in every collection that you may report on.

    What your role sees masked stands masked in it. Each showing is on record.
    """
    if pdf is not None:
        with opening.vault(context) as (service, caller):
            made = operations.subject_report.report_pdf(service, caller, person, language)
        _write(pdf, made)
        return
    with opening.vault(context) as (service, caller):
        document = operations.subject_report.report(service, caller, person)
    if as_json:
        show.document(document)
        return
    _print(document)


def _print(document: dict[str, Any]) -> None:
    covers = ", ".join(one["collection"] for one in document["covers"])
    show.talk(f"Covers: {covers or 'no collection'}; other collections are not part of it.")
    if not document["sections"]:
        show.talk("Nothing is held on this person there.")
    for section in document["sections"]:
        for record in section["records"]:
            show.out(f"{section['collection']}/{show.cell(record['id'])}")
            show.facts({f"  {one['name']}": _value(one) for one in record["fields"]})
            for file in record["attachments"]:
                show.out(f"  attachment: {show.cell(file['name'])}, {show.size(file['size'])}")
            more = " and more" if record["more_reads"] else ""
            show.out(f"  seen {len(record['reads'])}{more} times, as far as the log names it")


def _value(field: dict[str, Any]) -> Any:
    if field["shown"] == "withheld":
        return f"withheld: {field['reason']}"
    value = field["value"]
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        value = f"{value['amount']} {value['currency']}"
    return f"{show.cell(value)}  (masked)" if field["shown"] == "masked" else value


def _write(file: Path, content: bytes) -> None:
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        file.touch(mode=0o600)
        file.write_bytes(content)
    except OSError as error:
        raise InvalidInput.at("--pdf", f"{file} cannot be written: {error.strerror}") from None
    show.out(str(file))

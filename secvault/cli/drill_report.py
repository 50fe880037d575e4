"""`secvault drill report`, `secvault drill verify`: evidence for people, and whether it is genuine.

Both take a drill of this vault, or files: on any machine, without a vault.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import evidence as evidence_files
from secvault.cli import opening, operations, show
from secvault.cli.whole_file import whole
from secvault.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secvault.backup.drills.stored import Drill
    from secvault.service.service import Service

REPORT = "Example: secvault drill report --format pdf --language vi"
VERIFY = "Example: secvault drill verify --document drill.json --key 'acme/...'"

_Id = Annotated[
    str | None, typer.Argument(metavar="ID", help="A drill of this vault, from its list.")
]
_Document = Annotated[Path | None, typer.Option(help="The evidence's .json file.")]
_Looked = 100
"""Drills among which the newest that ended is looked for."""


def report(
    context: typer.Context,
    drill_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="The drill; left out, the newest that ended.")
    ] = None,
    *,
    form: Annotated[str, typer.Option("--format", help="html or pdf.")] = "html",
    language: Annotated[str, typer.Option(help="en or vi.")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="To write; else named by the drill, here."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    document: _Document = None,
    note: evidence_files.NoteFile = None,
    key: evidence_files.KeyText = "",
    as_json: show.AsJson = False,
) -> None:
    """Write what a drill tested, what it did not, its figures and its verdict, for people.

    The signature is checked first. With --document and --key it is made from files, also of a
    scenario or a rehearsal of the recovery, and no vault is needed.
    """
    if document is not None:
        if drill_id is not None or not key:
            raise InvalidInput("give a drill's ID, or --document and --key together")
        verified, signed = _of_files(document, note, key)
        made = operations.drill_files.report_of(verified, signed, form, language)
    else:
        with opening.vault(context) as (service, caller):
            chosen = drill_id or _newest(operations.drills.list_drills(service, caller, _Looked))
            made = operations.drill_reports.read_report(service, caller, chosen, form, language)
    place = out or Path(made.name)
    if not force and os.path.lexists(place):
        raise InvalidInput.at("--out", f"{place} is there already; say --force")
    with whole(place, "--out", force=force) as file:
        file.write(made.content)
    if as_json:
        show.document({"file": str(place), "bytes": len(made.content)})
    else:
        show.out(str(place))


def verify(
    context: typer.Context,
    drill_id: _Id = None,
    *,
    document: _Document = None,
    note: evidence_files.NoteFile = None,
    key: evidence_files.KeyText = "",
    as_json: show.AsJson = False,
) -> None:
    """Check the signature on a drill's evidence: of this vault by id, or of files by a key.

    With --document and --key no vault is needed. Exit code 5 when the evidence was changed. So
    does `python3 verify.py FILE.json --key VKEY`, which lies beside it and needs Python alone.
    """
    if drill_id is not None and not (document or note or key):
        with opening.vault(context) as (service, caller):
            verified, _, _ = operations.drill_reports.read_evidence(service, caller, drill_id)
    elif document and key and drill_id is None:
        verified, _ = _of_files(document, note, key)
    else:
        raise InvalidInput("give a drill's ID, or --document and --key together")
    if as_json:
        show.document({"genuine": True, "document": verified})
    else:
        verdict = "passed" if verified.get("passed") else "did not pass"
        show.out(f"the evidence is genuine: {_named(verified)} {verdict}")


def files_of(service: Service, drill: Drill) -> dict[str, str]:
    """Where the files of a drill's evidence lie; none before it is done."""
    if drill.state != "done":
        return {}
    names = ("document", "note", "page_en", "page_vi")
    files = operations.drill_endings.evidence_files(service, drill.id)
    return {name: str(file) for name, file in zip(names, files, strict=True)}


def _of_files(document: Path, note: Path | None, key: str) -> tuple[dict[str, Any], bytes]:
    beside = note or document.with_suffix(".note")
    verified = evidence_files.verified((document, "--document"), (beside, "--note"), key)
    if verified.get("kind") not in operations.drill_evidence.KINDS:
        raise InvalidInput.at("--document", "is evidence, but not of a drill or a recovery")
    return verified, evidence_files.content_of(beside, "--note")


def _newest(drills: Sequence[Drill]) -> str:
    for one in drills:
        if one.state == "done":
            return one.id
    raise NotFound("there is no drill that ended; run `secvault drill run`")


def _named(verified: dict[str, Any]) -> str:
    number = show.cell(verified.get("id"))
    kind = verified["kind"]
    if kind == "restore-drill":
        return f"drill {number} of plan {show.cell(verified.get('plan'))}"
    if kind == "scenario-drill":
        return f"scenario drill {number} ({show.cell(verified.get('scenario'))})"
    if kind == "recovery-rehearsal":
        return f"rehearsal {number} of the recovery of {show.cell(verified.get('company'))}"
    return f"recovery {number} of {show.cell(verified.get('company'))}"

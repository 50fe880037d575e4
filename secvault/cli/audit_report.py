"""`secvault audit report`: the access report on a month, as PDF or Excel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.moment import micros_of
from secvault.cli.whole_file import whole
from secvault.errors import InvalidInput

_Moment = typer.Option(metavar="TIME", help="In place of --month, such as 2026-11-03.")


def report(
    context: typer.Context,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="To write: a .pdf or a .xlsx.")
    ],
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The month, by local time.")] = "",
    since: Annotated[str, _Moment] = "",
    until: Annotated[str, _Moment] = "",
    department: Annotated[
        str, typer.Option(help="Only data, exports, rights and approvals of this department.")
    ] = "",
    language: Annotated[str, typer.Option(help="en or vi.")] = "en",
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="With names of people, if you may see them.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write who saw what and how much, and what else auditors ask of a month.

    Sign-ins that failed, changes of rights with who approved them, emergencies, exports, keys,
    backups and drills, the health of the log, and what all that shows of the controls of ISO
    27001, SOC 2, PCI DSS and Vietnamese law. The whole log is verified on the way. That the report
    was made is itself on record, with its SHA-256.
    """
    if not force and os.path.lexists(out):
        raise InvalidInput.at("--out", f"{out} is there already; say --force")
    chosen = out.suffix.removeprefix(".").lower()
    if chosen not in operations.audit_reports.FORMATS:
        raise InvalidInput.at("--out", "must end in .pdf or .xlsx")
    if not (month or since or until):
        raise InvalidInput.at("--month", "say which month, such as 2026-10, or --since and --until")
    wanted = operations.audit_reports.WantedReport(
        month=month,
        since=micros_of(since, "--since"),
        until=micros_of(until, "--until"),
        department=department,
        languages=(language,),
        formats=(chosen,),
        names=names,
    )
    with (
        opening.vault(context) as (service, caller),
        progress.of_count("verifying") as so_far,
        whole(out, "--out", force=force) as file,
    ):
        (made,) = operations.audit_reports.make_report(service, caller, wanted, so_far)
        file.write(made.content)
    if as_json:
        show.document({"file": str(out), "sha256": made.digest, "bytes": len(made.content)})
        return
    show.out(str(out))
    show.facts({"SHA-256, as it stands in the log": made.digest})

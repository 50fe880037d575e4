"""`secvault audit`: read the log of everything that happened, and prove that it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import audit_personal, opening, operations, outcome, progress, show
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
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.audit.verify import AuditReport

app = typer.Typer(
    no_args_is_help=True, help="The audit log: read it, verify it, prove what is in it."
)

# How many problems a person is shown; `--json` has them all.
_SHOWN_PROBLEMS = 20
_SHOWN_STOPS = 5


@app.command(epilog="Example: secvault audit events --outcome denied --since 2026-11-01")
def events(
    context: typer.Context,
    *,
    kind: OfKind = "",
    ended: EndedSo = None,
    actor: ByActor = "",
    resource: OnResource = "",
    department: OfDepartment = "",
    request: OfRequest = "",
    decision: Annotated[str, typer.Option(help="Only what rests on this decision.")] = "",
    since: Moment = "",
    until: Moment = "",
    after: Annotated[
        int | None, typer.Option(help="Continue after this sequence number (older events).")
    ] = None,
    before: Annotated[
        int | None, typer.Option(help="Go back before this sequence number (newer events).")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 50,
    as_json: show.AsJson = False,
) -> None:
    """Show events, newest first. Times without a zone are UTC; --until is not included."""
    with opening.vault(context) as (service, caller):
        question = operations.query.Question(
            kind=kind,
            outcome=ended,
            actor=actor,
            resource=resource,
            department=department,
            request=request,
            decisions=(decision,) if decision else (),
            since=micros_of(since, "--since"),
            until=micros_of(until, "--until"),
        )
        page = operations.audit_log.read_events(service, caller, question, after, limit, before)
    if as_json:
        rows = [audit_personal.row_of(event, page) for event in page.events]
        show.document({"events": rows, "next": page.next, "previous": page.previous})
        return
    rows = [audit_personal.line_of(event, page) for event in page.events]
    columns = {
        "seq": "Seq",
        "time": "Time",
        "kind": "What",
        "outcome": "Outcome",
        "actor": "Who",
        "resource": "On",
        "detail": "Detail",
    }
    columns |= {
        name: title
        for name, title in {"name": "Name", "from": "From", "reason": "Reason"}.items()
        if any(row[name] for row in rows)
    }
    show.table(rows, columns, "No event fits.")
    if page.next is not None:
        show.talk(f"Older ones: the same with --after {page.next}")


@app.command(epilog="Example: secvault audit verify --copy /mnt/copy/secvault.db --key 'acme/...'")
def verify(
    context: typer.Context,
    copy: Annotated[
        Path | None, typer.Option(help="A copy of the SQLite database, instead of this vault.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A package of `audit export` or a folder of `audit tiles`, instead of this vault.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VKEY",
            help="With --copy or --export: the log's public key; all of them, the newest first.",
        ),
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(metavar="NOTE", help="With --export: an earlier checkpoint, kept elsewhere."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Recompute the whole log from its stored bytes and compare it with every checkpoint.

    Also with what was published of it, as far as that can be reached.

    With --copy or --export, and --key, no vault is needed: an auditor trusts the key alone. Exit
    code 5 when something was changed or is missing.
    """
    keys = [each.strip() for each in key or ()]
    if export is not None:
        _verify_export(export, copy, keys, earlier or [], as_json=as_json)
        return
    if copy is None and not keys:
        with opening.vault(context) as (service, caller), progress.of_count("verifying") as so_far:
            report = operations.audit_log.verify_log(service, caller, so_far)
    elif copy is not None and keys:
        if not copy.is_file():
            raise InvalidInput.at("--copy", f"{copy} is not a file")
        verifiers = [operations.note.NoteVerifier.from_vkey(each) for each in keys]
        with progress.of_count("verifying") as so_far:
            report = operations.audit_log.verify_copy(
                f"sqlite:///{copy.absolute()}", verifiers, so_far
            )
    else:
        raise InvalidInput.at("--key", "--copy or --export, and --key, go together")
    _print(report, as_json=as_json)
    if not report.ok:
        raise typer.Exit(outcome.DAMAGE.number)


@app.command(epilog="Example: secvault audit checkpoint --out /mnt/auditor/today.note")
def checkpoint(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="File to write the note to; else it goes to stdout.")
    ] = None,
) -> None:
    """Sign the log as it is now (a C2SP note). Keep it elsewhere: it proves any later change."""
    with opening.vault(context) as (service, caller):
        note = operations.audit_log.take_checkpoint(service, caller)
    if out is None:
        show.out(note.decode().rstrip("\n"))
        return
    try:
        out.write_bytes(note)
    except OSError as error:
        raise InvalidInput.at("--out", f"{out} cannot be written: {error.strerror}") from None
    show.talk(f"The checkpoint is in {out}.")


@app.command(epilog="Example: secvault audit keys --json")
def keys(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Print the public keys that verify the log's checkpoints and the evidence of drills."""
    with opening.vault(context) as (service, caller):
        public = operations.audit_log.public_keys(service, caller)
    values = {"audit": public.audit, "evidence": public.evidence}
    rows = [
        {
            "number": key.number,
            "key": key.vkey,
            "since": show.time(key.since),
            "until": show.time(key.until),
            "reason": key.reason,
        }
        for key in public.audit_keys
    ]
    if as_json:
        show.document({**values, "audit_keys": rows})
        return
    show.facts(values)
    if len(rows) > 1:
        show.out("keys of the log, the newest first:")
        for row in rows:
            until = f", beside its successor until {row['until']}" if row["until"] else ""
            why = f" (the log was put back: {row['reason']})" if row["reason"] else ""
            show.out(f"  {row['key']} since {row['since']}{until}{show.cell(why)}")


def _verify_export(
    place: Path, copy: Path | None, keys: list[str], earlier: list[Path], *, as_json: bool
) -> None:
    if copy is not None or not keys:
        raise InvalidInput.at("--export", "give --key beside it, and no --copy")
    for each in keys:
        operations.note.NoteVerifier.from_vkey(each)
    try:
        notes = [file.read_bytes() for file in earlier]
    except OSError as error:
        raise InvalidInput.at("--earlier", f"{error.filename}: {error.strerror}") from None
    found = operations.verify_export.verify(place, " ".join(keys), notes)
    whole = found["intact"] and found["complete"]
    if as_json:
        show.document({"ok": whole, **found})
    else:
        show.out("the exported log is whole" if whole else "THE EXPORTED LOG IS DAMAGED")
        bad = {} if found["first_bad"] is None else {"first bad event": found["first_bad"]}
        show.facts(
            {
                "events of the log": found["entries"],
                "unchanged": found["intact"],
                "nothing missing": found["complete"],
                **bad,
            }
        )
        for line in (*found["problems"][:_SHOWN_PROBLEMS], *found["notes"]):
            show.out(show.cell(line))
    if not whole:
        raise typer.Exit(outcome.DAMAGE.number)


def _print(report: AuditReport, *, as_json: bool) -> None:
    problems = [
        {"seq": one.seq, "what": one.what, "verdict": one.verdict, "kind": one.kind}
        for one in report.problems
    ]
    if as_json:
        values: dict[str, Any] = {
            "ok": report.ok,
            "intact": report.intact,
            "complete": report.complete,
            "size": report.size,
            "root": report.root.hex(),
            "checkpoints": report.checkpoints,
            "pending": report.pending,
            "archived": report.archived,
            "hashes_only": report.hashes_only,
            "first_bad_seq": report.first_bad_seq,
            "problem_count": report.problem_count,
            "problems": problems,
            "stops": [
                {
                    "start": show.time(stop.start),
                    "end": show.time(stop.end),
                    "seq": stop.seq,
                    "announced": stop.announced,
                }
                for stop in report.stops
            ],
            "unread": list(report.unread),
        }
        show.document(values)
        return
    show.out("the audit log is whole" if report.ok else "THE AUDIT LOG IS DAMAGED")
    show.facts(
        {
            "events": report.size,
            "root": report.root.hex(),
            "checkpoints checked": report.checkpoints,
            "unchanged": report.intact,
            "nothing missing": report.complete,
            **({"in archives": report.archived} if report.archived else {}),
            **({"of these by their hashes only": report.hashes_only} if report.hashes_only else {}),
            **({} if report.ok else {"first bad event": report.first_bad_seq}),
        }
    )
    for problem in problems[:_SHOWN_PROBLEMS]:
        where = "log" if problem["seq"] is None else f"event {problem['seq']}"
        show.out(f"{where}: {problem['kind']}: {show.cell(problem['what'])}")
    for stop in report.stops[-_SHOWN_STOPS:]:
        how = "stopped" if stop.announced else "ended without a word"
        span = f"{show.time(stop.start)} to {show.time(stop.end)}"
        show.out(f"no worker ran from {span}: it was {how}")
    for unread in report.unread:
        show.talk(f"not compared with the publication {show.cell(unread)}")
    if report.problem_count > _SHOWN_PROBLEMS:
        show.out(f"and {report.problem_count - _SHOWN_PROBLEMS} more; see --json")

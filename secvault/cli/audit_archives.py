"""`secvault audit archive`, `archives`, `hold`: old entries of the log, sealed and provable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show

if TYPE_CHECKING:
    from secvault.audit.archive_rows import Archive


def archive(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Move entries older than audit.retention.months into sealed archives, as the worker does.

    Each archive is read back and proven before anything leaves the store. Ctrl-C ends it cleanly.
    """
    with (
        opening.vault(context) as (service, caller),
        progress.of_count("archiving") as so_far,
        progress.cancellable() as asked,
    ):
        done = operations.audit_archives.archive_log(service, caller, so_far, asked.is_set)
    if as_json:
        rows = [_row(each) for each in done.archives]
        show.document({"archives": rows, "entries": done.entries, "removed": done.removed})
        return
    if not done.archives:
        show.out("nothing is old enough to be archived")
    for each in done.archives:
        show.out(f"entries {each.first} to {each.stop - 1} are in {each.name}")


def archives(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the archives of the log; `audit verify` reads and proves every one."""
    with opening.vault(context) as (service, caller):
        shelf = operations.audit_archives.list_archives(service, caller)
    rows = [_row(each) for each in shelf.archives]
    if as_json:
        show.document({"archives": rows, "live_from": shelf.live_from})
        return
    columns = {
        "first": "First",
        "last": "Last",
        "since": "Recorded from",
        "until": "To",
        "size": "Size",
        "keep_until": "Kept until",
        "name": "File",
    }
    lines = [{**row, "size": show.size(row["bytes"])} for row in rows]
    show.table(lines, columns, "No entry is archived; all are in the store.")
    if rows:
        show.talk(f"Entries from {shelf.live_from} on are in the store.")


def hold(
    context: typer.Context,
    *,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="Entries from then on stay; such as 2025-03-01 (UTC)."),
    ],
    reason: Annotated[str, typer.Option(help="Why; 1 to 500 characters.")],
    as_json: show.AsJson = False,
) -> None:
    """Forbid that entries from a moment on move to archives. Needs a second person (--ask).

    It is a legal hold: `secvault records holds` lists and lifts it.
    """
    kind = operations.hold_rows.HoldKind.LOG
    with opening.vault(context) as (service, caller):
        made = operations.holds.place(service, caller, kind, "", since, reason)
    if as_json:
        show.document({"id": made.id, "since": made.target, "reason": made.reason})
    else:
        show.out(f"held: the log from {made.target}; hold {made.id}")


def _row(archive: Archive) -> dict[str, Any]:
    return {
        "first": archive.first,
        "last": archive.stop - 1,
        "since": show.time(archive.first_t),
        "until": show.time(archive.last_t),
        "bytes": archive.bytes,
        "sha256": archive.digest.hex(),
        "made_at": show.time(archive.made_at),
        "keep_until": show.time(archive.keep_until),
        "name": archive.name,
    }

"""`secvault backup snapshots`, `ls`, `find` and `diff`: what there is to bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show

if TYPE_CHECKING:
    from secvault.backup.catalogue import Measure
    from secvault.backup.looking import Version
    from secvault.backup.restic import Entry
    from secvault.backup.restic_looking import Counted
    from secvault.service.backup_snapshots import Row

Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]
OfPlan = Annotated[
    str | None,
    typer.Option("--plan", help="The plan; may be left out when there is only one."),
]
Repository = Annotated[
    str, typer.Option(help="One of the plan's repositories, if not its own.", show_default=False)
]
Which = Annotated[str, typer.Option(help="latest, or a snapshot's id or its beginning.")]

_SNAPSHOTS = {
    "time": "Taken",
    "id": "Snapshot",
    "files": "Files",
    "size": "Size",
    "growth": "Grown",
    "added": "New",
    "run": "Run",
}
_ENTRIES = {"mode": "Mode", "size": "Size", "modified": "Modified", "name": "Name"}
_VERSIONS = {
    "path": "Path",
    "size": "Size",
    "modified": "Modified",
    "snapshots": "In",
    "newest_snapshot": "Newest",
    "oldest_snapshot": "Oldest",
}
_CHANGES = {"change": "", "path": "Path"}
_SHORT = 8


def snapshots(
    context: typer.Context,
    plan: Plan = None,
    repository: Repository = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the repository in any case.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure what all of them take together; minutes, where there are many.",
        ),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """List the plan's snapshots with their sizes and how they grow, newest last.

    From the catalogue, which asks the repository when something may have changed. While it does not
    answer, what is known is shown, and why.
    """
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable() as cancel,
        progress.of_count("Asking the repository"),
    ):
        named = opening.the_plan(service, plan)
        found = operations.backup_snapshots.list_snapshots(
            service,
            caller,
            named,
            repository=repository,
            refresh=refresh,
            measure=measure,
            cancel=cancel,
        )
    rows = [_snapshot(row) for row in found.rows]
    if as_json:
        show.document(
            {
                "plan": found.plan,
                "repository": found.repository,
                "as_of": show.time(found.as_of),
                "trouble": found.trouble,
                "snapshots": rows,
                "measures": [_measure(one) for one in found.measures],
            }
        )
        return
    shown = [{**row, **_sizes(row), "id": row["id"][:_SHORT]} for row in rows]
    show.table(shown, _SNAPSHOTS, f"{named} has no snapshot yet.")
    if found.trouble:
        show.talk(f"As of {show.time(found.as_of) or 'never'}: {found.trouble}")
    if found.measures:
        newest = found.measures[0]
        show.talk(
            f"Together: {show.size(newest.stored_bytes)} stored, "
            f"{show.size(newest.plain_bytes)} before compression, "
            f"measured {show.time(newest.measured_at)}"
        )


def ls(
    context: typer.Context,
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="The folder in the snapshot; absolute.")
    ] = "/",
    plan: OfPlan = None,
    snapshot: Which = "latest",
    repository: Repository = "",
    after: Annotated[str, typer.Option(help="Go on behind this name.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="How many, 1 to 10000.")] = 1_000,
    as_json: show.AsJson = False,
) -> None:
    """List what lies in a folder of a snapshot. Nothing is restored."""
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable() as cancel,
        progress.of_count("Asking the repository"),
    ):
        chosen, page = operations.backup_snapshots.list_folder(
            service,
            caller,
            opening.the_plan(service, plan),
            snapshot=snapshot,
            repository=repository,
            folder=folder,
            after=after,
            limit=limit,
            cancel=cancel,
        )
    rows = [_entry(one) for one in page.entries]
    if as_json:
        taken = {"snapshot": chosen.id, "time": show.time(chosen.taken_at)}
        show.document({**taken, "folder": page.folder, "entries": rows, "after": page.after})
        return
    shown = [{**row, "size": _size_of(row), "mode": f"{row['mode'] & 0o7777:04o}"} for row in rows]
    show.table(shown, _ENTRIES, f"Nothing lies in {page.folder} of {chosen.id[:_SHORT]}.")
    if page.after is not None:
        show.talk(f"There is more: go on with --after '{show.cell(page.after)}'")


def find(
    context: typer.Context,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN", help="A name with * and ?, or a whole path; whatever the case."
        ),
    ],
    plan: OfPlan = None,
    repository: Repository = "",
    snapshots: Annotated[
        int, typer.Option(help="In how many of the newest snapshots, 1 to 100.")
    ] = 10,
    limit: Annotated[int, typer.Option(help="How many at most, 1 to 5000.")] = 500,
    as_json: show.AsJson = False,
) -> None:
    """Look for a file or folder by its name in the newest snapshots; each version once."""
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable() as cancel,
        progress.of_count("Snapshots searched") as so_far,
    ):
        found = operations.backup_snapshots.find(
            service,
            caller,
            opening.the_plan(service, plan),
            pattern,
            repository=repository,
            snapshots=snapshots,
            limit=limit,
            on_snapshot=so_far,
            cancel=cancel,
        )
    rows = [_version(one) for one in found.versions]
    if as_json:
        searched = {"more": found.more, "snapshots_searched": found.looked_into}
        show.document({"versions": rows, **searched})
        return
    shown = [
        {
            **row,
            "size": _size_of(row),
            "newest_snapshot": row["newest_snapshot"][:_SHORT],
            "oldest_snapshot": row["oldest_snapshot"][:_SHORT],
        }
        for row in rows
    ]
    show.table(shown, _VERSIONS, f"In {found.looked_into} snapshots nothing has this name.")
    if found.more:
        show.talk("There is more: narrow the name, or raise --limit.")


def diff(
    context: typer.Context,
    plan: Plan = None,
    before: Annotated[
        str,
        typer.Option(
            help="The earlier snapshot; without it, the one before --after.", show_default=False
        ),
    ] = "",
    after: Annotated[str, typer.Option(help="The later snapshot.")] = "latest",
    repository: Repository = "",
    limit: Annotated[int, typer.Option(help="How many changes are named, 1 to 10000.")] = 1_000,
    as_json: show.AsJson = False,
) -> None:
    """Show how two snapshots differ: + added, - removed, M content, T type, ? bit rot."""
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable() as cancel,
        progress.of_count("Asking the repository"),
    ):
        found = operations.backup_snapshots.compare(
            service,
            caller,
            opening.the_plan(service, plan),
            before=before,
            after=after,
            repository=repository,
            limit=limit,
            cancel=cancel,
        )
    totals = found.difference.totals
    rows = [{"change": one.modifier, "path": one.path} for one in found.difference.changes]
    if as_json:
        show.document(
            {
                "before": found.before.id,
                "before_time": show.time(found.before.taken_at),
                "after": found.after.id,
                "after_time": show.time(found.after.taken_at),
                "changed_files": totals.changed_files,
                "added": _counted(totals.added),
                "removed": _counted(totals.removed),
                "changes": rows,
                "more": found.difference.more,
            }
        )
        return
    show.table(rows, _CHANGES, "Nothing differs.")
    if found.difference.more:
        show.talk("There are more changes: raise --limit.")
    show.talk(
        f"{found.before.id[:_SHORT]} of {show.time(found.before.taken_at)} to "
        f"{found.after.id[:_SHORT]} of {show.time(found.after.taken_at)}: "
        f"{totals.changed_files} files changed; "
        f"added {totals.added.files} files, {show.size(totals.added.bytes)}; "
        f"removed {totals.removed.files} files, {show.size(totals.removed.bytes)}"
    )


def _snapshot(row: Row) -> dict[str, Any]:
    one = row.snapshot
    return {
        "id": one.id,
        "repository": one.repository,
        "time": show.time(one.taken_at),
        "run": one.run or None,
        "host": one.host,
        "paths": list(one.paths),
        "tags": list(one.tags),
        "files": one.files,
        "bytes": one.bytes,
        "bytes_added": one.bytes_added,
        "grown": row.grown,
    }


def _sizes(row: dict[str, Any]) -> dict[str, str]:
    grown = row["grown"]
    sign = "-" if grown is not None and grown < 0 else "+"
    return {
        "size": show.size(row["bytes"]),
        "added": show.size(row["bytes_added"]),
        "growth": "-" if grown is None else f"{sign}{show.size(abs(grown))}",
    }


def _size_of(row: dict[str, Any]) -> str:
    return show.size(row["size"]) if row["type"] == "file" else str(row["type"])


def _measure(one: Measure) -> dict[str, Any]:
    return {
        "measured_at": show.time(one.measured_at),
        "snapshots": one.snapshots,
        "stored_bytes": one.stored_bytes,
        "plain_bytes": one.plain_bytes,
    }


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path,
        "type": one.type,
        "size": one.size,
        "mode": one.mode,
        "uid": one.uid,
        "gid": one.gid,
        "modified": show.time(operations.restic_looking.modified_micros(one)),
    }


def _version(one: Version) -> dict[str, Any]:
    return {
        "path": one.path,
        "type": one.type,
        "size": one.size,
        "modified": show.time(one.modified),
        "newest_snapshot": one.newest.id,
        "newest_time": show.time(one.newest.taken_at),
        "oldest_snapshot": one.oldest.id,
        "oldest_time": show.time(one.oldest.taken_at),
        "snapshots": one.snapshots,
    }


def _counted(one: Counted) -> dict[str, int]:
    return {"files": one.files, "folders": one.dirs, "others": one.others, "bytes": one.bytes}

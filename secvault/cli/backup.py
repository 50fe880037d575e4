"""`secvault backup`: take backups, see them, bring them back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import backup_repositories, opening, operations, progress, show

if TYPE_CHECKING:
    from secvault.backup.bucket import HeldByLock
    from secvault.backup.restic import ForgetReport, Snapshot
    from secvault.backup.retaining import Retained
    from secvault.backup.run import Run

app = typer.Typer(
    no_args_is_help=True,
    help="Backups: plan, run, runs, status, watch, cancel, list, snapshots, ls, find, diff, "
    "check, checks, forget, restore, restores, stop-restore, programs, rejoin, repository, bucket, "
    "copies, password.",
)
app.add_typer(backup_repositories.app, name="repository")

Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]


@app.command(epilog="Example: secvault backup run nightly")
def run(context: typer.Context, plan: Plan = None, as_json: show.AsJson = False) -> None:
    """Take a backup now, then apply the plan's retention. Ctrl-C stops it cleanly."""
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        with progress.cancellable() as cancel, progress.of_bytes(f"Backup {named}") as so_far:
            done, forgotten = operations.backups.run_backup(service, caller, named, so_far, cancel)
    retention = retention_of(forgotten)
    if as_json:
        show.document({**_run(done), "retention": retention})
        return
    show.facts(
        {
            "plan": done.plan,
            "repository": done.repository,
            "snapshot": done.snapshot,
            "saved": f"{done.files} files, {show.size(done.bytes)}",
            "new in the repository": show.size(done.bytes_added),
            "retention": retention_words(retention),
            **{
                f"retention in {name}": retention_words(one)
                for name, one in retention["copies"].items()
            },
        }
    )
    show.talk(f"Next, prove that it restores: secvault drill run {done.plan}")


@app.command("list", epilog="Example: secvault backup list --json")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest backups with what they saved; `runs` also shows what waits, and how far."""
    with opening.vault(context) as (service, caller):
        rows = [_run(one) for one in operations.backups.list_runs(service, caller, limit)]
    if not as_json:
        rows = [
            {**row, "snapshot": show.short_id(row["snapshot"]), "bytes": show.size(row["bytes"])}
            for row in rows
        ]
    columns = {
        "started_at": "Started",
        "plan": "Plan",
        "state": "State",
        "phase": "Phase",
        "snapshot": "Snapshot",
        "files": "Files",
        "bytes": "Size",
        "error": "Error",
    }
    show.listing(
        "runs",
        rows,
        columns,
        as_json=as_json,
        empty="There was no backup yet: run `secvault backup run`.",
    )


@app.command(epilog="Example: secvault backup rejoin data-keys/*.jsonl")
def rejoin(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="The data keys that were restored.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    without_deleted: Annotated[
        bool,
        typer.Option(
            "--without-deleted", help="Leave out records whose key is in none of the files."
        ),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Bring data keys back into a restored vault, without whoever was erased since.

    The settings name the restored vault. Until this is done it does not open. Name the newest data
    keys that there are: erasures after them are not known to it.
    """
    with opening.vault(context, apart=True) as (service, caller):
        done = operations.rejoining.rejoin(service, caller, files, without_deleted=without_deleted)
    values = {
        "known_until": show.time(done.taken_at),
        "data_keys": done.keys,
        "left_out_erased": done.erased,
        "left_out_deleted": done.left_out,
    }
    if as_json:
        show.document(values)
        return
    show.facts(
        {
            "data keys": done.keys,
            "left out, erased since": f"{done.erased} records",
            "left out, deleted since": f"{done.left_out} records",
            "erasures known until": values["known_until"],
        }
    )


@app.command(epilog="Example: secvault backup password nightly")
def password(
    context: typer.Context,
    plan: Plan = None,
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Of the repository where the data keys lie.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Show the password of the plan's repository, to keep with the seal key. It is audited.

    Without it, and without this machine, nobody can open the backup; without that of --data-keys
    nobody can open what is encrypted in it.
    """
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        access = operations.recovery.repository_access(service, caller, named, data_keys=data_keys)
    if as_json:
        show.document({"location": access.location, "password": access.password.text()})
        return
    show.out(access.password.text())
    show.talk(f"Opens {access.location} with restic. Keep it apart from it, with the seal key.")


@app.command(epilog="Example: secvault backup bucket nightly --days 30")
def bucket(
    context: typer.Context,
    plan: Plan = None,
    days: Annotated[
        int, typer.Option(help="How long backups should be safe from deletion, 1 to 36500.")
    ] = 30,
    as_json: show.AsJson = False,
) -> None:
    """Look at the plan's buckets: versions, Object Lock, and what is missing to protect backups.

    Exit code 1 when something is wrong.
    """
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        seen = operations.repository_access.buckets_of_plan(service, caller, named, days)
    backup_repositories.show_reports(seen, as_json=as_json)
    if any(one.findings for one in seen):
        raise typer.Exit(1)


@app.command(epilog="Example: secvault backup copies nightly")
def copies(
    context: typer.Context,
    plan: Plan = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest copies in the plan's further repositories, newest first."""
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        found = operations.backup_copies.list_copies(service, caller, named, limit)
    rows = [
        {
            "started_at": show.time(one.started_at),
            "finished_at": show.time(one.finished_at),
            "run": one.run,
            "repository": one.repository,
            "way": one.way,
            "state": one.state,
            "snapshot": one.snapshot if as_json else show.short_id(one.snapshot),
            "error": one.error,
        }
        for one in found
    ]
    columns = {
        "started_at": "Started",
        "repository": "Repository",
        "way": "By",
        "state": "State",
        "snapshot": "Snapshot",
        "error": "Error",
    }
    show.listing("copies", rows, columns, as_json=as_json, empty=f"{named} has no copy yet.")


def retention_of(retained: Retained) -> dict[str, Any]:
    """What retention came to, for programs."""
    extended = retained.extended
    return {
        **_forgotten(retained.forgotten, retained.held),
        "data_keys": _forgotten(retained.keys, retained.keys_held) if retained.keys else None,
        "locks_extended": extended.objects if extended else None,
        "locks_refused": extended.refused if extended else None,
        "copies": {name: retention_of(one) for name, one in retained.copies.items()},
    }


def _forgotten(report: ForgetReport, held: HeldByLock | None) -> dict[str, Any]:
    return {
        "kept": len(report.kept),
        "removed": [snapshot.id for snapshot in report.removed],
        "kept_by_storage": [snapshot.id for snapshot in report.refused],
        "not_deleted": list(report.refused_files),
        "pruned": report.pruned,
        "held_by_lock": {
            "objects": held.objects,
            "bytes": held.bytes,
            "until": held.until.isoformat() if held.until else None,
        }
        if held
        else None,
    }


def retention_words(retention: dict[str, Any]) -> str:
    """The same for a person."""
    data_keys = retention.get("data_keys")
    if data_keys is not None:
        rest = retention_words({**retention, "data_keys": None})
        return f"{rest}; data keys: {retention_words(data_keys)}"
    words = f"{retention['kept']} snapshots kept, {len(retention['removed'])} removed"
    refused, held = len(retention["not_deleted"]), retention["held_by_lock"]
    if refused:
        words += f", {refused} files that the storage does not delete"
    if held and held["objects"]:
        words += (
            f"; the bucket's lock keeps {held['objects']} deleted objects "
            f"({show.size(held['bytes'])}) until {held['until']}"
        )
    return words


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "plan": run.plan,
        "repository": run.repository,
        "state": run.state,
        "phase": run.phase,
        "requested_by": run.requested_by,
        "started_at": show.time(run.started_at),
        "finished_at": show.time(run.finished_at),
        "data_at": show.time(run.data_at),
        "snapshot": run.snapshot,
        "files": run.files,
        "bytes": run.bytes,
        "bytes_added": run.bytes_added,
        "error": run.error,
    }


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "time": show.time(snapshot.time_micros),
        "host": snapshot.hostname,
        "paths": list(snapshot.paths or ()),
        "tags": list(snapshot.tags or ()),
    }

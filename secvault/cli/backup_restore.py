"""`secvault backup restore`: all of a snapshot, or parts of it, to a place of their own or back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secvault.cli import backup_restore_words as words
from secvault.cli import opening, operations, progress, show
from secvault.cli.waiting import Waiting
from secvault.errors import InvalidInput, SecvaultError

if TYPE_CHECKING:
    from secvault.backup.restic import Progress
    from secvault.backup.restores.row import RestoreRun
    from secvault.service.backup_restores import Wanted
    from secvault.service.service import Service
    from secvault.service.spine import Caller


class RestoreFailed(SecvaultError):
    """A restore of the worker came to no good end."""

    code = "restore-failed"
    title = "Not everything was restored"


Plan = Annotated[
    str | None,
    typer.Argument(metavar="PLAN", help="The plan; may be left out when there is only one."),
]
RestoreId = Annotated[
    str, typer.Argument(metavar="RESTORE", help="Its id, as `backup restores` lists it.")
]


def restore(
    context: typer.Context,
    plan: Plan = None,
    *,
    target: Annotated[
        Path | None,
        typer.Option(help="A folder to restore into; for a whole snapshot a new or empty one."),
    ] = None,
    snapshot: Annotated[
        str, typer.Option(help="latest, or a snapshot's id or its beginning.")
    ] = "latest",
    path: Annotated[
        list[Path] | None,
        typer.Option(help="Only this file or folder, by its full path of then; may be repeated."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only this source of the plan, by its name; may be repeated."),
    ] = None,
    original: Annotated[
        bool,
        typer.Option(
            "--original", help="To where it came from, which another person has to approve."
        ),
    ] = False,
    into: Annotated[
        str | None,
        typer.Option(help="Load a source into this server, file or bucket of the settings."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="What is there already stays; the rest is restored.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="What is there already is replaced.")
    ] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NEW", help="Load only this database, by a new name; may be repeated."
        ),
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Also the database server's users and grants.")
    ] = False,
    no_owners: Annotated[
        bool, typer.Option("--no-owners", help="Tables belong to whoever loads (PostgreSQL).")
    ] = False,
    repository: Annotated[
        str | None, typer.Option(help="From this one of the plan's repositories; else its first.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what would be written, and what is in its way."),
    ] = False,
    by_worker: Annotated[
        bool, typer.Option("--worker", help="Let the running service do it; Ctrl-C looks away.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With --worker: show its progress.")
    ] = True,
    as_json: show.AsJson = False,
) -> None:
    """Bring a snapshot back, or parts of it, and check every file against its hash.

    With --target alone the whole snapshot is laid into an empty folder, secvault's own data keys
    beside it. With --path or --source it is those alone, into --target under their full paths, to
    where they came from (--original), or loaded into a declared place (--into). Everything is
    fetched and proven first; what is there already is never written over unless you say so. Exit
    code 5 when something is not as it was saved.
    """
    if keep and overwrite:
        raise InvalidInput.at("--keep", "what is there is kept or overwritten; say one of them")
    if target is None and not original and into is None and not (dry_run or by_worker):
        raise InvalidInput.at("--target", "say where: --target FOLDER, --original or --into NAME")
    with opening.vault(context) as (service, caller):
        named = opening.the_plan(service, plan)
        chosen = None if snapshot == "latest" else snapshot
        parts = any((path, source, original, into, keep, overwrite, rename, repository))
        if target is not None and not (parts or dry_run or by_worker):
            _whole(service, caller, named, chosen, target.absolute(), as_json=as_json)
            return
        wanted = operations.backup_restores.Wanted(
            plan=named,
            snapshot=chosen,
            repository=repository,
            sources=tuple(source or ()),
            paths=tuple(str(each.absolute()) for each in path or ()),
            original=original,
            folder=None if target is None else str(target.absolute()),
            into=into,
            existing="overwrite" if overwrite else "keep" if keep else "refuse",
            names=_names(rename or ()),
            accounts=accounts,
            owners=not no_owners,
        )
        if dry_run:
            _previewed(service, caller, wanted, anywhere=not by_worker, as_json=as_json)
        elif by_worker:
            _by_worker(service, caller, wanted, wait=wait, as_json=as_json)
        else:
            _here(service, caller, wanted, as_json=as_json)


def restores(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest restores by the worker, newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.backup_restores.list_restores(service, caller, limit)
    columns = {
        "requested_at": "Requested",
        "plan": "Plan",
        "state": "State",
        "phase": "Phase",
        "target": "To",
        "files_done": "Files",
        "error": "Error",
        "id": "Id",
    }
    empty = "There was none yet: secvault backup restore --worker"
    rows = [words.row(each) for each in found]
    show.listing("restores", rows, columns, as_json=as_json, empty=empty)


def stop_restore(context: typer.Context, restore: RestoreId) -> None:
    """Stop a restore of the worker. What is in place by then is whole, and stays."""
    with opening.vault(context) as (service, caller):
        stopped = operations.backup_restores.stop_restore(service, caller, restore)
    show.out(f"{stopped.id} stops")


def _whole(
    service: Service,
    caller: Caller,
    plan: str,
    snapshot: str | None,
    target: Path,
    *,
    as_json: bool,
) -> None:
    with progress.cancellable() as cancel, progress.of_bytes(f"Restore {plan}") as so_far:
        restored = operations.backups.restore(
            service, caller, plan, snapshot, target, so_far, cancel
        )
    words.say_whole(restored, target, as_json=as_json)


def _previewed(
    service: Service, caller: Caller, wanted: Wanted, *, anywhere: bool, as_json: bool
) -> None:
    with progress.cancellable() as cancel:
        seen = operations.backup_restores.preview_restore(
            service, caller, wanted, cancel, anywhere=anywhere
        )
    words.say_preview(seen, as_json=as_json)


def _here(service: Service, caller: Caller, wanted: Wanted, *, as_json: bool) -> None:
    with progress.cancellable() as cancel, progress.of_bytes(f"Restore {wanted.plan}") as so_far:

        def tell(_phase: str, now: Progress | None) -> None:
            if now is not None:
                so_far(now)

        done = operations.backup_restores.restore_parts(service, caller, wanted, tell, cancel)
    words.say_done(operations.backup_restores.result_of(done), as_json=as_json)


def _by_worker(
    service: Service, caller: Caller, wanted: Wanted, *, wait: bool, as_json: bool
) -> None:
    run = operations.backup_restores.request_restore(service, caller, wanted)
    if wait:
        run = _watched(service, caller, run)
    if as_json:
        show.document(words.row(run))
    elif run.state == "done" and run.result is not None:
        words.say_done(run.result, as_json=False)
    else:
        show.out(f"{run.id} is {run.state}" + (f": {run.error}" if run.error else ""))
    if wait and run.state == "failed":
        raise RestoreFailed(f"{run.id} failed: {run.error}")


def _watched(service: Service, caller: Caller, run: RestoreRun) -> RestoreRun:
    from secvault.backup.restic_answers import Progress as Now  # noqa: PLC0415 - not for --help

    with progress.of_bytes(f"Restore {run.plan}") as so_far:
        waiting = Waiting()

        def tell(now: RestoreRun) -> None:
            waiting.look(now.id, begun=now.state != "requested")
            so_far(
                Now(
                    phase="restore",
                    files_done=now.files_done,
                    bytes_done=now.bytes_done,
                    bytes_total=now.bytes_total,
                )
            )

        return operations.backup_restores.watch_restore(service, caller, run.id, tell)


def _names(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for one in given:
        name, equals, new = one.partition("=")
        if not equals or not name or not new or name in found:
            raise InvalidInput.at("--rename", "write it as NAME=NEW, each name once")
        found[name] = new
    return tuple(sorted(found.items()))

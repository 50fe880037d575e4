"""`secvault backup runs`, `watch` and `cancel`: what is under way, how far it is, and its end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.errors import BackupFailed, Cancelled

if TYPE_CHECKING:
    from secvault.cli.progress import BytesSoFar
    from secvault.service.backup_runs import Seen

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 10.0
"""So often a line is written where no bar can be drawn."""

_COLUMNS = {
    "started_at": "Started",
    "plan": "Plan",
    "state": "State",
    "phase": "Phase",
    "progress": "Progress",
    "snapshot": "Snapshot",
    "id": "Run",
    "error": "Error",
}

_OF_RUN = (
    "phase",
    "source",
    "bytes_done",
    "bytes_expected",
    "files_done",
    "files_expected",
    "rate",
    "seconds_left",
    "repository",
    "snapshot",
    "files",
    "bytes",
    "bytes_added",
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, from `secvault backup runs`.")]


def runs(
    context: typer.Context,
    plan: Annotated[str | None, typer.Option(help="Only those of this plan.")] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only requested, running, waiting, done, failed, cancelled or missed ones."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 500.")] = 20,
    as_json: show.AsJson = False,
) -> None:
    """List backup runs with how far they are: those that wait, those at work, those that ended.

    A run that is waiting failed for a reason that passes, and is tried again by itself.
    """
    with opening.vault(context) as (service, caller):
        found = operations.backup_runs.list_runs(service, caller, limit, plan, state)
    rows = [_row(one) for one in found]
    if not as_json:
        rows = [
            {**row, "progress": _words(row), "snapshot": show.short_id(row["snapshot"])}
            for row in rows
        ]
    empty = "There is no such run: take a backup with `secvault backup run`."
    show.listing("runs", rows, _COLUMNS, as_json=as_json, empty=empty)


def watch(context: typer.Context, run: RunId, as_json: show.AsJson = False) -> None:
    """Follow a run until it has ended. Ctrl-C ends the watching, and not the run.

    With --json one line for each change. Exit code 0 when the run is done, 1 when it is not.
    """
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable("Not watched any more; the run goes on.") as left,
        progress.of_bytes(run) as so_far,
    ):
        watched, seen = operations.backup_runs.watch(service, caller, run)
        teller = _Teller(so_far, as_json=as_json)
        teller.tell(seen, service.clock.monotonic())
        while not seen.ended and not left.wait(_LOOK_SECONDS):
            seen = watched.look()
            teller.tell(seen, service.clock.monotonic())
    if not seen.ended:
        raise typer.Exit(1)
    if not as_json:
        show.facts(_facts(seen))
    why = _row(seen)["error"] or f"the run is {seen.state}"
    if seen.state == "cancelled":
        raise Cancelled(why)
    if seen.state != "done":
        raise BackupFailed(why)


def cancel(context: typer.Context, run: RunId, as_json: show.AsJson = False) -> None:
    """End a run, a check or a drill, on whichever node it is worked on. What was saved is kept."""
    with opening.vault(context) as (service, caller):
        state = operations.backup_runs.cancel(service, caller, run)
    if as_json:
        show.document({"id": run, "state": state})
    elif state == "running":
        show.talk(f"Its process is told, and ends within seconds: secvault backup watch {run}")
    else:
        show.talk("It had not begun, and will not." if state == "missed" else "It has ended.")


class _Teller:
    """Shows what changed: on the bar, as lines of JSON, or as lines for a log."""

    def __init__(self, so_far: BytesSoFar, *, as_json: bool) -> None:
        self._so_far = so_far
        self._as_json = as_json
        self._told: dict[str, Any] = {}
        self._told_at = float("-inf")

    def tell(self, seen: Seen, now: float) -> None:
        """Show the run as it stands."""
        row = _row(seen)
        if row == self._told:
            return
        if self._as_json:
            show.out(json.dumps(row, ensure_ascii=False))
        elif sys.stderr.isatty():
            self._draw(row)
        elif row["phase"] != self._told.get("phase") or now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            show.talk(" ".join(filter(None, (row["state"], row["phase"], _words(row)))))
        self._told = row

    def _draw(self, row: dict[str, Any]) -> None:
        self._so_far(
            operations.restic_answers.Progress(
                "backup",
                row["files_done"] or 0,
                row["files_expected"],
                row["bytes_done"] or 0,
                row["bytes_expected"],
                row["seconds_left"],
            )
        )


def _row(seen: Seen) -> dict[str, Any]:
    run, job = seen.run, seen.job
    return {
        "id": seen.id,
        "plan": seen.plan,
        "state": seen.state,
        **{name: getattr(run, name, None) for name in _OF_RUN},
        "requested_by": run.requested_by if run else job.requested_by if job else None,
        "started_at": show.time(run.started_at if run else None),
        "finished_at": show.time(run.finished_at if run else job.finished_at if job else None),
        "cancel_by": run.cancel_by if run else None,
        "error": run.error if run else job.error if job else None,
        "steps": [
            {"name": one.name, "state": one.state, "attempts": one.attempts, "error": one.error}
            for one in seen.steps
        ],
    }


def _words(row: dict[str, Any]) -> str:
    """How far it is, in a few words; empty where that is not known."""
    if row["bytes_done"] is None:
        return ""
    words = show.size(row["bytes_done"])
    if row["bytes_expected"]:
        share = 100 * row["bytes_done"] // row["bytes_expected"]
        words += f" of {show.size(row['bytes_expected'])} ({share} %)"
    if row["rate"] is not None:
        words += f", {show.size(row['rate'])}/s"
    if row["seconds_left"] is not None:
        words += f", {show.duration(row['seconds_left'] * 1000)} left"
    return words


def _facts(seen: Seen) -> dict[str, Any]:
    row = _row(seen)
    facts = {name: row[name] for name in ("plan", "state", "repository", "snapshot")}
    if row["bytes"] is not None:
        facts["saved"] = f"{row['files']} files, {show.size(row['bytes'])}"
    for one in seen.steps:
        again = f", {one.attempts} attempts" if one.attempts > 1 else ""
        facts[f"step {one.name}"] = f"{one.state}{again}"
    return facts

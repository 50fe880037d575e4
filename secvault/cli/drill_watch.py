"""`secvault drill watch`: a drill that the worker, or another process, does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import drill_words, opening, operations, outcome, progress, show
from secvault.errors import BackupFailed, Cancelled

if TYPE_CHECKING:
    from secvault.backup.drills.stored import Drill

WATCH = "Example: secvault drill watch 019a0d3c5e7a7c11b0a5c2f0c3a1d2e4"
_LOOK_SECONDS = 1.0

_Id = Annotated[str, typer.Argument(metavar="ID", help="From `secvault drill list`.")]


def watch(context: typer.Context, drill_id: _Id, as_json: show.AsJson = False) -> None:
    """Follow a drill until it has ended. Ctrl-C ends the watching, and not the drill.

    With --json one line for each change. Exit code 5 when a level failed, 1 when it did not end.
    """
    verified: dict[str, Any] = {}
    with (
        opening.vault(context) as (service, caller),
        progress.cancellable("Not watched any more; the drill goes on.") as left,
    ):
        watched, seen = operations.drills.watch(service, caller, drill_id)
        told = _tell(seen, None, as_json=as_json)
        while not seen.ended and not left.wait(_LOOK_SECONDS):
            seen = watched.look()
            told = _tell(seen, told, as_json=as_json)
        if seen.state == "done":
            verified, _, _ = operations.drills.read_evidence(service, caller, drill_id)
    if not seen.ended:
        raise typer.Exit(1)
    if not as_json:
        drill_words.tell(seen, verified)
    why = seen.error or f"the drill is {seen.state}"
    if seen.state == "cancelled":
        raise Cancelled(why)
    if seen.state != "done":
        raise BackupFailed(why)
    if seen.passed is not True:
        raise typer.Exit(outcome.DAMAGE.number)


def _tell(seen: Drill, told: dict[str, Any] | None, *, as_json: bool) -> dict[str, Any]:
    """Show the drill where it stands otherwise than it was told; how it stands now."""
    now = drill_words.shown(seen)
    if now != told and as_json:
        show.out(json.dumps(now, ensure_ascii=False))
    elif told is None or (now["state"], now["phase"]) != (told["state"], told["phase"]):
        show.talk(f"{seen.state} {seen.phase}" if not seen.ended else seen.state)
    return now

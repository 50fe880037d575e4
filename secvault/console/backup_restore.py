"""A file or folder of a snapshot brought back: seen beforehand, asked for, watched, stopped.

It goes into a folder of its own below `<data>/restored`, or to where it came from, which another
person has to approve.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, Form, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.restores.order import Existing
from secvault.backup.restores.row import RestoreRun
from secvault.console.backups import PATH, PlanName, may
from secvault.console.figures import figures
from secvault.console.live import follow, stream_place
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.service import backup_restores
from secvault.service.backup_restores import Seen, Wanted
from secvault.service.known_names import known_names
from secvault.service.spine import Operation
from secvault.service.watching import Watch

router = Routes(include_in_schema=False)

LISTED = 50
_PARTS = {
    "state": "backups/restore_state.html",
    "progress": "backups/restore_progress.html",
    "asof": "live/asof.html",
    "end": "backups/restore_rest.html",
}

SnapshotId = Annotated[str, Path(pattern=r"^[0-9a-f]{8,64}$")]
RestoreId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,300}$")]
FilePath = Annotated[str, Query(min_length=2, max_length=4096, pattern=r"^/")]
PathField = Annotated[str, Form(min_length=2, max_length=4096, pattern=r"^/")]
RepositoryField = Annotated[str, Form(max_length=200)]
To = Literal["restored", "original"]


@router.get(PATH + "/restores")
@operation("it/backups", "backup.read")
def restores(request: Request, at: Visiting) -> Response:
    """The newest restores of all plans."""
    found = backup_restores.list_restores(at.service, at.caller, LISTED)
    return page(
        request,
        "backups/restores.html",
        visitor=at,
        restores=found,
        names=known_names(at.service, (one.requested_by for one in found)),
        now=at.service.clock.micros(),
        **figures(request),
    )


def watched(at: Visiting, restore: RestoreId) -> tuple[Watch[RestoreRun], RestoreRun]:
    """The restore, which the visitor may look at."""
    return backup_restores.watch(at.service, at.caller, restore)


Watched = Annotated[tuple[Watch[RestoreRun], RestoreRun], Depends(watched)]


@router.get(PATH + "/restores/{restore}")
@operation("it/backups", "backup.read", "backup.restore")
def restore_page(request: Request, at: Visiting, watched: Watched) -> Response:
    """How far a restore is, and what it came to; the page is told how it goes on."""
    _, found = watched
    return page(request, "backups/restore_run.html", **_showing(request, at, found)(found))


@router.get(
    PATH + "/restores/{restore}/live",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups", "backup.read", "backup.restore")
async def restore_live(
    request: Request, at: Visiting, watched: Watched
) -> AsyncIterator[ServerSentEvent]:
    """The parts of the restore's page, as they change."""
    watch, first = watched
    shown = await run_in_threadpool(_showing, request, at, first)
    async for event in follow(request, watch, first, lambda run: run.ended, shown, _PARTS):
        yield event


@router.post(PATH + "/restores/{restore}/stop")
@operation("it/backups/{plan}", "backup.restore")
def stop(at: Visiting, restore: RestoreId) -> Response:
    """Ask that a restore stop; what is in place by then is whole, and stays."""
    backup_restores.stop_restore(at.service, at.caller, restore)
    return elsewhere(_path(restore))


@router.get(PATH + "/{plan}/snapshots/{snapshot}/restore")
@operation("it/backups/{plan}", "backup.restore")
def form(
    request: Request,
    at: Visiting,
    plan: PlanName,
    snapshot: SnapshotId,
    path: FilePath,
    repository: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The form, for who may restore; nothing is looked up for it."""
    at.service.spine.decide(
        at.caller, Operation("backup.restore", "it", plan, f"it/backups/{plan}")
    )
    wanted = Wanted(plan, snapshot, repository or None, paths=(path,))
    return _form(request, at, wanted, "")


@router.post(PATH + "/{plan}/snapshots/{snapshot}/restore")
@operation("it/backups/{plan}", "backup.restore")
def restore(
    request: Request,
    at: Visiting,
    plan: PlanName,
    snapshot: SnapshotId,
    path: PathField,
    repository: RepositoryField = "",
    to: Annotated[To, Form()] = "restored",
    existing: Annotated[Existing, Form()] = "refuse",
    reason: Annotated[str, Form(max_length=200)] = "",
    step: Annotated[Literal["look", "restore"], Form()] = "restore",
) -> Response:
    """Look at what it would do, or ask the worker for it.

    reason: what the second person is told who is asked for the original place.
    """
    wanted = Wanted(
        plan,
        snapshot,
        repository or None,
        paths=(path,),
        original=to == "original",
        existing=existing,
    )
    if step == "look":
        seen = backup_restores.preview_restore(at.service, at.caller, wanted, NeverCancelled())
        return _form(request, at, wanted, reason, seen)
    if wanted.original and not reason.strip():
        return _form(request, at, wanted, reason, unsaid=True)
    asking = replace(at.caller, reason=reason.strip())
    done = backup_restores.request_restore(at.service, asking, wanted)
    return elsewhere(_path(done.id))


def _form(
    request: Request,
    at: Visitor,
    wanted: Wanted,
    reason: str,
    seen: Seen | None = None,
    *,
    unsaid: bool = False,
) -> Response:
    """The form with what was typed. unsaid: the reason is missing."""
    return page(
        request,
        "backups/restore.html",
        422 if unsaid else 200,
        visitor=at,
        wanted=wanted,
        path=wanted.paths[0],
        folder=wanted.paths[0].rpartition("/")[0] or "/",
        reason=reason,
        seen=seen,
        unsaid=unsaid,
        now=at.service.clock.micros(),
        **figures(request),
    )


def _showing(
    request: Request, at: Visitor, first: RestoreRun
) -> Callable[[RestoreRun], dict[str, Any]]:
    """What the templates show of the restore, whenever it is looked at."""
    fixed = {
        "visitor": at,
        "names": known_names(at.service, [first.requested_by]),
        "path": _path(first.id),
        **figures(request),
    }
    may_stop = may(at, "backup.restore", first.plan)

    def shown(found: RestoreRun) -> dict[str, Any]:
        return {
            **fixed,
            "restore": found,
            "ended": found.ended,
            "may_stop": may_stop and found.state in ("requested", "running"),
            "now": at.service.clock.micros(),
        }

    return shown


def _path(restore: str) -> str:
    return f"{PATH}/restores/{quote(restore, safe=':')}"

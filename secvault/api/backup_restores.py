"""Restores over HTTP: seen beforehand, asked for, watched, stopped; the worker does them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.following import event, follow, refusal, stream_place
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.restores.order import Existing
from secvault.backup.restores.row import RestoreRun, State
from secvault.clock import timestamp
from secvault.service import Service, backup_restores
from secvault.service.backup_restores import Seen, Wanted
from secvault.service.spine import Caller
from secvault.service.watching import Watch

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$", examples=["daily"])]
RestoreId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,300}$")]
Limit = Annotated[int, Query(ge=1, le=500)]
Watched = tuple[Watch[RestoreRun], RestoreRun]
Word = Annotated[str, Field(min_length=1, max_length=255)]
FilePath = Annotated[str, Field(min_length=2, max_length=4096, pattern=r"^/")]


class NewRestore(BaseModel):
    """What is restored, and to where: one of `original`, `folder` and `into`, or none of them.

    Without any it goes into a folder of its own below `<data>/restored`. Without `paths` and
    `sources` it is all that the snapshot holds, into a folder.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    snapshot: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{8,64}$",
        description="Its id or the beginning of it; without it, the newest.",
    )
    repository: Word | None = Field(None, description="One of the plan's; else its first.")
    paths: list[FilePath] = Field(
        default_factory=list,
        max_length=1000,
        description="Files and folders, by their full paths of then.",
        examples=[["/srv/share/contracts"]],
    )
    sources: list[Word] = Field(
        default_factory=list, max_length=1000, description="Sources of the plan, by their names."
    )
    original: bool = Field(
        default=False, description="To where it came from, which another person has to approve."
    )
    folder: FilePath | None = Field(
        None, description="A folder below one that is open for it (backup.restore_folders)."
    )
    into: Word | None = Field(
        None, description="A server, file or bucket of the settings (backup.restore_into)."
    )
    existing: Existing = Field(
        "refuse", description="What becomes of what is there: nothing is restored, or it stays, or "
        "it is replaced."
    )  # fmt: skip
    names: dict[Word, Word] = Field(
        default_factory=dict,
        max_length=1000,
        description="Databases of the one source to restore, each with the name that it gets.",
    )
    accounts: bool = Field(
        default=False, description="Also the database server's users, roles and grants."
    )
    owners: bool = Field(default=True, description="Whose the database's tables are (PostgreSQL).")

    def wanted(self, plan: str) -> Wanted:
        """The same for the operation."""
        given = self.model_dump(exclude={"paths", "sources", "names"})
        return Wanted(
            plan=plan,
            paths=tuple(self.paths),
            sources=tuple(self.sources),
            names=tuple(sorted(self.names.items())),
            **given,
        )


class RoomAnswer(BaseModel):
    """A file system that is written to, in bytes. `folder`: one in it."""

    folder: str
    needed: int
    free: int


class MeetsAnswer(BaseModel):
    """A database or the like. `there`: something has the name; `empty`: with nothing to lose."""

    name: str
    gets: str
    place: str
    there: bool
    empty: bool


class LoadAnswer(BaseModel):
    """A source that would be loaded into a server, a file or a bucket."""

    source: str
    kind: str
    target: str
    bytes: int
    meets: list[MeetsAnswer]


class PreviewAnswer(BaseModel):
    """What a restore would do. The lists are the first 200; the numbers count all.

    `existing`: files that are there already; `blocked`: a folder is where a file belongs, or the
    other way round; `missing`: paths that the snapshot does not hold.
    """

    snapshot: str
    taken: str
    target: str
    needs_approval: bool
    files: int
    folders: int
    bytes: int
    new: int
    existing: int
    existing_first: list[str]
    blocked: int
    blocked_first: list[str]
    missing: list[str]
    loads: list[LoadAnswer]
    rooms: list[RoomAnswer]
    enough_room: bool


class RestoreAnswer(BaseModel):
    """A restore. `result`: what it came to, once it is done."""

    id: str
    plan: str
    snapshot: str
    target: str
    production: bool
    state: State
    phase: str
    requested_by: str
    requested_at: str
    finished_at: str | None
    files_done: int
    bytes_done: int
    bytes_total: int | None
    result: dict[str, Any] | None
    error: str | None


class RestoreList(BaseModel):
    """Restores, newest first."""

    restores: list[RestoreAnswer]


@router.post("/backups/plans/{plan}/restores/preview")
@operation("it/backups/{plan}", "backup.restore")
def restore_preview(at: Authenticated, plan: PlanName, body: NewRestore) -> PreviewAnswer:
    """What a restore would write, what is in its way, and whether there is room; nothing else."""
    service, who = at
    seen = backup_restores.preview_restore(service, who, body.wanted(plan), NeverCancelled())
    return _preview(seen)


@router.post("/backups/plans/{plan}/restores", status_code=202)
@operation("it/backups/{plan}", "backup.restore")
def restore_request(at: Authenticated, plan: PlanName, body: NewRestore) -> RestoreAnswer:
    """Ask the worker to restore. To the original place another person has to approve it first."""
    service, who = at
    return _answer(backup_restores.request_restore(service, who, body.wanted(plan)))


@router.get("/backups/restores")
@operation("it/backups", "backup.read")
def restore_list(at: Authenticated, limit: Limit = 50) -> RestoreList:
    """The newest restores of all plans."""
    service, who = at
    found = backup_restores.list_restores(service, who, limit)
    return RestoreList(restores=[_answer(each) for each in found])


@router.get("/backups/restores/{restore}")
@operation("it/backups", "backup.read")
def restore_read(at: Authenticated, restore: RestoreId) -> RestoreAnswer:
    """How far a restore is, and what it came to."""
    service, who = at
    return _answer(backup_restores.read_restore(service, who, restore))


def watched(at: Authenticated, restore: RestoreId) -> Watched:
    """The restore, which the caller may look at; what is wrong is an answer of its own."""
    service, who = at
    return backup_restores.watch(service, who, restore)


@router.get(
    "/backups/restores/{restore}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(stream_place)],
)
@operation("it/backups", "backup.read")
async def restore_watch(
    request: Request, seen: Annotated[Watched, Depends(watched)]
) -> AsyncIterator[ServerSentEvent]:
    """Follow a restore by server-sent events, as a backup run is followed."""
    watch, first = seen
    async for one in follow(request, first, watch.look, lambda run: run.ended, _told, refusal):
        yield one


@router.delete("/backups/restores/{restore}", status_code=202)
@operation("it/backups/{plan}", "backup.restore")
def restore_stop(at: Authenticated, restore: RestoreId) -> RestoreAnswer:
    """Ask that a restore stop; what is in place by then is whole, and stays."""
    service, who = at
    return _answer(backup_restores.stop_restore(service, who, restore))


def _told(run: RestoreRun) -> Mapping[str, ServerSentEvent]:
    return event("end" if run.ended else "progress", _answer(run))


def _preview(seen: Seen) -> PreviewAnswer:
    found = seen.preview
    return PreviewAnswer(
        snapshot=seen.snapshot.id,
        taken=timestamp(seen.snapshot.time_micros),
        target=seen.target,
        needs_approval=seen.production,
        files=found.files,
        folders=found.folders,
        bytes=found.bytes,
        new=found.new,
        existing=found.existing,
        existing_first=found.existing_first,
        blocked=found.blocked,
        blocked_first=found.blocked_first,
        missing=found.missing,
        loads=[
            LoadAnswer(
                source=one.source,
                kind=one.kind,
                target=one.target,
                bytes=one.bytes,
                meets=[
                    MeetsAnswer(
                        name=each.name,
                        gets=each.into,
                        place=each.place,
                        there=each.there,
                        empty=each.empty,
                    )
                    for each in one.meets
                ],
            )
            for one in found.loads
        ],
        rooms=[
            RoomAnswer(folder=str(one.path), needed=one.needed, free=one.free)
            for one in found.rooms
        ],
        enough_room=found.enough_room,
    )


def _answer(run: RestoreRun) -> RestoreAnswer:
    finished = None if run.finished_at is None else timestamp(run.finished_at)
    times = {"requested_at": timestamp(run.requested_at), "finished_at": finished}
    return RestoreAnswer(**{**vars(run), **times})

"""Runs of retention over HTTP: proposed, looked at, begun with an approval; the worker erases."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.records.retention_run import Item
from secvault.service import Service
from secvault.service.erasing import retention_runs
from secvault.service.erasing.retention_runs import RunView
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["retention"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RunId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Limit = Annotated[int, Query(ge=1, le=retention_runs.LARGEST_PAGE)]


class NewRetentionRun(BaseModel):
    """Which collections are looked through."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collections: list[Annotated[str, Field(max_length=63)]] | None = Field(
        None, max_length=200, description="null for all that state a period."
    )


class RetentionRunAnswer(BaseModel):
    """A run. collections: how many records of each are in each state. erasure: its evidence."""

    id: str
    state: str = Field(description="proposed, erasing, done or dropped.")
    proposed_by: str
    proposed_at: str
    digest: str = Field(description="SHA-256 over the list: what is approved is this list.")
    records: int
    damaged: int
    approved_by: str | None
    approved_at: str | None
    finished_at: str | None
    erasure: str | None
    collections: dict[str, dict[str, int]]


class Proposed(BaseModel):
    """What is due; null when nothing is."""

    run: RetentionRunAnswer | None


class RetentionRunList(BaseModel):
    """The newest runs, newest first."""

    runs: list[RetentionRunAnswer]


class RetentionItem(BaseModel):
    """A record on the list: since when it is kept, when it is due, and what became of it."""

    collection: str
    id: str
    since: str
    due: str
    period: str
    state: str = Field(description="due, held, erased, kept, gone or damaged.")
    key_destroyed: bool | None


class RetentionItems(BaseModel):
    """A page of the list; `next` continues, null at the end."""

    run: RetentionRunAnswer
    items: list[RetentionItem]
    next: str | None


@router.post("/retention-runs", status_code=201)
@operation("it/retention", "retention.propose")
def retention_propose(at: Authenticated, asked: Annotated[NewRetentionRun, Body()]) -> Proposed:
    """List what is due today. Nothing is erased by this."""
    service, who = at
    view = retention_runs.propose(service, who, asked.collections)
    return Proposed(run=None if view is None else _run(view))


@router.get("/retention-runs")
@operation("it/retention", "retention.read")
def retention_list(at: Authenticated, limit: Limit = 50) -> RetentionRunList:
    """The newest runs."""
    service, who = at
    found = retention_runs.list_runs(service, who, limit)
    return RetentionRunList(runs=[_run(view) for view in found])


@router.get("/retention-runs/{run}")
@operation("it/retention", "retention.read")
def retention_read(
    at: Authenticated,
    run: RunId,
    after: Annotated[str, Query(max_length=130, description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> RetentionItems:
    """A run and a page of its list."""
    service, who = at
    collection, _, record = after.partition("/")
    view, items = retention_runs.read_run(service, who, run, (collection, record), limit)
    following = f"{items[-1].collection}/{items[-1].id}" if len(items) == limit else None
    return RetentionItems(run=_run(view), items=[_item(one) for one in items], next=following)


@router.post("/retention-runs/{run}/start", status_code=202)
@operation("it/retention", "retention.run")
def retention_start(at: Authenticated, run: RunId) -> RetentionRunAnswer:
    """Have the worker erase exactly this list. Needs a second person's approval."""
    service, who = at
    return _run(retention_runs.begin(service, who, run, by_worker=True))


@router.delete("/retention-runs/{run}")
@operation("it/retention", "retention.propose")
def retention_drop(at: Authenticated, run: RunId) -> RetentionRunAnswer:
    """Put a proposed list away; nothing is erased."""
    service, who = at
    return _run(retention_runs.drop(service, who, run))


def _run(view: RunView) -> RetentionRunAnswer:
    one = view.run
    by_collection: dict[str, dict[str, int]] = {}
    for (collection, state), count in sorted(view.counts.items()):
        by_collection.setdefault(collection, {})[state] = count
    return RetentionRunAnswer(
        id=one.id,
        state=one.state,
        proposed_by=one.proposed_by,
        proposed_at=timestamp(one.proposed_at),
        digest=one.digest,
        records=one.records,
        damaged=one.damaged,
        approved_by=one.approved_by,
        approved_at=_time(one.approved_at),
        finished_at=_time(one.finished_at),
        erasure=one.erasure,
        collections=by_collection,
    )


def _item(one: Item) -> RetentionItem:
    return RetentionItem(
        collection=one.collection,
        id=one.id,
        since=one.since,
        due=one.due,
        period=one.period,
        state=one.state,
        key_destroyed=None if one.keys is None else bool(one.keys),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

"""Re-wrapping over HTTP: asked for, watched, stopped; the worker does it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.errors import InvalidInput
from secvault.records.rewrap_run import RewrapRun, State
from secvault.service import Service, rewrap_runs
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["keys"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,300}$")]
Limit = Annotated[int, Query(ge=1, le=500)]


class NewRewrap(BaseModel):
    """Whose data keys are re-wrapped: those of one collection, or of all."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collection: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["payroll"])
    all: bool = Field(default=False, description="Of all collections, without `collection`.")
    rotate: bool = Field(default=False, description="First add a version to the collection's key.")


class RewrapAnswer(BaseModel):
    """A run. `remaining`: data keys under older versions, null before it has begun."""

    id: str
    collection: str
    state: State
    requested_by: str
    requested_at: str
    finished_at: str | None
    version: int | None
    rewrapped: int
    remaining: int | None
    damaged: int
    error: str | None


class RewrapList(BaseModel):
    """Runs, newest first."""

    rewraps: list[RewrapAnswer]


@router.post("/keys/rewraps", status_code=202)
@operation("{department}/records/{collection}", "key.rewrap", "key.rotate")
def rewrap_request(at: Authenticated, body: NewRewrap) -> RewrapList:
    """Ask the worker to put data keys under the latest version of their collection's key."""
    service, who = at
    if (body.collection is None) != body.all:
        raise InvalidInput.at("collection", "name one, or say all = true")
    chosen = None if body.collection is None else (body.collection,)
    return _list(rewrap_runs.request_rewrapping(service, who, chosen, rotate=body.rotate))


@router.get("/keys/rewraps")
@operation("{department}/records", "key.list")
def rewrap_list(at: Authenticated, limit: Limit = 50) -> RewrapList:
    """The newest runs."""
    service, who = at
    return _list(rewrap_runs.list_runs(service, who, limit))


@router.get("/keys/rewraps/{run}")
@operation("{department}/records/{collection}", "key.read")
def rewrap_read(at: Authenticated, run: RunId) -> RewrapAnswer:
    """How far a run is."""
    service, who = at
    return _answer(rewrap_runs.read_run(service, who, run))


@router.delete("/keys/rewraps/{run}", status_code=202)
@operation("{department}/records/{collection}", "key.rewrap")
def rewrap_stop(at: Authenticated, run: RunId) -> RewrapAnswer:
    """Ask that a run stop after its present batch; what is re-wrapped stays so."""
    service, who = at
    return _answer(rewrap_runs.stop_run(service, who, run))


def _list(runs: tuple[RewrapRun, ...]) -> RewrapList:
    return RewrapList(rewraps=[_answer(each) for each in runs])


def _answer(run: RewrapRun) -> RewrapAnswer:
    finished = None if run.finished_at is None else timestamp(run.finished_at)
    times = {"requested_at": timestamp(run.requested_at), "finished_at": finished}
    return RewrapAnswer(**{**vars(run), **times})

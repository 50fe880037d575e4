"""Migrating records to the present schema over HTTP: asked for, watched, stopped."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.records.rewrap_run import State
from secvault.records.schema_migration_run import MigrationRun
from secvault.service import Service, schema_migration_runs
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,300}$")]
Limit = Annotated[int, Query(ge=1, le=500)]


class NewMigration(BaseModel):
    """Whose records are brought to the present schema."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collection: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["payroll"])


class MigrationAnswer(BaseModel):
    """A run. `version`: of the schema. `remaining`: records that are stored as an older one says,
    null before it has begun.
    """

    id: str
    collection: str
    state: State
    requested_by: str
    requested_at: str
    finished_at: str | None
    version: int | None
    migrated: int
    remaining: int | None
    damaged: int
    error: str | None


class MigrationList(BaseModel):
    """Runs, newest first."""

    migrations: list[MigrationAnswer]


@router.post("/migrations", status_code=202)
@operation("{department}/{collection}", "schema.migrate")
def migration_request(at: Authenticated, body: NewMigration) -> MigrationAnswer:
    """Ask the worker to store a collection's records as its present schema says."""
    service, who = at
    return _answer(schema_migration_runs.request_migration(service, who, body.collection))


@router.get("/migrations")
@operation("{department}/{collection}", "schema.read")
def migration_list(at: Authenticated, limit: Limit = 50) -> MigrationList:
    """The newest runs."""
    service, who = at
    runs = schema_migration_runs.list_runs(service, who, limit)
    return MigrationList(migrations=[_answer(each) for each in runs])


@router.get("/migrations/{run}")
@operation("{department}/{collection}", "schema.read")
def migration_read(at: Authenticated, run: RunId) -> MigrationAnswer:
    """How far a run is."""
    service, who = at
    return _answer(schema_migration_runs.read_run(service, who, run))


@router.delete("/migrations/{run}", status_code=202)
@operation("{department}/{collection}", "schema.migrate")
def migration_stop(at: Authenticated, run: RunId) -> MigrationAnswer:
    """Ask that a run stop after its present batch; what is migrated stays so."""
    service, who = at
    return _answer(schema_migration_runs.stop_run(service, who, run))


def _answer(run: MigrationRun) -> MigrationAnswer:
    finished = None if run.finished_at is None else timestamp(run.finished_at)
    times = {"requested_at": timestamp(run.requested_at), "finished_at": finished}
    return MigrationAnswer(**{**vars(run), **times})

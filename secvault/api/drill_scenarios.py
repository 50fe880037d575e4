"""Scenario drills over HTTP: asked for, which the worker plays; listed; their evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel

from secvault.api.backups import Limit, PlanName, Requested
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.drills import DrillId, Evidence
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.config.drills import ScenarioName
from secvault.service import Service, drill_scenarios
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Scenario = Annotated[ScenarioName, Path(examples=["bucket-lost"])]


class ScenarioAnswer(BaseModel):
    """A scenario drill; the recovery time in seconds."""

    id: str
    scenario: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: str
    finished_at: str | None
    passed: bool | None
    rto_seconds: int | None
    error: str | None


class ScenarioList(BaseModel):
    """The newest scenario drills, newest first."""

    scenarios: list[ScenarioAnswer]


@router.get("/scenario-drills")
@operation("it/backups", "drill.read")
def scenario_list(at: Authenticated, limit: Limit = 50) -> ScenarioList:
    """The newest scenario drills of all plans."""
    service, who = at
    return ScenarioList(
        scenarios=[
            ScenarioAnswer(
                id=one.id,
                scenario=one.scenario,
                plan=one.plan,
                state=one.state,
                phase=one.phase,
                requested_by=one.requested_by,
                started_at=timestamp(one.started_at),
                finished_at=None if one.finished_at is None else timestamp(one.finished_at),
                passed=one.passed,
                rto_seconds=one.rto_seconds,
                error=one.error,
            )
            for one in drill_scenarios.list_scenarios(service, who, limit)
        ]
    )


@router.post("/backups/plans/{plan}/scenarios/{scenario}", status_code=202)
@operation("it/backups/{plan}", "drill.run")
def scenario_request(at: Authenticated, plan: PlanName, scenario: Scenario) -> Requested:
    """Ask the worker to play a loss through; nothing of production is touched."""
    service, who = at
    return Requested(id=drill_scenarios.request_scenario(service, who, scenario, plan))


@router.get("/scenario-drills/{drill}/evidence")
@operation("it/backups", "drill.read")
def scenario_evidence(at: Authenticated, drill: DrillId) -> Evidence:
    """The signed evidence of a scenario drill."""
    service, who = at
    signed = drill_scenarios.read_scenario(service, who, drill).signed
    return Evidence(document=signed.document.decode(), note=signed.note.decode())

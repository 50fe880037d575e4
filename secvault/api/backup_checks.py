"""Checks of repositories over HTTP, and retention on demand."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel

from secvault.api.backups import Limit, PlanName, Requested
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, backup_checks, backup_runs
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class CheckedRepository(BaseModel):
    """What a check came to in one repository. read: structure, all, or parts as 3/12,4/12."""

    repository: str
    checked_at: str
    passed: bool
    read: str
    damaged: list[str]
    notes: list[str]


class CheckAnswer(BaseModel):
    """A check; passed is null while a repository was not looked at."""

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: str
    finished_at: str | None
    passed: bool | None
    error: str | None
    repositories: list[CheckedRepository]


class CheckList(BaseModel):
    """The newest checks, newest first."""

    checks: list[CheckAnswer]


@router.get("/backups/checks")
@operation("it/backups", "backup.read")
def check_list(
    at: Authenticated,
    limit: Limit = 50,
    plan: Annotated[str | None, Query(max_length=127)] = None,
) -> CheckList:
    """The newest checks of repositories, of all plans or of one."""
    service, who = at
    return CheckList(
        checks=[
            CheckAnswer(
                id=check.id,
                plan=check.plan,
                state=check.state,
                phase=check.phase,
                requested_by=check.requested_by,
                started_at=timestamp(check.started_at),
                finished_at=None if check.finished_at is None else timestamp(check.finished_at),
                passed=check.passed,
                error=check.error,
                repositories=[
                    CheckedRepository(
                        repository=one.repository,
                        checked_at=timestamp(one.checked_at),
                        passed=one.passed,
                        read=one.read,
                        damaged=list(one.damaged),
                        notes=list(one.hints),
                    )
                    for one in check.repositories
                ],
            )
            for check in backup_checks.list_checks(service, who, limit, plan)
        ]
    )


@router.post("/backups/plans/{plan}/checks", status_code=202)
@operation("it/backups/{plan}", "backup.check")
def check_request(at: Authenticated, plan: PlanName) -> Requested:
    """Ask the worker to check the plan's repositories."""
    service, who = at
    return Requested(id=backup_checks.request_check(service, who, plan))


@router.post("/backups/plans/{plan}/retention", status_code=202)
@operation("it/backups/{plan}", "backup.forget")
def retention_request(at: Authenticated, plan: PlanName) -> Requested:
    """Ask the worker to apply the plan's retention, and to prune what nobody needs any more."""
    service, who = at
    return Requested(id=backup_runs.request_forget(service, who, plan))

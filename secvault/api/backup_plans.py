"""Backup plans over HTTP: those of the store are made, changed, paused and removed here."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic import JsonValue as AnyJson

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.version import IfMatch, tag_of, version_of
from secvault.clock import timestamp
from secvault.service import Service, backup_plans
from secvault.service.plan_views import PlanView
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/backups/plans", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
PlanName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$", examples=["daily"])]
PlanValues = Annotated[
    dict[str, AnyJson],
    Field(
        description="As the table [backup.plans.<name>] of config.example.toml has them.",
        examples=[{"vault": False, "folders": ["/srv/files"], "schedule": "0 2 * * *"}],
    ),
]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewPlan(_Given):
    """A plan to make."""

    name: str = Field(max_length=63)
    settings: PlanValues


class PlanChange(_Given):
    """All settings of a plan from now on."""

    settings: PlanValues


class PlanAnswer(BaseModel):
    """A backup plan."""

    name: str
    declared: bool = Field(description="By the settings' file, where alone it is changed.")
    state: Literal["active", "paused", "not-allowed", "shadowed"]
    fault: str = Field(description="Why it is not allowed by the settings of now; else empty.")
    settings: dict[str, AnyJson] = Field(description="Without secrets.")
    secrets: list[str] = Field(description="The settings that are secret and given.")
    version: int = Field(description="Also as ETag, for If-Match; 0 of a declared one.")
    paused_at: str | None
    made_by: str
    made_at: str | None
    changed_by: str
    changed_at: str | None
    due: dict[str, str] = Field(description="When what is due next: backup, check, drill.")


class PlanList(BaseModel):
    """Every plan, by name."""

    plans: list[PlanAnswer]


@router.get("")
@operation("it/backups", "backup.read")
def plan_list(at: Authenticated) -> PlanList:
    """The backup plans, of the settings and of the store."""
    service, who = at
    return PlanList(plans=[_answer(one) for one in backup_plans.list_plans(service, who)])


@router.post("", status_code=201)
@operation("it/backups", "plan.add")
def plan_add(at: Authenticated, new: Annotated[NewPlan, Body()], response: Response) -> PlanAnswer:
    """Make a backup plan; the worker knows it at once."""
    service, who = at
    view = backup_plans.add_plan(service, who, new.name, new.settings)
    return _tagged(view, response)


@router.get("/{plan}")
@operation("it/backups/{plan}", "backup.read")
def plan_read(at: Authenticated, plan: PlanName, response: Response) -> PlanAnswer:
    """One backup plan."""
    service, who = at
    return _tagged(backup_plans.read_plan(service, who, plan), response)


@router.put("/{plan}")
@operation("it/backups/{plan}", "plan.change")
def plan_change(
    at: Authenticated,
    plan: PlanName,
    change: Annotated[PlanChange, Body()],
    response: Response,
    if_match: IfMatch = None,
) -> PlanAnswer:
    """Replace the settings of the version that you saw (If-Match).

    A secret that is left out stays, as long as it goes to the same server, user or bucket.
    """
    service, who = at
    version = version_of(if_match)
    return _tagged(backup_plans.change_plan(service, who, plan, version, change.settings), response)


@router.delete("/{plan}", status_code=204)
@operation("it/backups/{plan}", "plan.remove")
def plan_remove(at: Authenticated, plan: PlanName, if_match: IfMatch = None) -> None:
    """Remove the version that you saw (If-Match); what it saved stays."""
    service, who = at
    backup_plans.remove_plan(service, who, plan, version_of(if_match))


@router.post("/{plan}/pause")
@operation("it/backups/{plan}", "plan.pause")
def plan_pause(
    at: Authenticated, plan: PlanName, response: Response, if_match: IfMatch = None
) -> PlanAnswer:
    """Let nothing of the plan be due until it is resumed."""
    service, who = at
    version = version_of(if_match)
    return _tagged(backup_plans.pause_plan(service, who, plan, version, paused=True), response)


@router.post("/{plan}/resume")
@operation("it/backups/{plan}", "plan.pause")
def plan_resume(
    at: Authenticated, plan: PlanName, response: Response, if_match: IfMatch = None
) -> PlanAnswer:
    """Let a paused plan be due again."""
    service, who = at
    version = version_of(if_match)
    return _tagged(backup_plans.pause_plan(service, who, plan, version, paused=False), response)


def _tagged(view: PlanView, response: Response) -> PlanAnswer:
    if not view.declared:
        response.headers["ETag"] = tag_of(view.version)
    return _answer(view)


def _answer(view: PlanView) -> PlanAnswer:
    return PlanAnswer(
        name=view.name,
        declared=view.declared,
        state=view.state,
        fault=view.fault,
        settings=view.shown(),
        secrets=[*view.secrets],
        version=view.version,
        paused_at=_time(view.paused_at),
        made_by=view.made_by,
        made_at=_time(view.made_at),
        changed_by=view.changed_by,
        changed_at=_time(view.changed_at),
        due={kind: timestamp(at) for kind, at in sorted(view.due.items())},
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

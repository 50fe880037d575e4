"""Separation of duties over HTTP: rules, who breaks them, and exceptions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from secvault.access.conflicts import Way
from secvault.access.separation import (
    Duties,
    Exclusive,
    Holders,
    Prerequisite,
    SeparationRule,
)
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import micros_of, timestamp
from secvault.service import Service
from secvault.service import separation_review as separation
from secvault.service.separation_review import ConflictView, ExceptionView
from secvault.service.spine import Caller

router = Routes(
    prefix="/api/v1/separation", tags=["separation of duties"], responses=problem_responses()
)

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class RuleAnswer(BaseModel):
    """A rule. kind: duties, exclusive, holders or prerequisite; what the others do not have is
    empty or null.
    """

    id: str
    kind: str
    title: dict[str, str]
    scope: str
    mode: str
    a: list[str] = Field(description="Permissions; none of them together with one of b.")
    b: list[str]
    roles: list[str]
    most: int | None
    needs: list[str]


class RuleList(BaseModel):
    """All rules. digest: SHA-256 of the file."""

    rules: list[RuleAnswer]
    digest: str


class WayAnswer(BaseModel):
    """One way to one side: the permission or role, by which rule and roles, through which grant."""

    what: str
    policy_rule: str | None
    path: list[str]
    department: str
    grant: str | None


class ConflictAnswer(BaseModel):
    """One rule that one subject breaks, from when until when; null for ever. subject: null for too
    many holders of a role. exception: id of the one that was agreed on.
    """

    rule: str
    title: dict[str, str]
    mode: str
    subject: str | None
    name: str | None
    department: str
    sides: list[list[WayAnswer]]
    missing: list[str]
    begins_at: str
    ends_at: str | None
    exception: str | None
    text: str


class ConflictList(BaseModel):
    """Who breaks which rule."""

    conflicts: list[ConflictAnswer]


class NewException(BaseModel):
    """Somebody who may break one rule for a while."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    subject: str = Field(max_length=200, examples=["user:lan.tran"])
    rule: str = Field(max_length=64, examples=["enter-and-release-payments"])
    days: int = Field(ge=1, le=separation.MOST_DAYS)
    note: str = Field(max_length=500, description="What is done instead.")


class ExceptionAnswer(BaseModel):
    """An exception."""

    id: str
    subject: str
    name: str
    rule: str
    begins_at: str
    ends_at: str
    note: str
    granted_by: str
    granted_by_name: str
    ended_at: str | None
    ended_by: str | None
    in_force: bool


class ExceptionList(BaseModel):
    """Exceptions, oldest first."""

    exceptions: list[ExceptionAnswer]


@router.get("/rules")
@operation("it/separation", "separation.read")
def separation_rules(at: Authenticated) -> RuleList:
    """What nobody may have together."""
    service, who = at
    rules = separation.list_rules(service, who)
    return RuleList(rules=[_rule(rule) for rule in rules], digest=service.separation.digest)


@router.get("/conflicts")
@operation("it/separation", "separation.read")
def separation_conflicts(
    at: Authenticated,
    subject: Annotated[
        str, Query(max_length=200, description="user:<name or id>, svc:<name or id>; or all.")
    ] = "",
    moment: Annotated[
        AwareDatetime | None,
        Query(alias="at", description="Only what is broken at this moment; else from now on."),
    ] = None,
) -> ConflictList:
    """Who breaks a rule, or will, by what they hold, inherit and have asked for."""
    service, who = at
    micros = None if moment is None else micros_of(moment)
    found = separation.list_conflicts(service, who, subject=subject, at=micros)
    return ConflictList(conflicts=[_conflict(view) for view in found])


@router.get("/exceptions")
@operation("it/separation", "separation.read")
def separation_exceptions(
    at: Authenticated,
    *,
    everything: Annotated[
        bool, Query(alias="all", description="Those that are over, too.")
    ] = False,
) -> ExceptionList:
    """Who may break which rule, until when, and what is done instead."""
    service, who = at
    found = separation.list_exceptions_made(service, who, everything=everything)
    return ExceptionList(exceptions=[_exception(view) for view in found])


@router.post("/exceptions", status_code=201)
@operation("it/separation", "exception.add")
def separation_except(at: Authenticated, new: Annotated[NewException, Body()]) -> ExceptionAnswer:
    """Let somebody break one rule for a while; needs a second person's approval."""
    service, who = at
    return _exception(
        separation.except_from_rule(
            service, who, subject=new.subject, rule=new.rule, days=new.days, note=new.note
        )
    )


@router.delete("/exceptions/{exception}")
@operation("it/separation/{exception}", "exception.end")
def separation_exception_end(
    at: Authenticated, exception: Annotated[str, Path(pattern=r"^x[0-9a-f]{20}$")]
) -> ExceptionAnswer:
    """End an exception now; it stays on record."""
    service, who = at
    return _exception(separation.end_exception_now(service, who, exception))


def _rule(rule: SeparationRule) -> RuleAnswer:
    roles: tuple[str, ...] = ()
    if isinstance(rule, Exclusive):
        roles = rule.roles
    elif isinstance(rule, Holders | Prerequisite):
        roles = (rule.role,)
    return RuleAnswer(
        id=rule.id,
        kind=type(rule).__name__.lower(),
        title=dict(rule.title),
        scope=rule.scope,
        mode=rule.mode,
        a=[str(one) for one in rule.a] if isinstance(rule, Duties) else [],
        b=[str(one) for one in rule.b] if isinstance(rule, Duties) else [],
        roles=list(roles),
        most=rule.most if isinstance(rule, Exclusive | Holders) else None,
        needs=list(rule.needs) if isinstance(rule, Prerequisite) else [],
    )


def _conflict(view: ConflictView) -> ConflictAnswer:
    one = view.conflict
    return ConflictAnswer(
        rule=one.rule,
        title=dict(view.title),
        mode=one.mode,
        subject=one.subject or None,
        name=view.name or None,
        department=one.department,
        sides=[[_way(way) for way in side] for side in one.sides],
        missing=list(one.missing),
        begins_at=timestamp(one.begins_at),
        ends_at=None if one.ends_at is None else timestamp(one.ends_at),
        exception=one.exception or None,
        text=view.text,
    )


def _way(way: Way) -> WayAnswer:
    return WayAnswer(
        what=way.what,
        policy_rule=way.policy_rule or None,
        path=list(way.path),
        department=way.department,
        grant=way.grant.id if way.grant else None,
    )


def _exception(view: ExceptionView) -> ExceptionAnswer:
    one = view.exception
    return ExceptionAnswer(
        id=one.id,
        subject=one.subject,
        name=view.name,
        rule=one.rule,
        begins_at=timestamp(one.begins_at),
        ends_at=timestamp(one.ends_at),
        note=one.note,
        granted_by=one.granted_by,
        granted_by_name=view.granted_by_name,
        ended_at=None if one.ended_at is None else timestamp(one.ended_at),
        ended_by=one.ended_by,
        in_force=view.in_force,
    )

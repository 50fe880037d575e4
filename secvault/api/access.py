"""Why, who and what over HTTP: explanations, who can, what somebody can, decisions made again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel

from secvault.access import NO_FIELD
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.errors import InvalidInput
from secvault.service import (
    Service,
    access_documents,
    entitlements,
    explanations,
    past,
    replays,
)
from secvault.service.explanations import Asked
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/access", tags=["access"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Subject = Annotated[
    str,
    Query(max_length=200, description="user:NAME, svc:NAME, or a bare name; you when left out."),
]
Action = Annotated[str, Query(max_length=100, examples=["record.read"])]
Department = Annotated[str, Query(max_length=63, examples=["hr"])]
Object = Annotated[str, Query(max_length=1024, examples=["payroll", "transit/payroll"])]
Field = Annotated[str, Query(max_length=128, description="A field; none when left out.")]
Moment = Annotated[
    str, Query(max_length=64, description="RFC 3339, with its offset; now when left out.")
]
DecisionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Facts = dict[str, str | int | bool | None]


class RequestAnswer(BaseModel):
    """What was asked for; `field` is null for a request about no single one."""

    subject: str
    name: str
    action: str
    department: str
    object: str
    field: str | None


class ConditionAnswer(BaseModel):
    """A condition of a rule: `holds`, `fails` or `broken`, what it asks for and what there was."""

    name: str
    outcome: str
    needed: Facts
    actual: Facts


class DecisiveAnswer(BaseModel):
    """What decided, as far as a rule did."""

    rule: str | None
    condition: ConditionAnswer | None


class GrantUsed(BaseModel):
    """The grant at the beginning of a way to a role."""

    id: str
    department: str
    not_before: str
    expires_at: str | None
    granted_by: str
    granted_by_name: str
    source: str


class WayAnswer(BaseModel):
    """A role, the roles that it comes through, and the grant at the beginning, if one is."""

    role: str
    path: list[str]
    grant: GrantUsed | None


class MatchedAnswer(WayAnswer):
    """A rule about the request, for a role that the subject has."""

    rule: str
    effect: str
    fired: bool
    condition: ConditionAnswer


class NearAnswer(BaseModel):
    """What one change would do; all the remedies of it are needed."""

    rule: str
    missing: str
    remedies: list[Facts]


class EventOfDecision(BaseModel):
    """The entry of the audit log that rests on the decision."""

    seq: int
    outcome: str
    reason: str


class FullAnswer(BaseModel):
    """What administrators and auditors read besides."""

    reason: str
    policy: str
    epoch: int
    decisive: DecisiveAnswer
    matched: list[MatchedAnswer]
    near_misses: list[NearAnswer]
    event: EventOfDecision | None


class ExplanationAnswer(BaseModel):
    """Why. verdict: may, may_not or needs_approval. reason: for the subject, by language.

    remedies: each has a `type`; docs/reference/access-decisions.md lists them. full: null in what
    somebody reads of themselves.
    """

    verdict: str
    kind: str
    at: str
    decision: str | None
    request: RequestAnswer
    reason: dict[str, str]
    remedies: list[Facts]
    full: FullAnswer | None = None


class TermsAnswer(WayAnswer):
    """Under which conditions. when: one of these must hold; empty when none need. unless: none of
    these may. until: when the way ends; null for never.
    """

    until: str | None
    when: list[str]
    unless: list[str]
    rules: list[str]


class HolderAnswer(TermsAnswer):
    """Somebody who may. suspended: they are shut out, and so cannot."""

    subject: str
    name: str
    suspended: bool
    department: str


class HoldersAnswer(BaseModel):
    """Everybody who may do something."""

    action: str
    at: str
    holders: list[HolderAnswer]


class EntitlementAnswer(TermsAnswer):
    """Something that may be done. objects: `*` for all but those in `excepting`.

    fields: `*` for no single field, `class:<class>` for all of a class, else names.
    """

    department: str
    action: str
    objects: list[str]
    excepting: list[str]
    fields: list[str]


class HoldingsAnswer(BaseModel):
    """Everything that somebody may do."""

    subject: str
    name: str
    suspended: bool
    at: str
    entitlements: list[EntitlementAnswer]


class RecordedEvent(BaseModel):
    """The entry that a decision is recorded in."""

    seq: int
    time: str
    kind: str
    outcome: str
    actor: str
    resource: str
    department: str


class RecordedAnswer(BaseModel):
    """The decision as it was recorded."""

    at: str
    allowed: bool
    kind: str
    rule: str
    policy: str
    epoch: int
    conditions: dict[str, str]


class AgainAnswer(BaseModel):
    """The decision as it was made again."""

    allowed: bool
    kind: str
    rule: str
    policy: str
    reason: str


class DifferenceAnswer(BaseModel):
    """What is not as it was."""

    what: str
    recorded: str
    again: str


class ReplayAnswer(BaseModel):
    """verdict: same, differs, too_old or token_changed; `why` says more of the last two."""

    verdict: str
    decision: str
    why: str
    event: RecordedEvent
    recorded: RecordedAnswer | None
    again: AgainAnswer | None
    differences: list[DifferenceAnswer]


@router.get("/explain")
@operation("it/access", "access.explain", "access.own")
def access_explain(
    at_: Authenticated,
    decision: Annotated[
        str, Query(max_length=64, description="Id of a decision; then nothing else is needed.")
    ] = "",
    subject: Subject = "",
    action: Action = "",
    department: Department = "",
    object: Object = "",  # noqa: A002 - the name of the parameter
    field: Field = NO_FIELD,
    at: Moment = "",
    token: Annotated[str, Query(max_length=64, description="Key id of a system's token.")] = "",
    factor_age: Annotated[
        int | None,
        Query(ge=0, le=86_400, description="As if a factor had been shown so many seconds before."),
    ] = None,
) -> ExplanationAnswer:
    """Why somebody may or may not do something, and what would help. Of yourself: what you can do.

    Of yourself at present you are told as you are, with your session and its second factor.
    """
    service, who = at_
    if decision:
        made = explanations.explain_decision(service, who, decision)
    else:
        for name, given in (("action", action), ("department", department), ("object", object)):
            if not given:
                raise InvalidInput.at(name, "is needed, unless a decision is named")
        asked = Asked(action, department, object, field, subject, _moment(at), token, factor_age)
        made = explanations.explain(service, who, asked)
    return ExplanationAnswer.model_validate(access_documents.explanation(made))


@router.get("/who-can")
@operation("it/access", "access.who_can")
def access_who_can(
    at_: Authenticated,
    action: Action,
    department: Department = "",
    object: Object = "",  # noqa: A002 - the name of the parameter
    field: Field = NO_FIELD,
    at: Moment = "",
) -> HoldersAnswer:
    """Everybody who may do something, how, under which conditions and until when."""
    service, who = at_
    made = entitlements.who_can(
        service,
        who,
        action=action,
        department=department,
        object=object,
        field=field,
        at=_moment(at),
    )
    return HoldersAnswer.model_validate(access_documents.holders(made, action=action))


@router.get("/what-can")
@operation("it/access", "access.what_can", "access.own")
def access_what_can(
    at_: Authenticated, subject: Subject = "", department: Department = "", at: Moment = ""
) -> HoldingsAnswer:
    """Everything that somebody may do. Of yourself without rules and grants."""
    service, who = at_
    made = entitlements.what_can(
        service, who, subject=subject, department=department, at=_moment(at)
    )
    return HoldingsAnswer.model_validate(access_documents.holdings(made))


@router.get("/replay/{decision}")
@operation("it/access", "access.replay")
def access_replay(at_: Authenticated, decision: DecisionId) -> ReplayAnswer:
    """A decision of the audit log, made again by the policy and the facts of its moment."""
    service, who = at_
    made = replays.replay(service, who, decision)
    return ReplayAnswer.model_validate(access_documents.replay(made))


def _moment(text: str) -> int | None:
    return past.moment_of(text) if text else None

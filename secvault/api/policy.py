"""The policy over HTTP: what is in force and what was, what a change would do, and changing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.access.bundle import Bundle, bundle_of
from secvault.access.difference import Change, Difference
from secvault.access.publication import Version
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.errors import ConfigurationError, InvalidInput
from secvault.service import Service
from secvault.service.policies import operations as policies
from secvault.service.policies.planning import Plan
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["policy"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Digest = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Of the plan that was shown.")
Files = Field(
    max_length=200,
    description="The whole policy: names such as `roles.csv` and `collections/hr.toml` to texts.",
)


class Proposed(BaseModel):
    """A policy to look at."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    files: dict[str, str] = Files


class Applied(BaseModel):
    """A policy to put in force."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    files: dict[str, str] = Files
    note: str = Field(description="Why, in up to 200 characters.")
    plan: str | None = Digest


class Back(BaseModel):
    """Going back to an older policy."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    note: str = Field(description="Why, in up to 200 characters.")
    plan: str | None = Digest


class VersionAnswer(BaseModel):
    """A policy that was put in force. digest: SHA-256 of its files. proposal: the digest that its
    approval was bound to; null for the first, which came with the program.
    """

    number: int
    digest: str
    published_at: str
    published_by: str
    note: str
    proposal: str | None


class PolicyAnswer(VersionAnswer):
    """A policy with its files."""

    files: dict[str, str]


class VersionList(BaseModel):
    """Every policy that was in force, the newest first."""

    policies: list[VersionAnswer]


class ChangeAnswer(BaseModel):
    """What changes for somebody. before, after: `yes`, `no`, or under which conditions."""

    departments: list[str]
    object: str
    action: str
    fields: list[str]
    before: str
    after: str


class HolderAnswer(BaseModel):
    """Somebody, or a role, for whom something changes."""

    who: str
    name: str
    changes: list[ChangeAnswer]


class FindingAnswer(BaseModel):
    """Something to look at in the files. level: warning or note."""

    level: str
    file: str
    line: int | None
    code: str
    text: str


class NewConflictAnswer(BaseModel):
    """Somebody who would come to break a rule of separation. who, name: empty where too many hold
    a role. mode: deny, which refuses the policy, or warn.
    """

    rule: str
    mode: str
    who: str
    name: str
    text: str


class PlanAnswer(BaseModel):
    """What applying would do now. plan: the digest to apply exactly this by. separation: who would
    come to break a rule. blockers: why it would be refused; empty when it would not be.
    """

    plan: str
    before: VersionAnswer
    after: str
    changed: bool
    files: dict[str, str]
    rows: list[str]
    obligations: list[str]
    collections: list[str]
    gains: list[HolderAnswer]
    losses: list[HolderAnswer]
    separation: list[NewConflictAnswer]
    effect: str
    blockers: list[str]
    findings: list[FindingAnswer]


class VerificationAnswer(BaseModel):
    """Whether every policy is as it was published, by its digest and by the audit log."""

    passed: bool
    versions: int
    problems: list[str]


@router.get("/policy")
@operation("it/policy", "policy.read")
def policy_show(at: Authenticated) -> PolicyAnswer:
    """The policy in force."""
    service, who = at
    return _shown(policies.show(service, who))


@router.get("/policy/versions")
@operation("it/policy", "policy.read")
def policy_history(at: Authenticated) -> VersionList:
    """Every policy that was in force."""
    service, who = at
    return VersionList(policies=[_version(one) for one in policies.history(service, who)])


@router.get("/policy/versions/{number}")
@operation("it/policy", "policy.read")
def policy_version(at: Authenticated, number: Number) -> PolicyAnswer:
    """A policy that was in force."""
    service, who = at
    return _shown(policies.show(service, who, number))


@router.get("/policy/verification")
@operation("it/policy", "policy.read")
def policy_verify(at: Authenticated) -> VerificationAnswer:
    """Compare every policy with its digest and with the audit log."""
    service, who = at
    found = policies.verify(service, who)
    return VerificationAnswer(
        passed=found.ok, versions=found.versions, problems=list(found.problems)
    )


@router.post("/policy/plan")
@operation("it/policy", "policy.read")
def policy_plan(at: Authenticated, given: Annotated[Proposed, Body()]) -> PlanAnswer:
    """What applying these files would do; nothing is changed."""
    service, who = at
    return _plan(policies.plan(service, who, _bundle(given.files)))


@router.post("/policy/versions/{number}/plan")
@operation("it/policy", "policy.read")
def policy_plan_rollback(at: Authenticated, number: Number) -> PlanAnswer:
    """What going back to a policy would do; nothing is changed."""
    service, who = at
    return _plan(policies.plan_rollback(service, who, number))


@router.post("/policy/versions", status_code=201)
@operation("it/policy", "policy.apply")
def policy_apply(at: Authenticated, given: Annotated[Applied, Body()]) -> VersionAnswer:
    """Put these files in force; may need a second person (X-Approval-Reason)."""
    service, who = at
    bundle = _bundle(given.files)
    return _version(policies.apply(service, who, bundle, note=given.note, expected=given.plan))


@router.post("/policy/versions/{number}/rollback", status_code=201)
@operation("it/policy", "policy.apply")
def policy_rollback(
    at: Authenticated, number: Number, given: Annotated[Back, Body()]
) -> VersionAnswer:
    """Put an older policy in force again, under a new number; may need a second person."""
    service, who = at
    made = policies.roll_back(service, who, number, note=given.note, expected=given.plan)
    return _version(made)


def _bundle(files: Mapping[str, str]) -> Bundle:
    try:
        return bundle_of(files)
    except ConfigurationError as error:
        raise InvalidInput(error.detail, fields=error.fields) from None


def _version(made: Version) -> VersionAnswer:
    return VersionAnswer(
        number=made.number,
        digest=made.digest,
        published_at=timestamp(made.published_at),
        published_by=made.published_by,
        note=made.note,
        proposal=made.proposal,
    )


def _shown(found: policies.Shown) -> PolicyAnswer:
    version = _version(found.version)
    return PolicyAnswer(**version.model_dump(), files=dict(found.bundle.files))


def _plan(found: Plan) -> PlanAnswer:
    return PlanAnswer(
        plan=found.digest,
        before=_version(found.before),
        after=found.bundle.digest,
        changed=found.changed,
        files=dict(found.changes.files),
        rows=list(found.changes.rows),
        obligations=list(found.changes.obligations),
        collections=list(found.changes.collections),
        gains=_holders(found.gains, found.names),
        losses=_holders(found.losses, found.names),
        separation=[
            NewConflictAnswer(
                rule=one.rule,
                mode=str(one.mode),
                who=one.subject,
                name=found.names.get(one.subject, one.subject),
                text=one.text,
            )
            for one in found.separation
        ],
        effect=found.effect,
        blockers=list(found.blockers),
        findings=[
            FindingAnswer(
                level=one.level,
                file=one.file,
                line=one.line or None,
                code=one.code,
                text=one.text,
            )
            for one in found.findings
        ],
    )


def _holders(found: Difference, names: Mapping[str, str]) -> list[HolderAnswer]:
    return [
        HolderAnswer(who=who, name=names.get(who, who), changes=[_change(one) for one in every])
        for who, every in sorted(found.items())
    ]


def _change(change: Change) -> ChangeAnswer:
    return ChangeAnswer(
        departments=list(change.departments),
        object=change.object,
        action=change.action,
        fields=list(change.fields),
        before=str(change.before),
        after=str(change.after),
    )

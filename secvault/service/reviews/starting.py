"""The start of a campaign: everything is looked up and handed out in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from secvault.access import ALL, DEPARTMENTS, Grant, list_grants
from secvault.clock import moment
from secvault.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from secvault.identity import names, people
from secvault.service.approvals.approvers import Approvers
from secvault.service.reviews import campaigns, population, views
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.eligible import eligible
from secvault.service.reviews.facts import Facts, Frozen, Reviewers, Scope
from secvault.service.reviews.reviewers import Part, assign, pairs
from secvault.service.reviews.views import View
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

SHORTEST_DAYS, LONGEST_DAYS = 3, 180
OVERDUE = ("revoke", "shorten")
_DAY = 86_400 * 1_000_000
_HOME = "it"
_ADMINISTRATION = ("role:it.admin", _HOME)


@dataclass(frozen=True)
class Plan:
    """What somebody wants reviewed.

    reviewers, fallback, owner: sign-in names or ids; an empty owner is whoever starts it. days:
    until the deadline. overdue: what becomes of what nobody reviewed; overdue_days: of `shorten`.
    """

    name: str
    scope: Scope = field(default_factory=Scope)
    heads: bool = True
    reviewers: tuple[str, ...] = ()
    fallback: str = ""
    owner: str = ""
    days: int = 30
    overdue: str = "revoke"
    overdue_days: int = 7


def start(service: Service, caller: Caller, plan: Plan, job: str | None = None) -> View:
    """Freeze the population and hand it out, in one transaction.

    Whoever starts a campaign reviews nothing in it. job: the one that asks for it; one that has
    begun its campaign already gets that. Raises InvalidInput, NotFound for somebody who is not
    known, Conflict when nothing is in the scope.
    """
    checked = _checked(service, plan)
    operation = views.operation("review.start")

    def act(connection: Connection) -> Outcome[View]:
        present = campaigns.of_job(connection, job) if job else None
        if present is not None:
            return Outcome(views.view(connection, present), count=0, detail=views.detail(present))
        made, items = _frozen(service, connection, caller, checked, job)
        campaigns.add_campaign(connection, made, items)
        detail = {**views.detail(made), "expires_at": made.deadline, "size": len(items)}
        return Outcome(views.view(connection, made), count=len(items), detail=detail)

    return service.spine.change(caller, operation, act)


def start_declared(service: Service, caller: Caller, name: str, job: str) -> View:
    """Begin a campaign that the settings declare, for the job of its schedule, once.

    Raises ConfigurationError for one that is declared no more, and as `start` does.
    """
    chosen = service.settings.reviews.campaigns.get(name)
    if chosen is None:
        raise ConfigurationError(f"reviews.campaigns.{name}: is not declared any more")
    began = moment(service.clock.micros()).strftime("%Y-%m-%d")
    plan = Plan(
        name=f"{name} {began}",
        scope=Scope(chosen.departments, chosen.roles, chosen.privileged_only, chosen.systems),
        heads=chosen.heads,
        reviewers=chosen.reviewers,
        fallback=chosen.fallback,
        owner=chosen.owner,
        days=chosen.days,
        overdue=chosen.overdue,
        overdue_days=chosen.overdue_days,
    )
    return start(service, caller, plan, job)


def _frozen(
    service: Service, connection: Connection, caller: Caller, plan: Plan, job: str | None
) -> tuple[Campaign, list[Item]]:
    now = service.clock.micros()
    rules = _reviewers(connection, plan)
    known = population.reading(service, connection)
    everybody = population.register(connection)
    grants = population.standing_grants(connection, now)
    found = population.population(known, everybody, grants, plan.scope)
    if not found:
        raise Conflict("nobody holds anything in this scope; nothing is to be reviewed")
    campaign = Campaign(
        id=names.new_id(service.clock),
        name=names.display_name(plan.name, "name"),
        owner=people.by_name_or_id(connection, plan.owner).subject
        if plan.owner
        else caller.principal.subject,
        started_by=caller.principal.subject,
        scope=plan.scope,
        reviewers=rules,
        overdue=plan.overdue,
        overdue_days=plan.overdue_days,
        started_at=now,
        deadline=now + plan.days * _DAY,
        frozen=Frozen(
            epoch=known.snapshot.epoch,
            policy=known.snapshot.digest,
            ownerless=population.ownerless(everybody) if plan.scope.systems else (),
            used_since=known.uses.since,
            eligible=eligible(connection, known, everybody, plan.scope, now),
        ),
        job=job,
    )
    handed = _handed_out(service, connection, campaign, found)
    return campaign, [
        Item(
            id=names.new_id(service.clock),
            campaign=campaign.id,
            grant_id=grant.id,
            subject=grant.subject,
            facts=msgspec.structs.replace(facts, pair=pair),
            reviewer=reviewer,
        )
        for (grant, facts), (reviewer, pair) in zip(found, handed, strict=True)
    ]


def _handed_out(
    service: Service,
    connection: Connection,
    campaign: Campaign,
    found: Sequence[tuple[Grant, Facts]],
) -> list[tuple[str | None, bool]]:
    now = service.clock.micros()
    grants = list_grants(connection, valid_at=now)
    able = Approvers.active(connection, {grant.subject for grant in grants}) | Approvers.active(
        connection, [*campaign.reviewers.named, campaign.reviewers.fallback]
    )
    able -= {campaign.started_by}

    def tier(subjects: Iterable[str], owner: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for one in subjects if one in able and one != owner))

    def tiers(facts: Facts) -> tuple[tuple[str, ...], ...]:
        place = _HOME if facts.department == ALL else facts.department
        heads = [
            grant.subject
            for grant in grants
            if campaign.reviewers.heads
            and (grant.role, grant.department) == (f"role:{place}.head", place)
        ]
        administrators = [
            grant.subject for grant in grants if (grant.role, grant.department) == _ADMINISTRATION
        ]
        wanted = (heads, campaign.reviewers.named, [campaign.reviewers.fallback], administrators)
        return tuple(tier(subjects, facts.owner) for subjects in wanted)

    parts = {Part(grant.subject, facts.department): tiers(facts) for grant, facts in found}
    assigned = assign(parts)
    paired = pairs(assigned)
    keys = [Part(grant.subject, facts.department) for grant, facts in found]
    return [(assigned[key], key in paired) for key in keys]


def _reviewers(connection: Connection, plan: Plan) -> Reviewers:
    named = tuple(_person(connection, "reviewers", name) for name in plan.reviewers)
    fallback = _person(connection, "fallback", plan.fallback) if plan.fallback else ""
    return Reviewers(plan.heads, named, fallback)


def _person(connection: Connection, field: str, name: str) -> str:
    try:
        found = people.by_name_or_id(connection, name)
    except NotFound as error:
        raise InvalidInput.at(field, error.detail) from None
    if found.state != people.ACTIVE or found.last_sign_in_at is None:
        raise InvalidInput.at(field, f"{found.name} is not active, or has never signed in")
    return found.subject


def _checked(service: Service, plan: Plan) -> Plan:
    if not SHORTEST_DAYS <= plan.days <= LONGEST_DAYS:
        raise InvalidInput.at("days", f"use {SHORTEST_DAYS} to {LONGEST_DAYS}")
    if plan.overdue not in OVERDUE:
        raise InvalidInput.at("overdue", f"use {' or '.join(OVERDUE)}")
    if not 1 <= plan.overdue_days <= 365:
        raise InvalidInput.at("overdue_days", "use 1 to 365")
    for department in plan.scope.departments:
        if department not in DEPARTMENTS:
            raise InvalidInput.at("departments", f"there are {', '.join(DEPARTMENTS)}")
    for role in plan.scope.roles:
        if role not in service.policy.rules.roles:
            raise InvalidInput.at("roles", f"there is no role {role[:64]!r} in the policy")
    if not (plan.heads or plan.reviewers or plan.fallback):
        raise InvalidInput.at("reviewers", "say who reviews: the heads, people by name, or one")
    names.display_name(plan.name, "name")
    return plan

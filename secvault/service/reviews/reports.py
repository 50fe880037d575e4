"""What lies idle: people, systems, tokens and grants that nobody uses; and smaller roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault.access import ALL, Grant
from secvault.access.grants import check_grantable
from secvault.access.rows import Rule
from secvault.access.vocabulary import DEPARTMENTS, EMERGENCY_ROLE, RESERVED_ROLES
from secvault.errors import InvalidInput
from secvault.identity import people, service_accounts
from secvault.service.reviews import eligible, population, views
from secvault.service.reviews.facts import Eligible
from secvault.service.reviews.population import Reading, Register
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.store.tables import token

DAY = 86_400 * 1_000_000
LONGEST_DAYS = 3650


@dataclass(frozen=True)
class Dormant:
    """Somebody or something that was not seen for a while. Times in microseconds, UTC.

    kind: person, system or token. id: subject, or key id of a token. last_seen: None for never.
    note: `never`, `owner_out` (a system that nobody answers for), or empty.
    """

    kind: str
    id: str
    name: str
    since: int
    last_seen: int | None
    note: str
    grants: int


@dataclass(frozen=True)
class Unused:
    """A grant of which something was not used for a while.

    last_used: days since the epoch; None for never. unused, given: how many of its rules were not
    used, of how many. rules: ids of those. smaller: a role that would have been enough; empty when
    there is none.
    """

    grant: Grant
    name: str
    last_used: int | None
    unused: int
    given: int
    rules: tuple[str, ...]
    smaller: str


@dataclass(frozen=True)
class UnusedReport:
    """Grants that are idle or too large. since: from when on uses are known, microseconds; None
    while they are not: then no grant is reported. eligible: what was not activated for as long.
    """

    days: int
    since: int | None
    grants: tuple[Unused, ...]
    eligible: tuple[Eligible, ...] = ()


def dormant(service: Service, caller: Caller, days: int | None = None) -> tuple[Dormant, ...]:
    """People, systems and tokens that were not seen for so many days, or never.

    What was made within these days is left out. days: None for `reviews.dormant_days`. Raises
    InvalidInput.
    """
    chosen = dormant_days(service, days)

    def act(connection: Connection) -> Outcome[tuple[Dormant, ...]]:
        found = idle(service, connection, chosen)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, views.operation("review.read", "dormant"), act)


def idle(service: Service, connection: Connection, days: int) -> tuple[Dormant, ...]:
    """What `dormant` answers, for whoever decides otherwise who may know it."""
    now = service.clock.micros()
    before = now - days * DAY
    everybody = population.register(connection)
    held: dict[str, int] = {}
    for grant in population.standing_grants(connection, now):
        held[grant.subject] = held.get(grant.subject, 0) + 1
    return (
        *_people(everybody, held, before),
        *_systems(everybody, held, before),
        *_tokens(connection, everybody, before, now),
    )


def unused(service: Service, caller: Caller, days: int | None = None) -> UnusedReport:
    """Grants of which some rule was not used for so many days, the idlest first.

    And what nobody activated in that time. What is younger is left out, and all grants while uses
    are known for a shorter time.
    Where a smaller role would have been enough for what was used, it is named. Raises InvalidInput.
    """
    chosen = dormant_days(service, days)

    def act(connection: Connection) -> Outcome[UnusedReport]:
        now = service.clock.micros()
        before = now - chosen * DAY
        known = population.reading(service, connection)
        since = known.uses.since
        everybody = population.register(connection)
        # Of these it is known from the first day.
        waiting = eligible.unused(connection, known, everybody, before, now)
        if since is None or since > before:
            return Outcome(UnusedReport(chosen, since, (), waiting), count=len(waiting))
        found = [
            _unused(known, everybody, grant, before // DAY)
            for grant in population.standing_grants(connection, now)
            if max(grant.created_at, grant.not_before) <= before
        ]
        idle = sorted(
            (one for one in found if one.unused),
            key=lambda one: (one.last_used or -1, -one.unused, one.grant.id),
        )
        report = UnusedReport(chosen, since, tuple(idle), waiting)
        return Outcome(report, count=len(idle) + len(waiting))

    return service.spine.read(caller, views.operation("review.read", "unused"), act)


def smaller_role(known: Reading, grant: Grant, used: Iterable[Rule]) -> str:
    """The role with the fewest rules that gives all that was used, and less than the grant does.

    Only roles that may be granted there, none that is privileged where the grant's is not. Empty
    when nothing was used (then it is to be revoked) or no role fits.
    """
    given = {rule.id for rule in known.rules_of(grant.role, grant.department)}
    wanted = {_right(rule) for rule in used}
    if not wanted:
        return ""
    best: tuple[int, str] | None = None
    for role in sorted(known.rules.roles - RESERVED_ROLES - {grant.role, EMERGENCY_ROLE}):
        try:
            check_grantable(known.rules, grant.subject, role, grant.department)
        except InvalidInput:
            continue
        rules = known.rules_of(role, grant.department)
        fits = wanted <= {_right(rule) for rule in rules} and len(rules) < len(given)
        grows = known.privileged(role) and not known.privileged(grant.role)
        if fits and not grows and (best is None or (len(rules), role) < best):
            best = (len(rules), role)
    return best[1] if best else ""


def _right(rule: Rule) -> tuple[str, ...]:
    """What a rule allows, whichever role it is of."""
    return rule.dom, rule.obj, rule.fld, rule.act, rule.cond


def _unused(known: Reading, everybody: Register, grant: Grant, before: int) -> Unused:
    rules = known.rules_of(grant.role, grant.department)
    days = known.uses.days.get(grant.subject, {})
    wheres = DEPARTMENTS if grant.department == ALL else (grant.department,)
    used = [
        rule for rule in rules if any(days.get((rule.id, where), -1) >= before for where in wheres)
    ]
    idle = tuple(rule.id for rule in rules if rule not in used)
    return Unused(
        grant,
        everybody.name(grant.subject),
        known.last_used(grant),
        len(idle),
        len(rules),
        idle,
        smaller_role(known, grant, used),
    )


def _people(everybody: Register, held: dict[str, int], before: int) -> Iterable[Dormant]:
    for row in everybody.people.values():
        seen = row.last_sign_in_at
        if row.state == people.DISABLED or row.created_at > before or (seen or 0) > before:
            continue
        subject = f"user:{row.id}"
        note = "" if seen else "never"
        yield Dormant("person", subject, row.name, row.created_at, seen, note, held.get(subject, 0))


def _systems(everybody: Register, held: dict[str, int], before: int) -> Iterable[Dormant]:
    for row in everybody.systems.values():
        subject = f"svc:{row.id}"
        if row.state != service_accounts.ACTIVE:
            continue
        seen = everybody.last_seen(subject)
        ownerless = not everybody.is_active(f"user:{row.owner}")
        idle = row.created_at <= before and (seen or 0) <= before
        if idle or ownerless:
            note = "owner_out" if ownerless else ("" if seen else "never")
            yield Dormant(
                "system", subject, row.name, row.created_at, seen, note, held.get(subject, 0)
            )


def _tokens(
    connection: Connection, everybody: Register, before: int, now: int
) -> Iterable[Dormant]:
    rows = connection.execute(
        select(token.c.key_id, token.c.account, token.c.created_at, token.c.last_used_at)
        .where(
            token.c.revoked_at.is_(None),
            token.c.expires_at > now,
            token.c.created_at <= before,
        )
        .order_by(token.c.created_at, token.c.key_id)
    )
    for row in rows:
        if (row.last_used_at or 0) <= before:
            note = "" if row.last_used_at else "never"
            name = everybody.name(f"svc:{row.account}")
            yield Dormant("token", row.key_id, name, row.created_at, row.last_used_at, note, 0)


def dormant_days(service: Service, days: int | None) -> int:
    """The days, or those of the settings. Raises InvalidInput."""
    chosen = service.settings.reviews.dormant_days if days is None else days
    if not 1 <= chosen <= LONGEST_DAYS:
        raise InvalidInput.at("days", f"use 1 to {LONGEST_DAYS}")
    return chosen

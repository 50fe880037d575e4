"""The population of a review: every grant that gives somebody something, as it is at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from secvault.access import ALL, Grant, Rules, Snapshot, list_grants
from secvault.access.last_use import Uses, read_uses, roles_reached, rules_given
from secvault.access.rows import Rule
from secvault.identity import people, service_accounts
from secvault.service.reviews.facts import Facts, Scope, sensitive
from secvault.service.service import Service
from secvault.store.tables import person, service_account, token


@dataclass(frozen=True)
class Register:
    """Everybody who can hold a role, and what is known of their coming and going."""

    people: Mapping[str, Any]
    systems: Mapping[str, Any]
    tokens: Mapping[str, int | None]

    def name(self, subject: str) -> str:
        """The name that people know the subject by; the subject itself when it has none."""
        found = self._found(subject)
        return subject if found is None else str(found.name)

    def display_name(self, subject: str) -> str:
        """What people read."""
        row = self.people.get(subject.removeprefix("user:"))
        return self.name(subject) if row is None else str(row.display_name)

    def owner(self, subject: str) -> str:
        """Who answers for a system, as a subject; empty for anybody else."""
        row = self.systems.get(subject.removeprefix("svc:"))
        return "" if row is None else f"user:{row.owner}"

    def orphan(self, subject: str) -> str:
        """Why nobody stands behind the subject; empty when somebody does. See `Facts`."""
        row = self._found(subject)
        if row is None:
            return "gone"
        if row.state == people.DISABLED:
            return "disabled"
        if subject.startswith("svc:") and not self.is_active(f"user:{row.owner}"):
            return "no_owner"
        return ""

    def is_active(self, subject: str) -> bool:
        """Whether this is somebody who can sign in."""
        row = self.people.get(subject.removeprefix("user:"))
        return row is not None and row.state == people.ACTIVE

    def last_seen(self, subject: str) -> int | None:
        """The newest sign-in of a person, or use of a token of a system; None for never."""
        kind, _, identity = subject.partition(":")
        if kind == "svc":
            return self.tokens.get(identity)
        row = self.people.get(identity)
        return None if row is None else row.last_sign_in_at

    def _found(self, subject: str) -> Any:
        kind, _, identity = subject.partition(":")
        return (self.people if kind == "user" else self.systems).get(identity)


@dataclass
class Reading:
    """What roles give, looked up once for each role and department."""

    service: Service
    snapshot: Snapshot
    uses: Uses
    given: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)
    weighty: dict[str, bool] = field(default_factory=dict)

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self.service.policy.rules

    def rules_of(self, role: str, department: str) -> tuple[Rule, ...]:
        """See `last_use.rules_given`."""
        place = (role, department)
        if place not in self.given:
            self.given[place] = rules_given(self.snapshot, self.rules, role, department)
        return self.given[place]

    def last_used(self, grant: Grant) -> int | None:
        """See `Uses.of_grant`."""
        return self.uses.of_grant(self.rules_of(grant.role, grant.department), grant)

    def privileged(self, role: str) -> bool:
        """Whether it takes two people to give this role."""
        if role not in self.weighty:
            obligations = self.service.approvers.obligations
            self.weighty[role] = obligations.is_privileged(self.rules, role)
        return self.weighty[role]

    def inherits(self, grant: Grant) -> tuple[str, ...]:
        """The roles that come with the grant's own."""
        reached = roles_reached(self.snapshot, grant.role, grant.department)
        return tuple(sorted(reached - {grant.role}))


def reading(service: Service, connection: Connection) -> Reading:
    """The policy of this moment, and the uses that are known."""
    snapshot = service.policy.snapshot(service.clock.micros(), connection)
    return Reading(service, snapshot, read_uses(connection))


def register(connection: Connection) -> Register:
    """Read it, in the caller's transaction."""
    columns = (
        person.c.id,
        person.c.name,
        person.c.display_name,
        person.c.department,
        person.c.state,
        person.c.created_at,
        person.c.activated_at,
        person.c.last_sign_in_at,
    )
    used = select(token.c.account, func.max(token.c.last_used_at)).group_by(token.c.account)
    return Register(
        {row.id: row for row in connection.execute(select(*columns))},
        {row.id: row for row in connection.execute(select(service_account))},
        dict(connection.execute(used).all()),
    )


def standing_grants(connection: Connection, at: int) -> tuple[Grant, ...]:
    """Every grant that counts at this moment or will, oldest first.

    Without those that pass within hours; breaking the glass has a review of its own.
    """
    return tuple(
        grant
        for grant in list_grants(connection)
        if grant.revoked_at is None
        and (grant.expires_at is None or grant.expires_at > at)
        and not grant.passing
    )


def population(
    known: Reading, everybody: Register, grants: Iterable[Grant], scope: Scope
) -> tuple[tuple[Grant, Facts], ...]:
    """Those of the grants that the scope is about, with their facts."""
    return tuple(
        (grant, _facts(known, everybody, grant))
        for grant in grants
        if in_scope(known, grant, scope)
    )


def in_scope(known: Reading, grant: Grant, scope: Scope) -> bool:
    """Whether the scope is about this grant; a role counts by what it inherits, too."""
    if grant.subject.startswith("svc:") and not scope.systems:
        return False
    if scope.departments and grant.department not in (ALL, *scope.departments):
        return False
    if scope.roles and not {grant.role, *known.inherits(grant)} & set(scope.roles):
        return False
    return not scope.privileged_only or known.privileged(grant.role)


def ownerless(everybody: Register) -> tuple[str, ...]:
    """The names of the active systems that nobody answers for."""
    return tuple(
        sorted(
            row.name
            for row in everybody.systems.values()
            if row.state == service_accounts.ACTIVE and not everybody.is_active(f"user:{row.owner}")
        )
    )


def _facts(known: Reading, everybody: Register, grant: Grant) -> Facts:
    subject = grant.subject
    obligations = known.service.approvers.obligations
    return Facts(
        name=everybody.name(subject),
        display_name=everybody.display_name(subject),
        role=grant.role,
        department=grant.department,
        source=grant.source,
        granted_by=grant.granted_by,
        granted_by_name=everybody.name(grant.granted_by),
        created_at=grant.created_at,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        orphan=everybody.orphan(subject),
        owner=everybody.owner(subject),
        inherits=known.inherits(grant),
        sensitive=sensitive(known.rules_of(grant.role, grant.department), obligations),
        privileged=known.privileged(grant.role),
        last_used=known.last_used(grant),
        last_seen=everybody.last_seen(subject),
    )

"""The ways from subjects to roles, by grants and inheritance, and how long each lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secvault.access.explain import Basis
from secvault.access.grants import Grant
from secvault.access.rows import Case
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    NO_FIELD,
    SIGNED_IN,
    is_grantee,
    is_object,
    is_subject,
)

_FOREVER = float("inf")


@dataclass(frozen=True)
class Way:
    """From a subject to a role. roles: from the one that was given to the one that is meant.

    grant: what gave the first; None where the policy itself does.
    """

    subject: str
    roles: tuple[str, ...]
    grant: Grant | None = None

    @property
    def role(self) -> str:
        """Where it leads."""
        return self.roles[-1]

    @property
    def until(self) -> int | None:
        """When it ends, in microseconds; None for never."""
        return self.grant.expires_at if self.grant else None

    @property
    def text(self) -> str:
        """As administrators read it."""
        given = f" ({self.grant.id})" if self.grant else ""
        first, *others = self.roles
        return " > ".join((self.subject, f"{first}{given}", *others))


def ways_of(basis: Basis, subject: str, department: str) -> Mapping[str, Way]:
    """Each role that `subject` has in `department`, by the way that lasts longest."""
    found: dict[str, Way] = {}
    if is_grantee(subject):
        found[SIGNED_IN] = Way(subject, (SIGNED_IN,))
    for domain in (department, ALL):
        for step in basis.steps.get(domain, {}).get(subject, ()):
            grant = basis.live.get(step.grant)
            for roles in inherited(basis, step.role, domain).values():
                keep_longer(found, Way(subject, roles, grant))
    return found


def keep_longer(found: dict[str, Way], way: Way) -> None:
    """Put the way among those found, by role, unless there is one that lasts as long."""
    known = found.get(way.role)
    if known is None or _lasts(way) > _lasts(known):
        found[way.role] = way


def inherited(basis: Basis, role: str, domain: str) -> Mapping[str, tuple[str, ...]]:
    """The role itself and what it has by inheritance in one domain, each with the roles between.

    domain: a department, or `*`; ways never go through both, as in Casbin.
    """
    steps = basis.steps.get(domain, {})
    found: dict[str, tuple[str, ...]] = {role: (role,)}
    waiting = [role]
    for member in waiting:
        for step in steps.get(member, ()):
            if step.role not in found:
                found[step.role] = (*found[member], step.role)
                waiting.append(step.role)
    return found


def members(basis: Basis, department: str) -> Iterator[tuple[str, str, Grant | None, str]]:
    """Whoever was given a role there: subject, role, grant, and the domain that it counts in."""
    for domain in (department, ALL):
        for subject, steps in basis.steps.get(domain, {}).items():
            if is_subject(subject):
                for step in steps:
                    yield subject, step.role, basis.live.get(step.grant), domain


def unknown(basis: Basis, case: Case) -> str:
    """Which of the names in the request does not exist; empty when all do."""
    if not is_subject(case.subject):
        return "subject"
    if case.department not in DEPARTMENTS:
        return "department"
    if case.action not in ACTIONS:
        return "action"
    if not is_object(case.action, case.object, basis.collections):
        return "object"
    has_field = case.action in FIELD_ACTIONS and case.field in basis.fields.get(case.object, {})
    return "" if case.field == NO_FIELD or has_field else "field"


def home_of(basis: Basis, case: Case) -> str:
    """The department that the object belongs to; the one of the request where any may be."""
    if ACTIONS.get(case.action) != COLLECTION:
        return case.department
    return basis.collections.get(case.object, case.department)


def _lasts(way: Way) -> float:
    return _FOREVER if way.until is None else way.until

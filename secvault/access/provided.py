"""Grants that come from the groups of an identity provider, kept apart from those made here.

A grant of a provider carries its source. Only these are ever added or ended here; where somebody
was granted the same role by hand, that grant stands alone and stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.grants import (
    Grant,
    check_grantable,
    extend_grant,
    list_grants,
    revoke_grant,
)
from secvault.access.obligations import Obligations
from secvault.access.rules import Rules
from secvault.access.vocabulary import department_of
from secvault.errors import InvalidInput

Place = tuple[str, str]
"""A role and the department that it is given in."""

_SOMEBODY = "user:0"
_ORDINARY = ("record.", "collection.")


@dataclass(frozen=True)
class Changed:
    """What a provider's word changed. extended: whose end it has put off."""

    added: tuple[Grant, ...]
    ended: tuple[Grant, ...]
    extended: tuple[Grant, ...] = ()


def check_mapped(
    rules: Rules, obligations: Obligations, role: str, department: str, *, privileged: bool
) -> None:
    """Return when a provider's group may give this role. Raises InvalidInput.

    privileged: whether that may be a role that takes two people to give here, or that does more
    than work with the records of its department.
    """
    check_grantable(rules, _SOMEBODY, role, department)
    if not privileged and (obligations.is_privileged(rules, role) or exceeds_records(rules, role)):
        raise InvalidInput.at(
            "role",
            f"{role} is privileged, so whoever rules the provider's groups would give it alone; "
            "grant it here, or set privileged_roles = true",
        )


def exceeds_records(rules: Rules, role: str) -> bool:
    """Whether a role belongs to `it`, or allows anything but work with records."""
    held = {role}
    while True:
        inherited = {link.role for link in rules.links if link.member in held}
        if inherited <= held:
            break
        held |= inherited
    ordinary = all(
        rule.act.startswith(_ORDINARY)
        for rule in rules.rules
        if rule.sub in held and rule.eft == "allow"
    )
    return department_of(role) == "it" or not ordinary


def reconcile(
    connection: Connection,
    *,
    subject: str,
    source: str,
    wanted: Iterable[Place],
    at: int,
    give: Callable[[Place], Grant],
    longest: int,
) -> Changed:
    """Make the grants that a person has from `source` what the source says now.

    Durable with the caller's transaction. Grants of other sources and those made here stay.
    give: makes the grant of a place, with its end if it has one. longest: in microseconds, how long
    one with an end lasts; the source's word puts the end off when half of that has passed.
    """
    want = set(wanted)
    # Those that only begin later, too: there are no two of one role.
    standing = list_grants(connection, subject=subject, standing_at=at)
    over = [
        grant
        for grant in standing
        if grant.source == source and (grant.role, grant.department) not in want
    ]
    ended = tuple(revoke_grant(connection, grant.id, at=at) for grant in over)
    held = {(grant.role, grant.department) for grant in standing if grant not in over}
    extended = tuple(
        extend_grant(connection, grant.id, at=at, expires_at=at + longest)
        for grant in standing
        if grant.source == source
        and grant not in over
        and grant.expires_at is not None
        and grant.expires_at - at < longest // 2
    )
    added = tuple(give(place) for place in sorted(want - held))
    return Changed(added, ended, extended)

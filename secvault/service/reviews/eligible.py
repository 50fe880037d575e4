"""Privileged roles that somebody may activate: reported by reviews, beside the grants.

They are no items, since an item is about a grant; whoever reviews is shown them, and removes them
with `secvault grants eligible remove`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from secvault.access.eligibility import Eligibility, activations_of, list_eligibilities
from secvault.service.prospects import activated
from secvault.service.reviews.facts import Eligible, Scope
from secvault.service.reviews.population import Reading, Register, in_scope


def eligible(
    connection: Connection, known: Reading, everybody: Register, scope: Scope, at: int
) -> tuple[Eligible, ...]:
    """Those in the scope, privileged ones only, that are not over at this moment; oldest first."""
    return tuple(
        facts
        for one, facts in _all(connection, known, everybody, at)
        if facts.privileged and in_scope(known, activated(known.service, one), scope)
    )


def unused(
    connection: Connection, known: Reading, everybody: Register, before: int, at: int
) -> tuple[Eligible, ...]:
    """Those that could be used since `before`, and were not; also of roles of no privilege."""
    return tuple(
        facts
        for one, facts in _all(connection, known, everybody, at)
        if max(one.created_at, one.not_before) <= before and (facts.last_used or 0) <= before
    )


def _all(
    connection: Connection, known: Reading, everybody: Register, at: int
) -> Iterator[tuple[Eligibility, Eligible]]:
    found = list_eligibilities(connection, standing_at=at)
    used: dict[str, int] = {}
    for use in activations_of(connection, tuple(one.id for one in found)):
        used[use.eligibility] = max(used.get(use.eligibility, 0), use.grant.created_at)
    for one in found:
        yield (
            one,
            Eligible(
                id=one.id,
                subject=one.subject,
                name=everybody.name(one.subject),
                role=one.role,
                department=one.department,
                created_at=one.created_at,
                expires_at=one.expires_at,
                last_used=used.get(one.id),
                privileged=known.privileged(one.role),
            ),
        )

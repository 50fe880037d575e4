"""Who may activate which role for a while: rows of the store, beside the grants.

An eligibility gives nothing by itself and is unknown to decisions. Its holder makes an ordinary
grant of it, which ends by itself. It can be used while `not_before <= now < expires_at`, unless it
lapsed: it had to be used for the first time before `claim_by`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from secvault.access.grants import ACTIVATION, Grant, check_giveable, list_grants, revoke_grant
from secvault.access.rules import Rules
from secvault.access.vocabulary import LOCAL_SUBJECTS, is_grantee
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.store.epoch import POLICY, raise_epoch
from secvault.store.tables import role_activation, role_eligibility

State = Literal["usable", "waiting", "lapsed", "ended", "removed"]


@dataclass(frozen=True)
class Eligibility:
    """A role that somebody may activate. Times in microseconds since the epoch, UTC.

    most_seconds: of one use. claim_by: when it lapses unless it was used by then; None for never.
    claimed_at: of the first use. expires_at: None for no end, which no privileged role has.
    """

    id: str
    subject: str
    role: str
    department: str
    not_before: int
    expires_at: int | None
    claim_by: int | None
    most_seconds: int
    needs_approval: bool
    needs_ticket: bool
    granted_by: str
    created_at: int
    claimed_at: int | None = None
    revoked_at: int | None = None

    def state(self, at: int) -> State:
        """What can be done with it at the moment `at`."""
        if self.revoked_at is not None:
            return "removed"
        if self.expires_at is not None and self.expires_at <= at:
            return "ended"
        if self.claimed_at is None and self.claim_by is not None and self.claim_by <= at:
            return "lapsed"
        return "waiting" if at < self.not_before else "usable"

    @property
    def source(self) -> str:
        """Of the grants that come from it."""
        return f"{ACTIVATION}{self.id}"


@dataclass(frozen=True)
class Activation:
    """One use. ticket: empty for none. request: what was approved; None where nothing had to be."""

    grant: Grant
    eligibility: str
    reason: str
    ticket: str
    request: str | None = None


def add_eligibility(
    connection: Connection,
    rules: Rules,
    wanted: Eligibility,
    *,
    random: Callable[[int], bytes] = os.urandom,
) -> Eligibility:
    """Let the person activate the role; durable with the caller's transaction.

    wanted: all but the id, which is made here. Raises InvalidInput for what cannot be; Refused when
    somebody would do it for themselves; Conflict when there is one already that can be used.
    """
    check_giveable(rules, wanted.subject, wanted.role, wanted.department)
    if not wanted.subject.startswith("user:"):
        raise InvalidInput.at("subject", "only people activate roles; write user:<name or id>")
    if not (is_grantee(wanted.granted_by) or wanted.granted_by in LOCAL_SUBJECTS):
        raise InvalidInput.at("granted_by", "must be a person, a service account or the operator")
    if wanted.granted_by == wanted.subject:
        raise Refused("nobody can give a role to themselves; ask another administrator")
    at, ends, claim = wanted.created_at, wanted.expires_at, wanted.claim_by
    if ends is not None and ends <= max(at, wanted.not_before):
        raise InvalidInput.at("expires_at", "must lie after the start and in the future")
    if claim is not None and not (
        max(at, wanted.not_before) < claim and (ends is None or claim <= ends)
    ):
        raise InvalidInput.at("claim_by", "must lie after the start and not after the end")
    if wanted.most_seconds < 1:
        raise InvalidInput.at("minutes", "must be at least 1")
    # As for grants: on PostgreSQL, changes of who may do what wait for each other.
    raise_epoch(connection, POLICY)
    kept = role_eligibility.c
    same = (
        kept.subject == wanted.subject,
        kept.role == wanted.role,
        kept.department == wanted.department,
        kept.revoked_at.is_(None),
    )
    for found in _listed(connection, *same):
        if found.state(at) not in ("ended", "lapsed"):
            raise Conflict(
                f"{found.subject} may activate {found.role} in {found.department} already; remove "
                f"{found.id} first"
            )
        # One that is over still holds the place in the index.
        connection.execute(
            update(role_eligibility).where(kept.id == found.id).values(revoked_at=at)
        )
    made = Eligibility(**{**vars(wanted), "id": f"e{random(10).hex()}"})
    connection.execute(insert(role_eligibility).values(**vars(made)))
    return made


def read_eligibility(connection: Connection, eligibility_id: str) -> Eligibility:
    """The eligibility with this id. Raises NotFound."""
    for found in _listed(connection, role_eligibility.c.id == eligibility_id):
        return found
    raise NotFound(f"there is no eligibility {eligibility_id[:64]!r}")


def list_eligibilities(
    connection: Connection,
    *,
    subject: str | None = None,
    role: str | None = None,
    department: str | None = None,
    standing_at: int | None = None,
) -> tuple[Eligibility, ...]:
    """Those that fit, oldest first. standing_at: without those that are over at that moment."""
    kept = role_eligibility.c
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (kept.subject, subject),
        (kept.role, role),
        (kept.department, department),
    ):
        if value is not None:
            conditions.append(column == value)
    if standing_at is not None:
        conditions += [
            kept.revoked_at.is_(None),
            or_(kept.expires_at.is_(None), kept.expires_at > standing_at),
            or_(kept.claimed_at.is_not(None), kept.claim_by.is_(None), kept.claim_by > standing_at),
        ]
    return _listed(connection, *conditions)


def remove_eligibility(
    connection: Connection, eligibility_id: str, *, at: int
) -> tuple[Eligibility, tuple[Grant, ...]]:
    """End it at the moment `at`, and its running activation in the same transaction.

    Returns it as it was, with the grants that ended. Raises NotFound; Conflict when it was removed.
    """
    found = read_eligibility(connection, eligibility_id)
    if found.revoked_at is not None:
        raise Conflict("it was removed already")
    raise_epoch(connection, POLICY)
    connection.execute(
        update(role_eligibility)
        .where(role_eligibility.c.id == eligibility_id)
        .values(revoked_at=at)
    )
    return found, end_activations(connection, found.subject, at=at, source=found.source)


def note_use(
    connection: Connection,
    found: Eligibility,
    grant: Grant,
    *,
    reason: str,
    ticket: str,
    request: str | None,
) -> Activation:
    """Keep why it was used; from the first use on it does not lapse any more."""
    at = grant.created_at
    connection.execute(
        update(role_eligibility)
        .where(role_eligibility.c.id == found.id, role_eligibility.c.claimed_at.is_(None))
        .values(claimed_at=at)
    )
    connection.execute(
        insert(role_activation).values(
            grant_id=grant.id,
            eligibility=found.id,
            reason=reason,
            ticket=ticket,
            request=request,
            created_at=at,
        )
    )
    return Activation(grant, found.id, reason, ticket, request)


def end_activations(
    connection: Connection, subject: str, *, at: int, source: str = ACTIVATION
) -> tuple[Grant, ...]:
    """End what the person has activated at the moment `at`. source: of which eligibility."""
    running = list_grants(connection, subject=subject, standing_at=at)
    return tuple(
        revoke_grant(connection, grant.id, at=at)
        for grant in running
        if grant.source.startswith(source)
    )


def activations_of(
    connection: Connection, eligibility_ids: tuple[str, ...], limit: int = 1000
) -> tuple[Activation, ...]:
    """The uses of these, the newest first."""
    kept = role_activation.c
    rows = connection.execute(
        select(role_activation)
        .where(kept.eligibility.in_(eligibility_ids))
        .order_by(kept.created_at.desc(), kept.grant_id)
        .limit(limit)
    ).all()
    found = {grant.id: grant for grant in list_grants(connection, ids=[r.grant_id for r in rows])}
    return tuple(
        Activation(found[row.grant_id], row.eligibility, row.reason, row.ticket, row.request)
        for row in rows
    )


def _listed(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Eligibility, ...]:
    kept = role_eligibility.c
    rows = connection.execute(
        select(role_eligibility).where(*conditions).order_by(kept.created_at, kept.id)
    )
    return tuple(Eligibility(**row._asdict()) for row in rows)

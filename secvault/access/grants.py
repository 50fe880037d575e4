"""Who was given which role, where, and from when until when: rows of the store.

Every change raises the policy's epoch in the caller's transaction, so that each process sees it
with its next decision. The role counts while `not_before <= now < expires_at`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from secvault.access.publication import newest_number
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ALL,
    BROKEN_GLASS,
    DEPARTMENTS,
    EMERGENCY_ROLE,
    GRANTED_EVERYWHERE,
    IN_ANY_DEPARTMENT,
    LOCAL_SUBJECTS,
    PROVIDERS,
    RESERVED_ROLES,
    department_of,
    is_grantee,
)
from secvault.clock import timestamp
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.store.epoch import POLICY, raise_epoch
from secvault.store.tables import epoch, role_grant, role_grant_end

ACTIVATION, REQUEST = "activation:", "request:"
PASSING = (ACTIVATION, "break-glass:")
"""How the sources of grants begin that end within hours by design: no quorum is built on them."""


@dataclass(frozen=True)
class Grant:
    """A role given to a subject in a department. Times in microseconds since the epoch, UTC.

    source: empty for what was granted here; else the provider that it comes from (`provided`),
    `activation:<id>` of an eligibility, `request:<id>` of what was asked for and approved, or
    `break-glass:<id>`.
    """

    id: str
    subject: str
    role: str
    department: str
    not_before: int
    expires_at: int | None
    granted_by: str
    created_at: int
    revoked_at: int | None = None
    source: str = ""

    def valid(self, at: int) -> bool:
        """Whether the role counts at the moment `at`."""
        started = self.not_before <= at
        ended = self.expires_at is not None and self.expires_at <= at
        return started and not ended and self.revoked_at is None

    @property
    def passing(self) -> bool:
        """Whether it is for the moment only, as an activation is."""
        return self.source.startswith(PASSING)


_COLUMNS = tuple(Grant.__dataclass_fields__)
_ROW = attrgetter(*_COLUMNS)
_NONE: Mapping[str, Grant] = MappingProxyType({})


def add_grant(
    connection: Connection,
    rules: Rules,
    *,
    subject: str,
    role: str,
    department: str,
    granted_by: str,
    at: int,
    not_before: int | None = None,
    expires_at: int | None = None,
    source: str = "",
    random: Callable[[int], bytes] = os.urandom,
) -> Grant:
    """Give `subject` the role; durable with the caller's transaction.

    subject: `user:<id>` or `svc:<id>`, which the caller knows to exist. department: the role's
    own; for some roles any, or `*` for all. not_before: from `at` on when None. expires_at: never
    when None. Raises InvalidInput for a role, department or time that cannot be; Refused when
    somebody gives a role to themselves; Conflict when the same grant is in force already.
    """
    taken = source.startswith(BROKEN_GLASS)
    if taken:
        check_grantable(rules, subject, role, department)
    else:
        check_giveable(rules, subject, role, department)
    start = at if not_before is None else not_before
    if expires_at is not None and expires_at <= max(at, start):
        raise InvalidInput.at("expires_at", "must lie after the start and in the future")
    by_provider = bool(source) and granted_by == PROVIDERS
    if not (is_grantee(granted_by) or granted_by in LOCAL_SUBJECTS or by_provider):
        raise InvalidInput.at("granted_by", "must be a person, a service account or the operator")
    if granted_by == subject and not taken:
        raise Refused("nobody can give a role to themselves; ask another administrator")
    # First, so that on PostgreSQL changes of grants wait for each other.
    raise_epoch(connection, POLICY)
    same = (
        role_grant.c.subject == subject,
        role_grant.c.role == role,
        role_grant.c.department == department,
        role_grant.c.revoked_at.is_(None),
    )
    ended = role_grant.c.expires_at <= at
    # A grant that ran out still holds the place in the index of live grants. It is closed as of
    # now: until now it stood there as one that had run out, and so it is found for the past.
    connection.execute(update(role_grant).where(*same, ended).values(revoked_at=at))
    if connection.execute(select(role_grant.c.id).where(*same)).first():
        raise Conflict(f"{subject} has {role} in {department} already; revoke that grant first")
    grant = Grant(
        f"g{random(10).hex()}",
        subject,
        role,
        department,
        start,
        expires_at,
        granted_by,
        at,
        source=source,
    )
    connection.execute(insert(role_grant).values(**vars(grant)))
    return grant


def revoke_grant(connection: Connection, grant_id: str, *, at: int) -> Grant:
    """End the grant at the moment `at`; durable with the caller's transaction.

    Raises NotFound; Conflict when it was revoked before.
    """
    raise_epoch(connection, POLICY)
    found = connection.execute(select(role_grant).where(role_grant.c.id == grant_id)).first()
    if found is None:
        raise NotFound(f"there is no grant {grant_id}")
    if found.revoked_at is not None:
        ended = min(found.revoked_at, found.expires_at or found.revoked_at)
        raise Conflict(f"the grant ended already, at {timestamp(ended)}")
    connection.execute(update(role_grant).where(role_grant.c.id == grant_id).values(revoked_at=at))
    return Grant(**{**found._asdict(), "revoked_at": at})


def shorten_grant(connection: Connection, grant_id: str, expires_at: int, *, at: int) -> Grant:
    """Have the grant end at `expires_at`, earlier than it would; with the caller's transaction.

    Raises NotFound; Conflict when it has ended; InvalidInput for an end that is no earlier or past.
    """
    raise_epoch(connection, POLICY)
    found = read_grant(connection, grant_id)
    if found.revoked_at is not None or (found.expires_at is not None and found.expires_at <= at):
        raise Conflict("the grant has ended already")
    if expires_at <= max(at, found.not_before):
        raise InvalidInput.at("expires_at", "must lie after the start and in the future")
    if found.expires_at is not None and expires_at >= found.expires_at:
        ends = timestamp(found.expires_at)
        raise InvalidInput.at("expires_at", f"must be earlier than its present end, {ends}")
    return _with_end(connection, found, expires_at, at)


def read_grant(connection: Connection, grant_id: str) -> Grant:
    """The grant with this id, also one that has ended. Raises NotFound."""
    found = connection.execute(select(role_grant).where(role_grant.c.id == grant_id)).first()
    if found is None:
        raise NotFound(f"there is no grant {grant_id[:64]!r}")
    return Grant(**found._asdict())


def extend_grant(connection: Connection, grant_id: str, *, at: int, expires_at: int) -> Grant:
    """Put the end off, of a grant that has not ended by the moment `at`.

    Durable with the caller's transaction. Raises NotFound; Conflict for one that has ended, has no
    end, or ends later than that.
    """
    raise_epoch(connection, POLICY)
    found = connection.execute(select(role_grant).where(role_grant.c.id == grant_id)).first()
    if found is None:
        raise NotFound(f"there is no grant {grant_id}")
    before = Grant(**found._asdict())
    over = before.revoked_at is not None or before.expires_at is None or before.expires_at <= at
    if over or (before.expires_at or 0) >= expires_at:
        raise Conflict("only a grant that has not ended is extended, and only to a later end")
    return _with_end(connection, before, expires_at, at)


def _with_end(connection: Connection, grant: Grant, expires_at: int, at: int) -> Grant:
    """Give the grant another end, and keep the one that it had."""
    kept = role_grant_end.c
    newest = select(func.coalesce(func.max(kept.number), 0)).where(kept.grant_id == grant.id)
    connection.execute(
        insert(role_grant_end).values(
            grant_id=grant.id,
            number=connection.execute(newest).scalar_one() + 1,
            changed_at=at,
            expires_at=grant.expires_at,
        )
    )
    connection.execute(
        update(role_grant).where(role_grant.c.id == grant.id).values(expires_at=expires_at)
    )
    return replace(grant, expires_at=expires_at)


def ends_of_then(connection: Connection, at: int) -> Mapping[str, int | None]:
    """The ends at the moment `at` of those grants that have another one since, by id."""
    kept = role_grant_end.c
    query = (
        select(kept.grant_id, kept.expires_at)
        .where(kept.changed_at > at)
        .order_by(kept.grant_id, kept.number.desc())
    )
    # The first change after that moment has the last word.
    return {row.grant_id: row.expires_at for row in connection.execute(query)}


def list_grants(
    connection: Connection,
    *,
    subject: str | None = None,
    role: str | None = None,
    department: str | None = None,
    valid_at: int | None = None,
    standing_at: int | None = None,
    ids: Iterable[str] | None = None,
    ends_by: int | None = None,
) -> tuple[Grant, ...]:
    """The grants that fit, oldest first; revoked and ended ones too unless a moment is given.

    valid_at: only those in force then. standing_at: also those that begin after that moment.
    ends_by: only those with an end until then.
    """
    conditions: list[ColumnElement[bool]] = []
    if ends_by is not None:
        conditions.append(role_grant.c.expires_at <= ends_by)
    if ids is not None:
        conditions.append(role_grant.c.id.in_(list(ids)))
    if subject is not None:
        conditions.append(role_grant.c.subject == subject)
    if role is not None:
        conditions.append(role_grant.c.role == role)
    if department is not None:
        conditions.append(role_grant.c.department == department)
    if valid_at is not None:
        conditions += [
            role_grant.c.revoked_at.is_(None),
            role_grant.c.not_before <= valid_at,
            or_(role_grant.c.expires_at.is_(None), role_grant.c.expires_at > valid_at),
        ]
    if standing_at is not None:
        conditions += [
            role_grant.c.revoked_at.is_(None),
            or_(role_grant.c.expires_at.is_(None), role_grant.c.expires_at > standing_at),
        ]
    query = select(role_grant).where(*conditions).order_by(role_grant.c.created_at, role_grant.c.id)
    return tuple(Grant(**row._asdict()) for row in connection.execute(query))


def check_giveable(rules: Rules, subject: str, role: str, department: str) -> None:
    """Return when somebody may give the role to the subject there, rather than an emergency only.

    Raises InvalidInput.
    """
    check_grantable(rules, subject, role, department)
    if role == EMERGENCY_ROLE:
        raise InvalidInput.at("role", f"{role} is given by breaking the glass, not by a grant")


def check_grantable(rules: Rules, subject: str, role: str, department: str) -> None:
    """Return when the subject can hold the role there. Raises InvalidInput naming the field."""
    if not is_grantee(subject):
        raise InvalidInput.at("subject", "write user:<id> or svc:<id>")
    if role not in rules.roles:
        raise InvalidInput.at("role", f"there is no role {role!r} in the policy")
    if role in RESERVED_ROLES:
        raise InvalidInput.at("role", f"{role} is kept for the server itself")
    if department == ALL and role not in GRANTED_EVERYWHERE:
        raise InvalidInput.at("department", f"{role} is granted in one department, not in all")
    if department not in (ALL, *DEPARTMENTS):
        raise InvalidInput.at("department", f"there are {', '.join(DEPARTMENTS)}")
    if role not in IN_ANY_DEPARTMENT and department != department_of(role):
        raise InvalidInput.at("department", f"{role} has rights in {department_of(role)} only")


class Live(NamedTuple):
    """What counts at one moment. published: the number of the policy in force, 0 for none."""

    epoch: int
    published: int
    grants: tuple[Grant, ...]


def read_live(connection: Connection, known: Mapping[str, Grant] = _NONE) -> Live:
    """The epoch, the policy in force, and every grant that is not revoked: in force, to come, or
    run out; unsorted.

    known: grants read before, by id; where the row says the same, the same object is returned.
    """
    # One statement, so that all are of the same moment on PostgreSQL too.
    query = (
        select(
            epoch.c.value,
            newest_number().label("published"),
            *(role_grant.c[name] for name in _COLUMNS),
        )
        .select_from(epoch.outerjoin(role_grant, role_grant.c.revoked_at.is_(None)))
        .where(epoch.c.name == POLICY)
    )
    found: list[Grant] = []
    value = published = 0
    for row in connection.execute(query).all():
        value, published, name = row[0], row[1] or 0, row[2]
        if name is None:
            break
        grant = known.get(name)
        # Comparing is several times quicker than making one, and most stay as they are.
        if grant is None or _ROW(grant) != row[2:]:
            grant = Grant(*row[2:])
        found.append(grant)
    return Live(value, published, tuple(found))


def close_run_out(connection: Connection, roles: Iterable[str], *, at: int) -> None:
    """Close the grants of these roles whose time is over; durable with the caller's transaction.

    A run-out grant of a role that no longer exists would make its holder's roles unreadable.
    """
    connection.execute(
        update(role_grant)
        .where(
            role_grant.c.role.in_(sorted(roles)),
            role_grant.c.revoked_at.is_(None),
            role_grant.c.expires_at <= at,
        )
        .values(revoked_at=at)
    )

"""Roles that come near their end: told of beforehand, and kept where nobody else would be left.

The end of a role is exact and asks nobody. So that a vault does not end with the roles of those who
look after it, the worker puts off, days before, the ends without which too few could approve
anything, or nobody could give a role. It is done for a month at a time, and on record each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from secvault import access
from secvault.access import ALL, Grant
from secvault.access.obligations import GIVE, roles_with
from secvault.service import authentication
from secvault.service.approvals.approvers import ENOUGH, HOME
from secvault.service.giving import DAY_MICROS, detail_of, give_role, is_privileged
from secvault.service.grants import privileged_without_end
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import role_grant_warning

AHEAD_DAYS = 7
"""How long before an end it is put off, so that the worker may rest for some days."""
KEPT_DAYS = 30
WARNED_MOST = 1_000
NO_END = -1

ADD = "grant.add"
_NEEDED = ((GIVE, ENOUGH), (ADD, 1))
"""By which action, and how many people must be able to do it in department `it`."""


@dataclass(frozen=True)
class DueWarning:
    """A grant that is to be told of. days: the number that was reached; `NO_END` for none."""

    grant: Grant
    days: int


def warn_of_ends(service: Service) -> tuple[str, ...]:
    """Put on record which roles end soon, or have no end but should; the ids that are news.

    Each number of days is told once over all nodes; the notices follow the record. Raises
    Unavailable, AuditUnavailable; what was done before stays so.
    """
    caller = Caller(authentication.jobs())
    with service.store.read() as connection:
        due = _due(service, connection)
    return tuple(each.grant.id for each in due[:WARNED_MOST] if _warned(service, caller, each))


def keep_enough(service: Service) -> tuple[Grant, ...]:
    """Put off the ends without which too few could approve, or nobody give a role; the new ends.

    Counts people who are active and have signed in. One whose end has passed while no worker ran,
    and while nobody else was left, gets the role again from now on; what ended while there were
    enough others stays ended. Raises Unavailable, AuditUnavailable.
    """
    caller = Caller(authentication.jobs())
    with service.store.read() as connection:
        wanted = _to_keep(service, connection)
    return tuple(kept for grant in wanted if (kept := _kept(service, caller, grant)) is not None)


def _due(service: Service, connection: Connection) -> list[DueWarning]:
    now, numbers = service.clock.micros(), service.settings.grants.warn_days
    told = {
        row.grant_id: row.days
        for row in connection.execute(
            select(role_grant_warning.c.grant_id, role_grant_warning.c.days)
        )
    }
    due = [
        DueWarning(grant, NO_END)
        for grant in privileged_without_end(service, connection)
        if grant.id not in told
    ]
    for grant in access.list_grants(connection, valid_at=now):
        end = grant.expires_at
        if end is None or grant.passing:
            continue
        # A number counts only for what lasts longer, so that nothing is told on the day it is made.
        lasts = end - max(grant.not_before, grant.created_at)
        reached = [n for n in numbers if end - now <= n * DAY_MICROS < lasts]
        before = told.get(grant.id)
        if reached and (before is None or min(reached) < before):
            due.append(DueWarning(grant, min(reached)))
    return due


def _warned(service: Service, caller: Caller, due: DueWarning) -> bool:
    def act(connection: Connection) -> Outcome[bool]:
        first = _mark(connection, due)
        detail: dict[str, str | int | bool] = {
            "grant": due.grant.id,
            "role": due.grant.role,
            "subject": due.grant.subject,
            "privileged": is_privileged(service, due.grant.role),
        }
        if due.grant.expires_at is not None:
            detail |= {"expires_at": due.grant.expires_at, "days": due.days}
        return Outcome(first, count=int(first), detail=detail)

    return service.spine.change(caller, _operation("grant.warn"), act)


def _mark(connection: Connection, due: DueWarning) -> bool:
    """Note that it was told; False when that was done before, here or elsewhere."""
    kept = role_grant_warning
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    made = connection.execute(
        insert(kept).values(grant_id=due.grant.id, days=due.days).on_conflict_do_nothing()
    )
    if made.rowcount == 1:
        return True
    fewer = connection.execute(
        update(kept)
        .where(kept.c.grant_id == due.grant.id, kept.c.days > due.days)
        .values(days=due.days)
    )
    return fewer.rowcount == 1


def _to_keep(service: Service, connection: Connection) -> list[Grant]:
    found: dict[str, Grant] = {}
    for action, enough in _NEEDED:
        for grant in _needed(service, connection, action, enough):
            found[grant.id] = grant
    return list(found.values())


def _needed(service: Service, connection: Connection, action: str, enough: int) -> Sequence[Grant]:
    """The grants to put off so that `enough` people can do the action, the latest end first."""
    now = service.clock.micros()
    horizon = now + AHEAD_DAYS * DAY_MICROS
    roles = roles_with(service.policy.rules, {action})
    of_people = [
        grant
        for grant in access.list_grants(connection)
        if grant.role in roles
        and grant.department in (HOME, ALL)
        and grant.subject.startswith("user:")
        and not grant.passing
    ]
    # What somebody ended before its time is not given back.
    by_time = [each for each in of_people if each.revoked_at in (None, each.expires_at)]
    active = service.approvers.active(connection, {grant.subject for grant in by_time})
    present = [grant for grant in by_time if grant.subject in active]
    lasting = {grant.subject for grant in present if _outlasts(grant, horizon)}
    ending = sorted(
        (
            grant
            for grant in present
            if grant.subject not in lasting
            and grant.expires_at is not None
            and grant.not_before <= now
            and len(_others_at(of_people, grant)) < enough
        ),
        key=lambda grant: grant.expires_at or 0,
        reverse=True,
    )
    chosen: dict[str, Grant] = {}
    for grant in ending:
        if len(lasting) + len(chosen) >= enough:
            break
        chosen.setdefault(grant.subject, grant)
    return list(chosen.values())


def _outlasts(grant: Grant, moment: int) -> bool:
    return grant.revoked_at is None and (grant.expires_at is None or grant.expires_at > moment)


def _others_at(grants: Iterable[Grant], ending: Grant) -> set[str]:
    """Who else can, or could, do it at the moment when this one ends."""
    end = ending.expires_at or 0
    return {
        grant.subject
        for grant in grants
        if grant.subject != ending.subject
        and grant.not_before <= end
        and (grant.expires_at is None or grant.expires_at > end)
        and (grant.revoked_at is None or grant.revoked_at > end)
    }


def _kept(service: Service, caller: Caller, grant: Grant) -> Grant | None:
    def act(connection: Connection) -> Outcome[Grant | None]:
        # Looked at again: another node may have been faster, or somebody was named meanwhile.
        if grant.id not in {each.id for each in _to_keep(service, connection)}:
            return Outcome(None, count=0)
        now = service.clock.micros()
        end = now + KEPT_DAYS * DAY_MICROS
        if grant.revoked_at is None and (grant.expires_at or 0) > now:
            done = access.extend_grant(connection, grant.id, at=now, expires_at=end)
        else:
            done = give_role(
                service,
                connection,
                subject=grant.subject,
                role=grant.role,
                department=grant.department,
                granted_by=grant.granted_by,
                expires_at=end,
                source=grant.source,
            )
        detail = detail_of(service, done)
        del detail["privileged"], detail["not_before"]
        return Outcome(done, detail={**detail, "reason": "nobody-else-left"})

    return service.spine.change(caller, _operation("grant.extend"), act)


def _operation(action: str) -> Operation:
    return Operation(action, "it", "grants", "it/grants")

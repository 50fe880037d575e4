"""Accounts that lie idle, and grants that outlive their account, as auditors ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from secvault.audit.questions.saved import Row
from secvault.clock import timestamp
from secvault.identity import people, service_accounts
from secvault.service.reviews import population
from secvault.service.reviews.reports import Dormant, dormant_days, idle
from secvault.service.service import Service

NEVER, UNUSED, OWNER_OUT, DISABLED = "never used", "not used", "nobody answers", "disabled"


def idle_rows(service: Service, connection: Connection, days: int | None) -> Sequence[Row]:
    """People, systems and tokens that were not used for so many days or never, and accounts that
    are disabled and still have grants.

    days: None for `reviews.dormant_days`. Raises InvalidInput.
    """
    found = idle(service, connection, dormant_days(service, days))
    return [*(_row(one) for one in found), *_disabled(service, connection)]


def _row(one: Dormant) -> Row:
    states = {"never": NEVER, "owner_out": OWNER_OUT}
    return {
        "kind": one.kind,
        "id": one.id,
        "name": one.name,
        "state": states.get(one.note, UNUSED),
        "created": timestamp(one.since),
        "last_seen": "" if one.last_seen is None else timestamp(one.last_seen),
        "grants": one.grants,
    }


def _disabled(service: Service, connection: Connection) -> Sequence[Row]:
    held: dict[str, int] = {}
    for grant in population.standing_grants(connection, service.clock.micros()):
        held[grant.subject] = held.get(grant.subject, 0) + 1
    everybody = population.register(connection)
    gone = [
        ("person", f"user:{row.id}", row)
        for row in everybody.people.values()
        if row.state == people.DISABLED
    ] + [
        ("system", f"svc:{row.id}", row)
        for row in everybody.systems.values()
        if row.state != service_accounts.ACTIVE
    ]
    return [
        {
            "kind": kind,
            "id": subject,
            "name": row.name,
            "state": DISABLED,
            "created": timestamp(row.created_at),
            "last_seen": "" if (seen := everybody.last_seen(subject)) is None else timestamp(seen),
            "grants": held[subject],
        }
        for kind, subject, row in gone
        if held.get(subject)
    ]

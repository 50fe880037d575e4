"""What held at a moment, now or in the past: the policy, who was shut out, whether the vault was
sealed. Rebuilt from rows and from the audit log, which keeps every change.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from secvault.access import Snapshot
from secvault.access.conditions import CONDITIONS, Registry
from secvault.audit import search
from secvault.audit.event import Outcome
from secvault.errors import InvalidInput
from secvault.service.service import Service
from secvault.store.tables import approval_latch, person, service_account

_MICROSECOND = datetime.resolution
_DISABLED = "disabled"
# What seals the vault cannot be recorded afterwards, only announced.
_SEALING: tuple[tuple[str, Outcome], ...] = (("vault.seal", "intent"), ("vault.unseal", "ok"))
_SERVING: tuple[tuple[str, Outcome], ...] = (("audit.started", "ok"),)
_SHUT_OUT = ("person.disable", "service_account.disable")
_LET_IN = ("person.enable",)


def moment_of(text: str) -> int:
    """A moment that somebody wrote, in microseconds. Raises InvalidInput at `at`.

    text: RFC 3339, with the offset; the seconds may be left out: `2026-11-03T10:00Z`.
    """
    mend = "write a moment with its offset, such as 2026-11-03T10:00Z"
    try:
        found = datetime.fromisoformat(text.upper())
        if found.tzinfo is None:
            raise InvalidInput.at("at", mend)
        micros = (found.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
    except (ValueError, OverflowError):
        raise InvalidInput.at("at", mend) from None
    if micros < 0:
        raise InvalidInput.at("at", mend)
    return micros


def policy_of(
    service: Service,
    connection: Connection,
    at: int,
    *,
    epoch: int | None = None,
    known_until: int | None = None,
    registry: Registry = CONDITIONS,
) -> Snapshot:
    """The policy of the moment `at`: what was published and granted then.

    epoch, known_until, registry: as in `access.Policy.as_of`. Raises NotFound for a moment before
    the first one.
    """
    return service.policy.as_of(
        connection, at, epoch=epoch, known_until=known_until, registry=registry
    )


def suspended(connection: Connection, at: int | None) -> frozenset[str]:
    """The subjects that were shut out at the moment `at`; now when None."""
    if at is not None:
        changes = search.every(connection, (*_SHUT_OUT, *_LET_IN), until=at)
        found: set[str] = set()
        for stored in changes:
            event = stored.event
            whom = event.detail.get("subject") or f"user:{event.detail.get('person', '')}"
            if event.kind in _SHUT_OUT:
                found.add(str(whom))
            else:
                found.discard(str(whom))
        return frozenset(found)
    people = select(person.c.id).where(person.c.state == _DISABLED)
    systems = select(service_account.c.id).where(service_account.c.state == _DISABLED)
    return frozenset(
        {f"user:{row.id}" for row in connection.execute(people)}
        | {f"svc:{row.id}" for row in connection.execute(systems)}
    )


def was_sealed(connection: Connection, at: int) -> bool:
    """Whether the vault had been sealed by the moment `at`, and not opened again."""
    last = search.newest(connection, _SEALING, until=at)
    if last is None or last.event.kind != "vault.seal":
        return False
    # A seal that needs nobody opens when the service is started again.
    served = search.newest(connection, _SERVING, until=at, holding='"program":"web"')
    return served is None or served.seq < last.seq


def approvals_needed(connection: Connection, at: int) -> bool:
    """Whether there had been two who can approve by the moment `at`, so that approvals count."""
    latched = connection.execute(select(approval_latch.c.latched_at)).scalar()
    return latched is not None and latched <= at

"""A way in when every administrator is lost: opened by those who hold the seal, and by nobody else.

Whoever can open the root key owns the vault already; so their shares, or the passphrase, are proof
enough to let a new administrator in. Not at once: everybody who is still there is alarmed, and any
of them can stop it while it waits. A seal that needs nobody proves nothing, and opens no way in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import invitations, names
from secvault.identity.invitations import Issued
from secvault.service.authentication import local_operator
from secvault.service.break_glass import incidents
from secvault.service.break_glass.incidents import Incident
from secvault.service.break_glass.operations import LONGEST_REASON, operation
from secvault.service.sealing.opener import Opener
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

RECOVER = "break_glass.recover"
ADMINISTRATOR = "role:it.admin"
BY_PEOPLE = ("shares", "passphrase")
_HOUR, _MINUTE = 3600 * 1_000_000, 60


@dataclass(frozen=True)
class Proof:
    """That the seal's holders were there. kind: of the seal. threshold: how many it takes."""

    kind: str
    threshold: int


def prove(service: Service, ask: Callable[[int, int], Secret]) -> Proof:
    """Open the root by the seal once more, with what its holders give, and compare.

    ask: for one share or the passphrase; given how many were given so far, and how many it takes.
    Raises InvalidInput for a seal that needs nobody, and for a wrong share or passphrase.
    """
    opener = Opener(service.settings, service.store, service.clock, service.random)
    status = opener.status()
    if status.kind not in BY_PEOPLE:
        raise InvalidInput(
            f"the seal of this vault ({status.kind}) is opened by nobody in person, so nobody can "
            "prove that they hold it: see docs/how-to/break-glass.md"
        )
    try:
        root = None
        while root is None:
            root = opener.give(ask(opener.status().progress, status.threshold), remote=False)
        if root.key != service.keyring.roots.present.key:
            raise InvalidInput.at("key", "opens another root than that of the open vault")
    finally:
        opener.close()
    return Proof(status.kind, status.threshold)


def begin(service: Service, proof: Proof, reason: str) -> Incident:
    """Open a way in for one new administrator, that waits; everybody is alarmed.

    For the operator of this machine only. reason: 1 to 200 characters. Raises InvalidInput.
    """
    said = names.display_name(reason, "reason", LONGEST_REASON)
    caller, chosen = Caller(local_operator(service)), service.settings.break_glass

    def act(connection: Connection) -> Outcome[Incident]:
        now = service.clock.micros()
        waits = now + chosen.recovery_wait_hours * _HOUR
        incident = Incident(
            id=f"r{service.random(10).hex()}",
            kind=incidents.RECOVERY,
            subject=caller.principal.subject,
            role=ADMINISTRATOR,
            reason=said,
            started_at=now,
            expires_at=waits + chosen.recovery_open_hours * _HOUR,
            review_by=waits + (chosen.recovery_open_hours + chosen.review_hours) * _HOUR,
        )
        incidents.add(connection, incident)
        detail: dict[str, str | int | bool] = {
            "incident": incident.id,
            "expires_at": incident.expires_at,
            "seal": proof.kind,
            "threshold": proof.threshold,
        }
        return Outcome(incident, detail=detail)

    return service.spine.change(caller, operation(RECOVER), act)


def issue(service: Service) -> Issued:
    """The code for the new administrator, shown once, when the wait is over and nobody stopped it.

    For the operator of this machine only. An earlier code is void. Raises Conflict.
    """
    caller = Caller(local_operator(service))

    def act(connection: Connection) -> Outcome[Issued]:
        waiting = _running(service, connection)
        if not waiting:
            raise Conflict("no way in is open; `secvault break-glass recover` opens one")
        if not _open(service, waiting):
            opens = opens_at(service, waiting[0])
            hours = -((service.clock.micros() - opens) // _HOUR)
            raise Conflict(f"it waits for {hours} hours more, for whoever is there to stop it")
        issued = invitations.issue_first(
            connection,
            service.clock,
            service.entrance.keys,
            seconds=service.settings.identity.bootstrap_minutes * _MINUTE,
            by=caller.principal.subject,
            random=service.random,
        )
        detail: dict[str, str | int | bool] = {
            "incident": _open(service, waiting)[0].id,
            "expires_at": issued.expires_at,
        }
        return Outcome(issued, detail=detail)

    return service.spine.change(
        caller, Operation("bootstrap.issue", "it", "people", "it/people"), act
    )


def use_up(service: Service, connection: Connection, subject: str) -> bool:
    """Whether a way in was open; this person's coming, in this transaction, uses it up."""
    found = _open(service, _running(service, connection))
    return bool(found) and incidents.end(connection, found[0].id, subject, service.clock.micros())


def _running(service: Service, connection: Connection) -> list[Incident]:
    """Those that nobody has stopped, the oldest first."""
    now = service.clock.micros()
    found = incidents.listed(connection, states=incidents.UNREVIEWED)
    return [one for one in reversed(found) if one.kind == incidents.RECOVERY and one.running(now)]


def _open(service: Service, running: list[Incident]) -> list[Incident]:
    now = service.clock.micros()
    return [one for one in running if opens_at(service, one) <= now]


def opens_at(service: Service, incident: Incident) -> int:
    """When the wait is over, microseconds, UTC."""
    return incident.expires_at - service.settings.break_glass.recovery_open_hours * _HOUR

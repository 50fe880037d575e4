"""One second factor of somebody taken away by an administrator: a phone that was lost.

It only takes away, so one administrator is enough: whoever is left with another factor signs in
with that one. The last one is ended by a reset alone, which takes a second person and gives its
owner a way back (`secvault.service.resets`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.errors import Conflict, NotFound
from secvault.identity import devices, passkeys, people, sessions
from secvault.identity.people import Person
from secvault.identity.principal import PASSKEY, TOTP
from secvault.service.factors import factors_in
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

FACTOR_REVOKE = "factor.revoke"


@dataclass(frozen=True)
class Revoked:
    """A factor that lets nobody in any more. kind: `totp` or `passkey`; name: as its owner has it.

    sessions_ended: all that its owner had.
    """

    person: Person
    factor: str
    kind: str
    name: str
    sessions_ended: int


def revoke_factor(service: Service, caller: Caller, person: str, factor: str) -> Revoked:
    """End one device or passkey of somebody, and all their sessions. person: name or id.

    factor: its id. Raises NotFound; Conflict for the last one in use, and for one's own, which
    takes the password (`own_factors`).
    """

    def act(connection: Connection) -> Outcome[Revoked]:
        found = people.by_name_or_id(connection, person)
        if found.subject == caller.principal.subject:
            raise Conflict("this is your own; remove it on your account's page, by your password")
        # Of the last two factors, taken away at the same moment, one stays.
        people.hold_person(connection, found.id)
        kind, name = _take_away(service, connection, found, factor)
        ended = sessions.end_all_sessions(connection, service.clock, found.id)
        return Outcome(
            Revoked(found, factor, kind, name, ended),
            detail={"person": found.id, "factor": kind, "device": factor},
        )

    return service.spine.change(caller, Operation(FACTOR_REVOKE, "it", "people", "it/people"), act)


def _take_away(
    service: Service, connection: Connection, person: Person, factor: str
) -> tuple[str, str]:
    known = factors_in(service, connection, person.id)
    device = next((one for one in known.devices if one.id == factor), None)
    passkey = next((one for one in known.passkeys if one.id == factor), None)
    if device is None and passkey is None:
        raise NotFound(f"this person has no factor with the id {factor[:64]!r}")
    if factor not in known.dispensable:
        raise Conflict(
            f"this is the last factor of {person.name}: reset the second factors instead, with a "
            "second person, so that they get back in"
        )
    if device is not None:
        devices.remove_device(connection, person.id, factor, other_factor=True)
        return TOTP, device.name
    return PASSKEY, passkeys.remove_passkey(connection, person.id, factor).name

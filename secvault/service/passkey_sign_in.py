"""Who is it, shown by a passkey or a recovery code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.identity import passkey_sign_in, recovery_codes
from secvault.identity.passkey_sign_in import Asked
from secvault.identity.principal import HEADER, Carrier
from secvault.identity.relying_party import RelyingParty
from secvault.identity.sign_in import SignedIn
from secvault.service.authentication import recorder, recording_refusals
from secvault.service.origin import Origin
from secvault.service.service import Service


@dataclass(frozen=True)
class Recovered:
    """Somebody whom a recovery code let in. left: how many codes they have now."""

    signed_in: SignedIn
    left: int


def party_of(service: Service) -> RelyingParty:
    """Who asks for passkeys, by the settings."""
    settings = service.settings
    return RelyingParty(
        settings.identity.webauthn.rp_id, settings.organisation, settings.webauthn_origins
    )


def ask_anybody(
    service: Service, request_id: str = "", *, address: str = "", agent: str = ""
) -> Mapping[str, Any]:
    """What the browser asks for to sign in without name and password.

    Raises TooManyAttempts when many were asked for from one network and not answered.
    """
    origin = Origin(address, agent)
    with recording_refusals(service, request_id, origin=origin):
        asked = passkey_sign_in.ask_anybody(service.entrance, party_of(service), address)
    return asked.options


def ask_after_password(
    service: Service,
    name: str,
    password: Secret,
    request_id: str = "",
    *,
    address: str = "",
    agent: str = "",
) -> Mapping[str, Any]:
    """What the browser asks for after the password. Raises as `authentication.begin_sign_in`."""
    origin = Origin(address, agent)

    def record(connection: Connection, asked: Asked) -> None:
        event = Event(
            kind="auth.first_factor",
            outcome="ok",
            actor=Actor("user", asked.person),
            resource=f"it/people/{asked.person}",
            department="it",
            request=request_id,
            detail={"factor": "password", "method": "passkey"},
            personal=origin.personal(name),
        )
        service.audit.enqueue(connection, event)

    with recording_refusals(service, request_id, origin=origin):
        asked = passkey_sign_in.ask_after_password(
            service.entrance, party_of(service), name, password, address=address, record=record
        )
    service.audit.kick()
    return asked.options


def complete(
    service: Service,
    answer: Mapping[str, Any],
    request_id: str = "",
    *,
    address: str = "",
    carrier: Carrier = HEADER,
    agent: str = "",
) -> SignedIn:
    """A session for whoever answers a challenge with their passkey.

    Raises NotAuthenticated, the same for every cause; the audit log keeps the cause.
    """
    origin = Origin(address, agent)
    with recording_refusals(service, request_id, origin=origin):
        signed_in = passkey_sign_in.complete(
            service.entrance,
            party_of(service),
            answer,
            address=address,
            carrier=carrier,
            record=recorder(service, request_id, "passkey", origin=origin),
        )
    service.audit.kick()
    return signed_in


def recover(
    service: Service,
    name: str,
    password: Secret,
    code: Secret,
    request_id: str = "",
    *,
    address: str = "",
    carrier: Carrier = HEADER,
    agent: str = "",
) -> Recovered:
    """A session for enrolling a new factor. Raises as `authentication.sign_in`."""
    origin = Origin(address, agent)
    with recording_refusals(service, request_id, origin=origin):
        signed_in = recovery_codes.sign_in(
            service.entrance,
            name,
            password,
            code,
            address=address,
            carrier=carrier,
            record=recorder(service, request_id, "recovery", origin=origin),
        )
    service.audit.kick()
    with service.store.read() as connection:
        state = recovery_codes.read_state(
            connection, signed_in.principal.id, service.entrance.attempts.lock_after
        )
    return Recovered(signed_in, state.left)

"""Who is it, shown by an identity provider: signing in, linking, and being signed out by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, delete, select

from secvault.audit.event import Actor, Event
from secvault.config import Settings
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound
from secvault.identity import external, federation, sessions
from secvault.identity.external import ExternalIdentity
from secvault.identity.federation import (
    Arrival,
    Begun,
    Completed,
    FederationRefused,
    Linked,
    SecondFactorNeeded,
)
from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.oidc.id_token import LogoutToken, Relying
from secvault.identity.oidc.provider import Found, Provider, ProviderSettings, Returned
from secvault.identity.principal import HEADER, Carrier, Principal
from secvault.identity.refusal import Reason
from secvault.identity.sign_in import SignedIn
from secvault.service import provided_roles
from secvault.service.authentication import recorder, recording_refusals
from secvault.service.origin import Origin
from secvault.service.provided_roles import PROGRAM
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of
from secvault.store.engine import insert_unless_there
from secvault.store.tables import federated_session, session, spent_logout_token

__all__ = ["Linked", "Returned", "SecondFactorNeeded"]

CALLBACK = "/api/v1/sign-in/oidc/{provider}/callback"


@dataclass(frozen=True)
class Way:
    """How somebody comes back. redirect_uri: exactly as it was sent. address, agent: theirs."""

    redirect_uri: str
    request_id: str = ""
    address: str = ""
    agent: str = ""

    @property
    def origin(self) -> Origin:
        """The two together."""
        return Origin(self.address, self.agent)


def provider_settings(settings: Settings, name: str) -> ProviderSettings:
    """A declared provider. Raises ConfigurationError when its secret cannot be read."""
    given = settings.identity.oidc[name]
    counts = given.second_factor == "provider"
    max_age: int | None = given.max_age_minutes * 60 or None
    if counts and max_age is None:
        # Without a limit it would not say when it saw the factor, and that could be long ago.
        max_age = settings.identity.session_hours * 3600
    return ProviderSettings(
        name=name,
        relying=Relying(given.issuer, given.client_id, frozenset(given.algorithms)),
        scopes=given.scopes,
        hosts=frozenset(given.hosts),
        secret=Secret.of(given.secret(f"identity.oidc.{name}")),
        key_file=given.client_key_file,
        ca_file=given.ca_file,
        acr_values=given.acr_values if counts else (),
        amr_values=given.amr_values if counts else (),
        max_age=max_age,
        name_claim=given.name_claim,
        groups_claim=given.groups_claim,
        groups_from_userinfo=given.groups_from == "userinfo",
        creates_people=given.unknown_people == "create",
        department=given.department,
        loopback_port=given.loopback_port,
    )


def provider_of(service: Service, name: str) -> Provider:
    """The provider of this name. Raises NotFound."""
    found = service.providers.get(name)
    if found is None:
        raise NotFound("there is no identity provider of this name in the settings")
    return found


def callback_of(service: Service, provider: str) -> str:
    """Where providers send browsers back to."""
    return service.settings.public_url + CALLBACK.format(provider=provider)


def begin(
    service: Service,
    name: str,
    redirect_uri: str,
    *,
    anew: bool = False,
    carrier: Carrier = HEADER,
    before: Principal | None = None,
) -> Begun:
    """Send somebody to a provider; see `federation.begin`. Raises NotFound, Unavailable."""
    provider = provider_of(service, name)
    return federation.begin(
        service.entrance, provider, redirect_uri, anew=anew, carrier=carrier, before=before
    )


def begin_link(service: Service, caller: Caller, name: str) -> Begun:
    """Send a person to a provider whose account there shall lead to them here."""
    provider = provider_of(service, name)
    operation = _own("identity.link", caller)
    service.spine.decide(caller, operation)

    def act() -> Outcome[Begun]:
        begun = federation.begin(
            service.entrance, provider, callback_of(service, name), linking=caller.principal
        )
        return Outcome(begun, detail={"person": caller.principal.id, "provider": name})

    return service.spine.work(caller, operation, act)


def complete(
    service: Service, name: str, returned: Returned, browser: Secret | None, way: Way
) -> Completed:
    """Take somebody who comes back from a provider.

    Raises NotAuthenticated, the same for every cause, which the audit log keeps; TooManyAttempts;
    NotFound, Unavailable.
    """
    provider = provider_of(service, name)
    mapped = service.settings.identity.oidc[name]
    opened = recorder(service, way.request_id, "oidc", name, way.origin)
    of_provider = {"provider": name}

    def admit(connection: Connection, person: str, found: Found) -> None:
        wanted = provided_roles.places_of(mapped, found.groups)
        provided_roles.give(
            service,
            connection,
            person=person,
            kind="oidc",
            provider=name,
            wanted=wanted,
            request_id=way.request_id,
        )
        # What ended just now may be given by a group of SCIM, too, which had no need to say so.
        for scim in service.settings.identity.scim:
            provided_roles.give_by_scim(service, connection, person, scim, way.request_id)

    def created(connection: Connection, person: str) -> None:
        service.audit.enqueue(
            connection,
            _entry(
                "person.create", PROGRAM, person, way.request_id, {"person": person, **of_provider}
            ),
        )

    def replaced(connection: Connection, before: Principal) -> None:
        # As signing out there says it.
        entry = Event(
            kind="session.self",
            outcome="ok",
            actor=actor_of(before),
            resource=f"it/sessions/{before.credential}",
            department="it",
            request=way.request_id,
            detail={"session": before.credential},
        )
        service.audit.enqueue(connection, entry)

    def done(connection: Connection, completed: Completed) -> None:
        if isinstance(completed, SignedIn):
            opened(connection, completed)
            return
        who, person = Actor("user", completed.person), completed.person
        if isinstance(completed, SecondFactorNeeded):
            kind, detail = "auth.first_factor", {"factor": "oidc", "method": "oidc"}
        else:
            kind, detail = "identity.link", {"person": person}
        entry = _entry(kind, who, person, way.request_id, {**detail, **of_provider})
        entry = msgspec.structs.replace(entry, personal=way.origin.personal())
        service.audit.enqueue(connection, entry)

    with recording_refusals(service, way.request_id, provider=name, origin=way.origin):
        completed = federation.complete(
            service.entrance,
            provider,
            returned,
            browser,
            way.redirect_uri,
            Arrival(admit, created, replaced, done),
            address=way.address,
        )
    service.audit.kick()
    return completed


def show_second_factor(
    service: Service,
    request: str,
    code: Secret,
    request_id: str = "",
    address: str = "",
    carrier: Carrier = HEADER,
    agent: str = "",
) -> SignedIn:
    """The second step of somebody whom a provider has shown. Raises as `complete`; InvalidInput
    when the first step is unknown, over or used.
    """

    def record(connection: Connection, signed_in: SignedIn, provider: str) -> None:
        recorder(service, request_id, "oidc", provider, Origin(address, agent))(
            connection, signed_in
        )

    with recording_refusals(service, request_id, origin=Origin(address, agent)):
        signed_in = federation.show_second_factor(
            service.entrance, request, code, address=address, carrier=carrier, record=record
        )
    service.audit.kick()
    return signed_in


def own_identities(service: Service, caller: Caller) -> tuple[ExternalIdentity, ...]:
    """The providers that know the caller."""
    return service.spine.read(
        caller,
        _own("identity.read", caller),
        lambda connection: Outcome(external.of_person(connection, caller.principal.id)),
    )


def unlink(service: Service, caller: Caller, name: str) -> None:
    """Cut a link that the caller made; the roles that its groups gave end with it."""

    def act(connection: Connection) -> Outcome[None]:
        who = caller.principal.id
        external.remove_link(connection, name, who)
        provided_roles.give(service, connection, person=who, kind="oidc", provider=name, wanted=())
        return Outcome(None, detail={"person": who, "provider": name})

    service.spine.change(caller, _own("identity.unlink", caller), act)


def sign_out_there(service: Service, caller: Caller) -> str:
    """End the caller's session; where the browser goes to be signed out by the provider, too.

    Empty when the session was not opened by a provider, or it has no such place (RP-Initiated
    Logout 1.0). Raises InvalidInput for a token.
    """
    key_id = caller.principal.credential
    if caller.principal.kind != "user":
        raise InvalidInput("a token is no session; revoke it instead")

    def act(connection: Connection) -> Outcome[str]:
        provider = connection.execute(
            select(federated_session.c.provider).where(federated_session.c.session == key_id)
        ).scalar()
        sessions.end_session(connection, service.clock, key_id)
        return Outcome(provider or "", detail={"session": key_id})

    operation = Operation("session.self", "it", "session", f"it/sessions/{key_id}")
    name = service.spine.change(caller, operation, act)
    provider = service.providers.get(name)
    return provider.end_session_url(f"{service.settings.public_url}/") if provider else ""


def signed_out_there(service: Service, name: str, text: str, request_id: str = "") -> int:
    """End the sessions that a logout token names; how many (Back-Channel Logout 1.0).

    A token is good once. Raises NotAuthenticated for one that is not to be believed.
    """
    provider = provider_of(service, name)
    with recording_refusals(service, request_id, "auth.logged_out", provider=name):
        try:
            said = provider.logout_token(text)
        except NotBelieved as fault:
            raise FederationRefused(fault.reason) from None
        with service.store.write() as connection:
            if not _spend(connection, service, name, said):
                raise FederationRefused(Reason.REPLAYED)
            ended = _end(connection, service, name, said, request_id)
    service.audit.kick()
    return ended


def _spend(connection: Connection, service: Service, provider: str, said: LogoutToken) -> bool:
    kept = spent_logout_token.c
    now = service.clock.micros() // 1_000_000
    connection.execute(delete(spent_logout_token).where(kept.expires_at <= now))
    digest = hashlib.sha256(f"{provider}\x00{said.jti}".encode()).digest()
    values = {"digest": digest, "expires_at": said.expires_at}
    return insert_unless_there(connection, spent_logout_token, values)


def _end(
    connection: Connection, service: Service, provider: str, said: LogoutToken, request_id: str
) -> int:
    kept = federated_session.c
    question = (
        select(session.c.key_id, session.c.person)
        .join_from(federated_session, session)
        .where(kept.provider == provider, session.c.ended_at.is_(None))
    )
    if said.sid:
        question = question.where(kept.sid == said.sid)
    if said.subject:
        question = question.where(kept.subject == said.subject)
    rows = connection.execute(question).all()
    for row in rows:
        sessions.end_session(connection, service.clock, row.key_id)
        detail = {"provider": provider, "session": row.key_id}
        entry = _entry("auth.logged_out", PROGRAM, row.person, request_id, detail)
        service.audit.enqueue(connection, entry)
    return len(rows)


def _own(action: str, caller: Caller) -> Operation:
    return Operation(action, "it", "session", f"it/people/{caller.principal.id}/identities")


def _entry(
    kind: str, actor: Actor, person: str, request_id: str, detail: Mapping[str, str]
) -> Event:
    return Event(
        kind=kind,
        outcome="ok",
        actor=actor,
        resource=f"it/people/{person}",
        department="it",
        request=request_id,
        detail=detail,
    )

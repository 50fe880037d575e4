"""Signing in by an identity provider, and linking an account of one's own there.

The provider shows who it is; who that is here stands in `external`, and nowhere else. The second
factor is one of ours, unless the settings say which of the provider's count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, insert, select

from secvault.crypto import token
from secvault.crypto.aead import draw
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated
from secvault.identity import devices, external, federation_steps, names, people, places, sessions
from secvault.identity.external import Origin
from secvault.identity.federation_steps import Purpose, Step
from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.oidc.provider import Found, Provider, Returned, state_of
from secvault.identity.passwords import PasswordHash
from secvault.identity.people import NewPerson
from secvault.identity.principal import (
    HEADER,
    PROVIDER,
    PROVIDER_FACTOR,
    TOTP,
    Carrier,
    Principal,
)
from secvault.identity.refusal import Reason, SignInRefused
from secvault.identity.sign_in import Came, Entrance, SignedIn, let_in
from secvault.store.tables import federated_session, session

PREFIX = "svf"
BROWSER_BYTES = 32
UNKNOWN_REQUEST = "request: it is unknown, over or used; begin the sign-in anew"
_MICROS = 1_000_000
_LONGEST_NAME = 200


class FederationRefused(SignInRefused):
    """No entry by a provider. Its text is the same in every case; see SignInRefused."""

    def __init__(self, reason: Reason, person: str = "") -> None:
        super().__init__(reason, person)
        self.detail = (
            "The identity provider's answer lets nobody in here. Begin the sign-in anew; if it "
            "goes on, ask an administrator."
        )
        self.args = (self.detail,)


@dataclass(frozen=True)
class Begun:
    """A sign-in on its way. url: where the browser goes. browser: what only it keeps meanwhile."""

    url: str
    browser: Secret


@dataclass(frozen=True)
class SecondFactorNeeded:
    """Somebody whom the provider knows. request: `svf_...`, shown with a code of theirs, once."""

    person: str
    request: Secret


@dataclass(frozen=True)
class Linked:
    """Somebody whose account at the provider now leads here."""

    person: str


Completed = SignedIn | SecondFactorNeeded | Linked


@dataclass(frozen=True)
class Arrival:
    """What is done in the transaction in which somebody comes back from a provider.

    admit: makes their grants what the provider's groups say. created: notes a new person. replaced:
    notes the session that the browser had until now. done: puts the outcome on record.
    """

    admit: Callable[[Connection, str, Found], None]
    created: Callable[[Connection, str], None]
    replaced: Callable[[Connection, Principal], None]
    done: Callable[[Connection, Completed], None]


def begin(
    entrance: Entrance,
    provider: Provider,
    redirect_uri: str,
    *,
    anew: bool = False,
    linking: Principal | None = None,
    carrier: Carrier = HEADER,
    before: Principal | None = None,
) -> Begun:
    """Send a browser to the provider. linking: whose account there shall lead here.

    anew: whether the provider shall ask for the person's credentials even if it knows them.
    carrier: what the token of the session is to travel in. before: of the session that the browser
    has now, which ends when it gets another; it does not bring it when it comes back from another
    site. Raises Unavailable.
    """
    browser = Secret(draw(BROWSER_BYTES, entrance.random))
    max_age = 0 if anew else provider.settings.max_age
    url = provider.authorization_url(browser, redirect_uri, max_age, anew=anew)
    had = before.credential if before else None
    step = Step(Purpose.SIGN_IN, provider.name, redirect_uri, max_age, session=had, carrier=carrier)
    if linking is not None:
        step = replace(step, purpose=Purpose.LINK, person=linking.id, session=linking.credential)
    with entrance.store.write() as connection:
        federation_steps.keep(connection, entrance.clock, step, state_of(browser), browser)
    return Begun(url, browser)


def complete(
    entrance: Entrance,
    provider: Provider,
    returned: Returned,
    browser: Secret | None,
    redirect_uri: str,
    arrival: Arrival,
    *,
    address: str = "",
) -> Completed:
    """Take somebody who comes back. browser: what it kept; None when it kept nothing.

    The step is used up first, whatever comes then. Raises FederationRefused, the same for every
    cause; SignInDelayed after many failures from one network; Unavailable.
    """
    network = _count(entrance, address)
    taken = federation_steps.take(
        entrance.store, entrance.clock, returned.state, browser, provider.name
    )
    if taken is None or taken.step.purpose is Purpose.SECOND_FACTOR:
        raise FederationRefused(Reason.UNKNOWN_STATE)
    if not taken.same_browser or browser is None:
        raise FederationRefused(Reason.OTHER_BROWSER, taken.step.person or "")
    step = taken.step
    if step.redirect_uri != redirect_uri:
        raise FederationRefused(Reason.UNKNOWN_STATE)
    try:
        found = provider.redeem(returned, browser, redirect_uri, step.max_age)
    except NotBelieved as fault:
        raise FederationRefused(fault.reason, step.person or "") from None
    if step.purpose is Purpose.LINK:
        return _link(entrance, step, found, arrival, network)
    return _sign_in(entrance, provider, step, found, arrival, network)


def show_second_factor(
    entrance: Entrance,
    request: str,
    code: Secret,
    *,
    address: str = "",
    carrier: Carrier = HEADER,
    record: Callable[[Connection, SignedIn, str], None],
) -> SignedIn:
    """Let somebody in whom a provider has shown, and who shows a fresh code of their own now.

    record: gets the provider's name, too. Raises InvalidInput when there is no such request any
    more; SignInRefused for a wrong or used code, after which the request can be shown again.
    """
    try:
        token.parse(request, PREFIX)
    except NotAuthenticated:
        raise InvalidInput(UNKNOWN_REQUEST) from None
    network = _count(entrance, address)
    found = federation_steps.look_up(entrance.store, entrance.clock, request)
    if found is None or found[0].purpose is not Purpose.SECOND_FACTOR:
        raise InvalidInput(UNKNOWN_REQUEST)
    step = found[0]
    who = step.person or ""
    counted = devices.count_attempt(entrance.store, entrance.clock, who, entrance.attempts)
    shown = devices.check_code(counted, entrance.keys, code, entrance.clock)
    with entrance.store.write() as connection:
        places.forgive_network(connection, network, entrance.networks)
        people.hold_person(connection, who)
        devices.use_up(connection, entrance.clock, shown, who)
        if not federation_steps.use_up(connection, request):
            raise SignInRefused(Reason.CHANGED_MEANWHILE, who)
        _require_link(connection, step.provider, step.subject or "", who)
        new = places.remember(connection, who, network, entrance.clock.micros())
        came = Came(network, carrier)
        entered = let_in(connection, entrance, who, (PROVIDER, TOTP), shown.device, came)
        signed_in = replace(entered, new_network=new)
        _remember(connection, entrance, step.provider, signed_in, step.subject or "", step.sid)
        record(connection, signed_in, step.provider)
    return signed_in


def _sign_in(
    entrance: Entrance,
    provider: Provider,
    step: Step,
    found: Found,
    arrival: Arrival,
    network: str,
) -> SignedIn | SecondFactorNeeded:
    subject, sid = found.identity.subject, found.identity.sid or None
    unusable = _unusable_password(entrance, provider, subject)
    done: SignedIn | SecondFactorNeeded
    with entrance.store.write() as connection:
        # The network before the person, as where attempts are counted: no two wait for each other.
        places.forgive_network(connection, network, entrance.networks)
        who = _person(connection, entrance, provider, found, arrival, unusable)
        people.hold_person(connection, who)
        if people.read_person(connection, who).state != people.ACTIVE:
            raise FederationRefused(Reason.DISABLED, who)
        arrival.admit(connection, who, found)
        missing = None
        if provider.shows_second_factor(found.identity):
            new = places.remember(connection, who, network, entrance.clock.micros())
            seen = (found.identity.authenticated_at or 0) * _MICROS
            factors, came = (PROVIDER, PROVIDER_FACTOR), Came(network, step.carrier)
            entered = let_in(connection, entrance, who, factors, "", came, second_factor_at=seen)
            done = replace(entered, new_network=new)
            _end_replaced(connection, entrance, step, arrival)
            _remember(connection, entrance, provider.name, done, subject, sid)
            arrival.done(connection, done)
        else:
            missing = _without_device(connection, who)
            if missing is None:
                done = _ask_second_factor(connection, entrance, provider.name, who, subject, sid)
                arrival.done(connection, done)
    # What the provider said stands, and somebody new is there to be given a device.
    if missing is not None:
        raise FederationRefused(missing, who)
    return done


def _end_replaced(connection: Connection, entrance: Entrance, step: Step, arrival: Arrival) -> None:
    """End the session that the browser had when it left for the provider, if it is still open."""
    if step.session and sessions.end_session(connection, entrance.clock, step.session):
        arrival.replaced(connection, sessions.read_principal(connection, step.session))


def _person(
    connection: Connection,
    entrance: Entrance,
    provider: Provider,
    found: Found,
    arrival: Arrival,
    unusable: PasswordHash | None,
) -> str:
    known = external.find(connection, provider.name, subject=found.identity.subject)
    if known is not None:
        if known.deprovisioned_at is not None:
            raise FederationRefused(Reason.DISABLED, known.person)
        return known.person
    if unusable is None:
        raise FederationRefused(Reason.NOT_LINKED)
    try:
        new = _new_person(provider, found)
        made = people.create_person(connection, entrance.clock, new, unusable)
    except (InvalidInput, Conflict):
        # Somebody has that name already: whether it is the same person, a name cannot tell.
        raise FederationRefused(Reason.NAME_NOT_FREE) from None
    external.add(
        connection,
        entrance.clock,
        provider.name,
        made.id,
        Origin.CREATED,
        subject=found.identity.subject,
    )
    arrival.created(connection, made.id)
    return made.id


def _new_person(provider: Provider, found: Found) -> NewPerson:
    claims, settings = found.identity.claims, provider.settings
    name = claims.get(settings.name_claim)
    if not isinstance(name, str):
        raise InvalidInput.at(settings.name_claim, "is missing")
    shown = claims.get("name")
    display = shown if isinstance(shown, str) and 0 < len(shown) <= _LONGEST_NAME else name
    return NewPerson.of(name, names.display_name(display), settings.department)


def _unusable_password(entrance: Entrance, provider: Provider, subject: str) -> PasswordHash | None:
    """The hash of a password that nobody knows, for somebody new; None where nobody is created."""
    if not provider.settings.creates_people:
        return None
    with entrance.store.read() as connection:
        if external.find(connection, provider.name, subject=subject) is not None:
            return None
    return unusable_password(entrance)


def unusable_password(entrance: Entrance) -> PasswordHash:
    """The hash of a password that nobody knows. Takes long: not within a transaction."""
    return entrance.hasher.hash(Secret.of(draw(32, entrance.random).hex()))


def _link(entrance: Entrance, step: Step, found: Found, arrival: Arrival, network: str) -> Linked:
    who = step.person or ""
    with entrance.store.write() as connection:
        places.forgive_network(connection, network, entrance.networks)
        people.hold_person(connection, who)
        asked_in = connection.execute(
            select(session.c.ended_at, session.c.expires_at).where(
                session.c.key_id == step.session, session.c.person == who
            )
        ).one_or_none()
        over = (
            asked_in is None
            or asked_in.ended_at is not None
            or asked_in.expires_at <= entrance.clock.micros()
        )
        if over or people.read_person(connection, who).state != people.ACTIVE:
            raise FederationRefused(Reason.CHANGED_MEANWHILE, who)
        try:
            external.add(
                connection,
                entrance.clock,
                step.provider,
                who,
                Origin.LINKED,
                subject=found.identity.subject,
            )
        except Conflict:
            raise FederationRefused(Reason.LINKED_ALREADY, who) from None
        linked = Linked(who)
        arrival.done(connection, linked)
    return linked


def _without_device(connection: Connection, who: str) -> Reason | None:
    """Why nobody can show a code of theirs; None when they can."""
    states = {device.state for device in devices.list_devices(connection, who)}
    if devices.ACTIVE in states:
        return None
    return Reason.LOCKED if devices.LOCKED in states else Reason.NO_SECOND_FACTOR


def _ask_second_factor(
    connection: Connection,
    entrance: Entrance,
    provider: str,
    who: str,
    subject: str,
    sid: str | None,
) -> SecondFactorNeeded:
    minted = token.mint(PREFIX, entrance.random)
    step = Step(Purpose.SECOND_FACTOR, provider, "", person=who, subject=subject, sid=sid)
    federation_steps.keep(connection, entrance.clock, step, minted.text.text())
    return SecondFactorNeeded(who, minted.text)


def _require_link(connection: Connection, provider: str, subject: str, who: str) -> None:
    known = external.find(connection, provider, subject=subject)
    if known is None or known.person != who or known.deprovisioned_at is not None:
        raise SignInRefused(Reason.CHANGED_MEANWHILE, who)


def _remember(
    connection: Connection,
    entrance: Entrance,
    provider: str,
    signed_in: SignedIn,
    subject: str,
    sid: str | None,
) -> None:
    external.signed_in(connection, entrance.clock, provider, signed_in.principal.id)
    connection.execute(
        insert(federated_session).values(
            session=signed_in.principal.credential, provider=provider, subject=subject, sid=sid
        )
    )


def _count(entrance: Entrance, address: str) -> str:
    """Count the attempt against its network, as failed until it has succeeded."""
    network = places.network_of(address)
    with entrance.store.write() as connection:
        places.count_network(connection, network, entrance.clock.micros(), entrance.networks)
    return network

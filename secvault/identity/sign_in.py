"""Signing in: a name, a password and a code become a session, or nothing is said about why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import devices, names, passkeys, people, places, sessions, strangers
from secvault.identity.keys import IdentityKeys
from secvault.identity.passwords import PasswordHash, PasswordHasher
from secvault.identity.people import Person
from secvault.identity.places import NetworkLimits
from secvault.identity.principal import HEADER, PASSWORD, TOTP, Carrier, Principal
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sessions import SessionLimits
from secvault.identity.stored_costs import StoredCosts, chosen
from secvault.identity.throttle import AttemptLimits, Attempts, Setbacks
from secvault.store import Store
from secvault.store.tables import person


@dataclass(frozen=True)
class Entrance:
    """What people and systems sign in through.

    setbacks, costs: one for each process, for as long as it runs. waiting_room: entered for as long
    as a password is looked at; raises Overloaded when it is full.
    """

    store: Store
    clock: Clock
    keys: IdentityKeys
    hasher: PasswordHasher
    attempts: AttemptLimits = field(default_factory=AttemptLimits)
    sessions: SessionLimits = field(default_factory=SessionLimits)
    random: Random = os.urandom
    setbacks: Setbacks = field(default_factory=Setbacks)
    networks: NetworkLimits = field(default_factory=NetworkLimits)
    waiting_room: Callable[[], AbstractContextManager[None]] = nullcontext
    costs: StoredCosts = field(default_factory=StoredCosts)


@dataclass(frozen=True)
class Credentials:
    """What somebody typed: the sign-in name in any spelling, the password, the present code.

    address: the IP address that it came from; empty when there is none. carrier: what the session's
    token is to travel in.
    """

    name: str
    password: Secret
    code: Secret
    address: str = ""
    carrier: Carrier = HEADER


@dataclass(frozen=True)
class Came:
    """From which network somebody came, and what the token of the session is to travel in."""

    network: str = ""
    carrier: Carrier = HEADER


FROM_SOMEWHERE = Came()


@dataclass(frozen=True)
class SignedIn:
    """Somebody who is in. token: `svs_...`, to be handed over once. Times in microseconds, UTC.

    device: id of the TOTP device or passkey that was used; empty for a recovery code. new_network:
    see `places.remember`. carrier: what the token travels in.
    """

    principal: Principal
    token: Secret
    expires_at: int
    device: str
    new_network: bool = False
    carrier: Carrier = HEADER


@dataclass(frozen=True)
class Known:
    """Somebody whose attempt has been counted.

    network: that it came from; own_place: it was counted there, since they are at home in it.
    """

    id: str
    state: str
    password: PasswordHash
    network: str = ""
    own_place: bool = False


def sign_in(
    entrance: Entrance,
    given: Credentials,
    *,
    record: Callable[[Connection, SignedIn], None] = lambda _connection, _signed_in: None,
) -> SignedIn:
    """Let somebody in who shows both factors.

    Takes the store, because the attempt must be kept before it is checked: one transaction
    counts it against the person, one counts it against the TOTP devices once the password was
    right, and a third uses the code up and opens the session. record: runs in the third, so that
    the audit entry stands or falls with the session.

    Raises SignInRefused with one and the same sentence whether the name is unknown, the person
    disabled, the password or code wrong or used; each costs one password hash and one transaction.
    Raises SignInDelayed after several failures, for unknown names just the same, and after many
    from one network, whatever the names.
    """
    known = check_password(entrance, given.name, given.password, given.address)
    return enter(
        entrance,
        known,
        given.code,
        lambda: upgraded(entrance.hasher, known, given.password),
        record,
        given.carrier,
    )


def enter(
    entrance: Entrance,
    known: Known,
    code: Secret,
    password_hash: Callable[[], PasswordHash],
    record: Callable[[Connection, SignedIn], None],
    carrier: Carrier = HEADER,
) -> SignedIn:
    """The second half of `sign_in`: let somebody in whose password was right.

    password_hash: gives the one to keep from now on, once the code was right.
    """
    store, clock, keys = entrance.store, entrance.clock, entrance.keys
    try:
        counted = devices.count_attempt(store, clock, known.id, entrance.attempts)
    except SignInDelayed:
        # A delay of its own would tell that the password was right.
        raise SignInRefused(Reason.DELAYED, known.id) from None
    shown = devices.check_code(counted, keys, code, clock)
    fresh = password_hash()
    with store.write() as connection:
        forget_failures(entrance, connection, known)
        devices.use_up(connection, clock, shown, known.id)
        new = places.remember(connection, known.id, known.network, clock.micros())
        if fresh != known.password:
            kept = update(person).where(person.c.id == known.id)
            connection.execute(kept.values(password_hash=fresh))
        came = Came(known.network, carrier)
        entered = let_in(connection, entrance, known.id, (PASSWORD, TOTP), shown.device, came)
        signed_in = replace(entered, new_network=new)
        record(connection, signed_in)
    return signed_in


def let_in(
    connection: Connection,
    entrance: Entrance,
    person_id: str,
    factors: tuple[str, ...],
    device: str,
    came: Came = FROM_SOMEWHERE,
    second_factor_at: int | None = None,
) -> SignedIn:
    """Open a session, in the transaction that uses up what was shown.

    second_factor_at: when the second factor was shown, if that was not now. Raises SignInRefused
    when the person is not active any more.
    """
    came_in = connection.execute(
        update(person)
        .where(person.c.id == person_id, person.c.state == people.ACTIVE)
        .values(last_sign_in_at=entrance.clock.micros())
    )
    if came_in.rowcount != 1:
        raise SignInRefused(Reason.DISABLED, person_id)
    opened = sessions.open_session(
        connection,
        entrance.clock,
        entrance.keys,
        person_id,
        limits=entrance.sessions,
        factors=factors,
        carrier=came.carrier,
        network=came.network,
        second_factor_at=second_factor_at,
        random=entrance.random,
    )
    principal = sessions.read_principal(connection, opened.key_id)
    return SignedIn(principal, opened.text, opened.expires_at, device, carrier=came.carrier)


def prove_password(entrance: Entrance, name: str, password: Secret, address: str = "") -> Person:
    """The person whose password this is, and who has no second factor yet; opens nothing.

    For the first enrolment. Counts and answers as `sign_in` does; whoever has a second factor is
    refused like anybody else, so that this never tells a password right from wrong for them.
    """
    known = check_password(entrance, name, password, address)
    with entrance.store.write() as connection:
        present = devices.list_devices(connection, known.id)
        enrolled = any(device.state != devices.PENDING for device in present)
        if enrolled or passkeys.list_passkeys(connection, known.id):
            raise SignInRefused(Reason.SECOND_FACTOR_NEEDED, known.id)
        forget_failures(entrance, connection, known)
        return people.read_person(connection, known.id)


def check_password(entrance: Entrance, name: str, password: Secret, address: str = "") -> Known:
    """Count the attempt, whatever becomes of this process, and then look at the password.

    Raises SignInRefused, SignInDelayed; Overloaded when too many wait to be looked at. It counts as
    failed until `enter` has succeeded.
    """
    # Before the attempt is counted: who is turned away for want of room has not failed.
    with entrance.waiting_room():
        shares = entrance.costs.now(entrance.store, entrance.hasher.cost, entrance.clock.micros())
        known = _count_attempt(entrance, name, places.network_of(address))
        # For strangers, and for whoever is only invited and has no password, the same work.
        nobodys = chosen(shares, _digest(entrance, name))
        right = entrance.hasher.verify((known and known.password) or nobodys, password)
    if known is None:
        raise SignInRefused(Reason.UNKNOWN_PERSON)
    if known.state != people.ACTIVE:
        raise SignInRefused(Reason.DISABLED, known.id)
    if not right:
        raise SignInRefused(Reason.WRONG_PASSWORD, known.id)
    return known


def count_attempt(entrance: Entrance, name: str, address: str = "") -> Known:
    """Count an attempt by something else than the password, likewise, before it is looked at.

    Raises SignInRefused for whoever is unknown or disabled, SignInDelayed.
    """
    known = _count_attempt(entrance, name, places.network_of(address))
    if known is None:
        raise SignInRefused(Reason.UNKNOWN_PERSON)
    if known.state != people.ACTIVE:
        raise SignInRefused(Reason.DISABLED, known.id)
    return known


def _count_attempt(entrance: Entrance, name: str, network: str) -> Known | None:
    """The person of this name, the attempt counted in a transaction of its own; None: a stranger.

    Only a power cut could undo it, and nobody guesses by power cuts. Raises SignInDelayed.
    """
    now, limits = entrance.clock.micros(), entrance.attempts
    folded, digest = _folded(name), _digest(entrance, name)
    with entrance.store.write(lasting=False) as connection:
        places.count_network(connection, network, now, entrance.networks)
        row = connection.execute(
            select(person).where(person.c.name == folded).with_for_update()
        ).one_or_none()
        # The same statements for everybody, and one row written: times must not tell who exists.
        stranger = strangers.look_up(connection, digest, now)
        who = row.id if row else ""
        at_home = places.count_at_own_place(connection, who, network, now, limits)
        if row is None:
            strangers.count(connection, digest, stranger, now, limits)
            return None
        known = Known(row.id, row.state, PasswordHash(row.password_hash), network)
        if at_home:
            return replace(known, own_place=True)
        after = Attempts(row.failures, row.next_try_at).counted(now, limits, row.id)
        connection.execute(
            update(person)
            .where(person.c.id == row.id)
            .values(failures=after.failures, next_try_at=after.next_try_at)
        )
        return known


def _folded(name: str) -> str:
    """As names are kept. Empty for one that nobody can have: to say so would be another answer."""
    try:
        return names.sign_in_name(name)
    except InvalidInput:
        return ""


def _digest(entrance: Entrance, name: str) -> bytes:
    return strangers.digest_of(_folded(name) or name, entrance.keys.token_pepper)


def forget_failures(entrance: Entrance, connection: Connection, known: Known) -> None:
    """Forget the failures of somebody who is still as active, with the password that was shown.

    Those of elsewhere stay when the person is at home: they are somebody else's. Raises
    SignInRefused for whoever was changed meanwhile.
    """
    # In the order in which attempts are counted, so that no two wait for each other.
    places.forgive_network(connection, known.network, entrance.networks)
    kept = person.c
    stay = {"failures": kept.failures, "next_try_at": kept.next_try_at}
    same = connection.execute(
        update(person)
        .where(
            kept.id == known.id,
            kept.state == people.ACTIVE,
            kept.password_hash == known.password,
        )
        .values(stay if known.own_place else {"failures": 0, "next_try_at": 0})
    )
    if same.rowcount != 1:
        raise SignInRefused(Reason.CHANGED_MEANWHILE, known.id)
    places.forget_failures_at(connection, known.id, known.network)


def upgraded(hasher: PasswordHasher, known: Known, password: Secret) -> PasswordHash:
    """The hash at today's cost. Outside of any transaction, because it takes long."""
    return hasher.hash(password) if hasher.needs_upgrade(known.password) else known.password

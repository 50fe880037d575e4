"""Signing in with a passkey: after the password, or with nothing else.

A passkey that verified its user is two factors in itself (NIST SP 800-63B-4, 3.1.6), so a password
adds to it only for those who want to give one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select, update

from secvault.crypto.secret import Secret
from secvault.identity import challenges, passkeys, places, relying_party
from secvault.identity.challenges import Challenge, Purpose
from secvault.identity.passkeys import Verifier
from secvault.identity.passwords import PasswordHash
from secvault.identity.principal import HEADER, PASSKEY, PASSWORD, Carrier
from secvault.identity.refusal import Reason, SignInRefused
from secvault.identity.relying_party import Answer, Asserted, InvalidAnswer, RelyingParty
from secvault.identity.sign_in import (
    Came,
    Entrance,
    Known,
    SignedIn,
    check_password,
    forget_failures,
    let_in,
    upgraded,
)
from secvault.store.tables import person


@dataclass(frozen=True)
class Asked:
    """A challenge for the browser. person: whose password was right; empty without a name."""

    options: Mapping[str, Any]
    person: str = ""


def ask_anybody(entrance: Entrance, party: RelyingParty, address: str = "") -> Asked:
    """A challenge for whoever has a passkey of this service; tells nothing of anybody.

    It counts as a failure of the network that it is asked from until it is answered rightly:
    otherwise rows could be had for the asking. Raises SignInDelayed.
    """
    network, now = places.network_of(address), entrance.clock.micros()
    with entrance.store.write() as connection:
        places.count_network(connection, network, now, entrance.networks)
        challenge = challenges.issue(
            connection, entrance.clock, Challenge(Purpose.SIGN_IN), entrance.random
        )
    return Asked(relying_party.request_options(party, challenge))


def ask_after_password(
    entrance: Entrance,
    party: RelyingParty,
    name: str,
    password: Secret,
    *,
    address: str = "",
    record: Callable[[Connection, Asked], None] = lambda _connection, _asked: None,
) -> Asked:
    """A challenge for the passkeys of somebody whose password is right.

    The attempt counts as failed until the passkey was shown, as in `two_steps`. Raises
    SignInRefused, also for somebody without a passkey, and SignInDelayed.
    """
    known = check_password(entrance, name, password, address)
    fresh = upgraded(entrance.hasher, known, password)
    with entrance.store.write() as connection:
        kept = connection.execute(
            update(person)
            .where(person.c.id == known.id, person.c.password_hash == known.password)
            .values(password_hash=fresh)
        )
        if kept.rowcount != 1:
            raise SignInRefused(Reason.CHANGED_MEANWHILE, known.id)
        allowed = passkeys.credential_ids(connection, known.id)
        if not allowed:
            raise SignInRefused(Reason.NO_SECOND_FACTOR, known.id)
        changed_at = select(person.c.password_changed_at).where(person.c.id == known.id)
        about = Challenge(
            Purpose.SECOND_FACTOR,
            known.id,
            password_changed_at=connection.execute(changed_at).scalar_one(),
        )
        challenge = challenges.issue(connection, entrance.clock, about, entrance.random)
        asked = Asked(relying_party.request_options(party, challenge, allowed), known.id)
        record(connection, asked)
    return asked


def complete(
    entrance: Entrance,
    party: RelyingParty,
    given: Mapping[str, Any],
    *,
    address: str = "",
    carrier: Carrier = HEADER,
    record: Callable[[Connection, SignedIn], None] = lambda _connection, _signed_in: None,
) -> SignedIn:
    """Let somebody in who answers a challenge with their passkey.

    given: what the browser's `toJSON` made of the answer. Raises SignInRefused, whatever is wrong.
    """
    answer = read(given)
    challenge = challenges.take(entrance.store, entrance.clock, answer.challenge)
    if challenge is None or challenge.purpose not in (Purpose.SIGN_IN, Purpose.SECOND_FACTOR):
        raise SignInRefused(Reason.UNKNOWN_CHALLENGE)
    named = challenge.purpose is Purpose.SIGN_IN
    shown, asserted = check(entrance, party, answer, challenge.person, handle_needed=named)
    factors = (PASSKEY,) if named else (PASSWORD, PASSKEY)
    network = places.network_of(address)
    with entrance.store.write() as connection:
        if named:
            places.forgive_network(connection, network, entrance.networks)
        else:
            _keep_password(entrance, connection, challenge, network)
        # The person before the passkey, as where passkeys are removed: no two wait for each other.
        came = Came(network, carrier)
        entered = let_in(connection, entrance, shown.person, factors, shown.id, came)
        passkeys.note_use(connection, entrance.clock, shown, asserted)
        new = places.remember(connection, shown.person, network, entrance.clock.micros())
        signed_in = replace(entered, new_network=new)
        record(connection, signed_in)
    return signed_in


def read(given: Mapping[str, Any]) -> Answer:
    """The answer of an authenticator. Raises SignInRefused when it cannot be read."""
    try:
        return relying_party.read_assertion(given)
    except InvalidAnswer:
        raise SignInRefused(Reason.WRONG_PASSKEY) from None


def check(
    entrance: Entrance,
    party: RelyingParty,
    answer: Answer,
    person_id: str | None,
    *,
    handle_needed: bool,
) -> tuple[Verifier, Asserted]:
    """The passkey behind a valid answer. person_id: whose it must be; None for anybody's.

    handle_needed: whether the answer must name its person, as it does when it was asked for
    without saying whose. Raises SignInRefused. The count is checked by `passkeys.note_use`.
    """
    with entrance.store.read() as connection:
        known = passkeys.find_verifier(connection, answer.credential_id)
    if known is None:
        raise SignInRefused(Reason.UNKNOWN_PASSKEY, person_id or "")
    handle = answer.user_handle
    right_handle = handle == known.person.encode() or (handle is None and not handle_needed)
    if not right_handle or person_id not in (None, known.person):
        raise SignInRefused(Reason.WRONG_PASSKEY, person_id or known.person)
    try:
        return known, relying_party.check_assertion(party, answer, known.public_key)
    except InvalidAnswer:
        raise SignInRefused(Reason.WRONG_PASSKEY, known.person) from None


def _keep_password(
    entrance: Entrance, connection: Connection, challenge: Challenge, network: str
) -> None:
    """Hold the password's step to what it was, and forget the person's failures."""
    who = challenge.person or ""
    row = connection.execute(
        select(person.c.state, person.c.password_hash, person.c.password_changed_at).where(
            person.c.id == who
        )
    ).one()
    if row.password_changed_at != challenge.password_changed_at:
        raise SignInRefused(Reason.CHANGED_MEANWHILE, who)
    at_home = places.is_own(connection, who, network, entrance.clock.micros())
    known = Known(who, row.state, PasswordHash(row.password_hash), network, at_home)
    forget_failures(entrance, connection, known)

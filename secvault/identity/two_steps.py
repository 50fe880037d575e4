"""Signing in by two steps: first the password, then within minutes the code, as the peer has it.

The first step answers whether the password was right, which `sign_in` never does. So it counts as a
failed attempt until the second has succeeded, and those who cannot take that get a plain no.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from secvault.crypto import token
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotAuthenticated
from secvault.identity import devices, people, places
from secvault.identity.keys import IdentityKeys
from secvault.identity.passwords import PasswordHash
from secvault.identity.refusal import Reason, SignInRefused
from secvault.identity.sign_in import (
    Entrance,
    Known,
    SignedIn,
    check_password,
    enter,
    upgraded,
)
from secvault.store.tables import mfa_request, person

PREFIX = "svm"
REQUEST_SECONDS = 5 * 60
"""How long the second step may take, as in the peer."""

UNKNOWN_REQUEST = "invalid request ID"
_MICROS = 1_000_000


@dataclass(frozen=True)
class FirstStep:
    """A password that was right. request: `svm_...`, which the second step shows, once."""

    person: str
    request: Secret


def begin(
    entrance: Entrance,
    name: str,
    password: Secret,
    *,
    address: str = "",
    record: Callable[[Connection, FirstStep], None] = lambda _connection, _step: None,
) -> FirstStep:
    """Take the password of somebody who has a second factor.

    Raises SignInRefused and SignInDelayed as `sign_in` does; also for somebody without a second
    factor, or with a locked one only, whose password was right.
    """
    known = check_password(entrance, name, password, address)
    fresh = upgraded(entrance.hasher, known, password)
    minted = token.mint(PREFIX, entrance.random)
    now = entrance.clock.micros()
    with entrance.store.write() as connection:
        present = devices.list_devices(connection, known.id)
        states = {device.state for device in present}
        if devices.ACTIVE not in states:
            locked = devices.LOCKED in states
            raise SignInRefused(Reason.LOCKED if locked else Reason.NO_SECOND_FACTOR, known.id)
        kept = connection.execute(
            update(person)
            .where(person.c.id == known.id, person.c.password_hash == known.password)
            .values(password_hash=fresh)
        )
        if kept.rowcount != 1:
            raise SignInRefused(Reason.CHANGED_MEANWHILE, known.id)
        connection.execute(delete(mfa_request).where(mfa_request.c.expires_at <= now))
        changed_at = select(person.c.password_changed_at).where(person.c.id == known.id)
        connection.execute(
            insert(mfa_request).values(
                digest=_digest(entrance.keys, minted.text.text()),
                person=known.id,
                password_changed_at=connection.execute(changed_at).scalar_one(),
                expires_at=now + REQUEST_SECONDS * _MICROS,
            )
        )
        begun = FirstStep(known.id, minted.text)
        record(connection, begun)
    return begun


def complete(
    entrance: Entrance,
    request: str,
    code: Secret,
    *,
    address: str = "",
    record: Callable[[Connection, SignedIn], None] = lambda _connection, _signed_in: None,
) -> SignedIn:
    """Let somebody in whose password was right a moment ago, and who shows a fresh code now.

    Raises InvalidInput when there is no such request any more; SignInRefused for a wrong or used
    code, after which the request can be shown again with another.
    """
    digest = _digest(entrance.keys, request)
    network, now = places.network_of(address), entrance.clock.micros()
    with entrance.store.read() as connection:
        row = connection.execute(
            select(
                mfa_request.c.person,
                mfa_request.c.password_changed_at.label("then"),
                person.c.password_changed_at,
                person.c.password_hash,
                person.c.state,
            )
            .join_from(mfa_request, person)
            .where(
                mfa_request.c.digest == digest,
                mfa_request.c.expires_at > now,
            )
        ).one_or_none()
        at_home = row is not None and places.is_own(connection, row.person, network, now)
    if row is None:
        raise InvalidInput(UNKNOWN_REQUEST)
    if row.state != people.ACTIVE:
        raise SignInRefused(Reason.DISABLED, row.person)
    if row.then != row.password_changed_at:
        raise SignInRefused(Reason.CHANGED_MEANWHILE, row.person)

    def use_request(connection: Connection, signed_in: SignedIn) -> None:
        used = connection.execute(delete(mfa_request).where(mfa_request.c.digest == digest))
        if used.rowcount != 1:
            raise SignInRefused(Reason.CHANGED_MEANWHILE, row.person)
        record(connection, signed_in)

    password = PasswordHash(row.password_hash)
    known = Known(row.person, row.state, password, network, at_home)
    return enter(entrance, known, code, lambda: password, use_request)


def _digest(keys: IdentityKeys, request: str) -> bytes:
    try:
        shown = token.parse(request, PREFIX)
    except NotAuthenticated:
        raise InvalidInput(UNKNOWN_REQUEST) from None
    said = b"secvault/mfa-request\x00" + shown.secret.expose()
    return hmac.digest(keys.token_pepper.expose(), said, "sha256")

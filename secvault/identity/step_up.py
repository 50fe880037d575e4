"""Showing a factor again within a session: by the code of a TOTP device, or by a passkey.

The session goes on under a new token; see `sessions.renew_session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.identity import challenges, devices, passkey_sign_in, passkeys, sessions
from secvault.identity.challenges import Challenge, Purpose
from secvault.identity.passkey_sign_in import Asked
from secvault.identity.principal import PASSKEY, TOTP, Principal
from secvault.identity.refusal import Reason, SignInRefused
from secvault.identity.relying_party import RelyingParty, request_options
from secvault.identity.sign_in import Entrance, SignedIn

Record = Callable[[Connection, SignedIn], None]


def by_code(entrance: Entrance, who: Principal, code: Secret, record: Record) -> SignedIn:
    """Renew a session by a fresh code, counted and used up as in a sign-in.

    Raises SignInRefused, SignInDelayed; NotAuthenticated when the session was ended meanwhile.
    """
    store, clock = entrance.store, entrance.clock
    counted = devices.count_attempt(store, clock, who.id, entrance.attempts)
    shown = devices.check_code(counted, entrance.keys, code, clock)
    with store.write() as connection:
        devices.use_up(connection, clock, shown, who.id)
        renewed = _renew(connection, entrance, who, TOTP, shown.device)
        record(connection, renewed)
    return renewed


def ask(entrance: Entrance, party: RelyingParty, who: Principal) -> Asked:
    """A challenge for the passkeys of whoever has this session, good in this session only.

    Raises SignInRefused when they have none.
    """
    with entrance.store.write() as connection:
        allowed = passkeys.credential_ids(connection, who.id)
        if not allowed:
            raise SignInRefused(Reason.NO_SECOND_FACTOR, who.id)
        about = Challenge(Purpose.STEP_UP, who.id, who.credential)
        challenge = challenges.issue(connection, entrance.clock, about, entrance.random)
    return Asked(request_options(party, challenge, allowed), who.id)


def by_passkey(
    entrance: Entrance,
    party: RelyingParty,
    who: Principal,
    given: Mapping[str, Any],
    record: Record,
) -> SignedIn:
    """Renew a session by the answer to `ask`. Raises as `by_code`."""
    answer = passkey_sign_in.read(given)
    challenge = challenges.take(entrance.store, entrance.clock, answer.challenge)
    if challenge != Challenge(Purpose.STEP_UP, who.id, who.credential):
        raise SignInRefused(Reason.UNKNOWN_CHALLENGE, who.id)
    shown, asserted = passkey_sign_in.check(entrance, party, answer, who.id, handle_needed=False)
    with entrance.store.write() as connection:
        renewed = _renew(connection, entrance, who, PASSKEY, shown.id)
        passkeys.note_use(connection, entrance.clock, shown, asserted)
        record(connection, renewed)
    return renewed


def _renew(
    connection: Connection, entrance: Entrance, who: Principal, factor: str, device: str
) -> SignedIn:
    opened = sessions.renew_session(
        connection,
        entrance.clock,
        entrance.keys,
        who.credential,
        factor=factor,
        random=entrance.random,
    )
    principal = sessions.read_principal(connection, opened.key_id)
    return SignedIn(principal, opened.text, opened.expires_at, device)

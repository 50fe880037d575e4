"""Rotating a token: a new one now, and the old one for as long as its callers need to change over.

The two name each other. At most two of a chain are valid: rotating the newer one again ends the
older one at once, so that nothing lives on which nobody watches any more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from sqlalchemy import Connection, update

from secvault.clock import Clock
from secvault.crypto import token as token_format
from secvault.crypto.aead import Random
from secvault.errors import Conflict, InvalidInput
from secvault.identity import service_accounts, tokens
from secvault.identity.keys import IdentityKeys
from secvault.identity.tokens import MICROS, IssuedToken, Token
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import token

DEFAULT_HOURS = 24
MOST_HOURS = 7 * 24


@dataclass(frozen=True)
class Rotated:
    """issued: the new token. former: the one that it replaces, with its new end. ended: key id of
    the one before that, where it was still valid and ended now.
    """

    issued: IssuedToken
    former: Token
    ended: str | None = None


def rotate(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    key_id: str,
    *,
    hours: int = DEFAULT_HOURS,
    days: int,
    most_days: int = tokens.MOST_DAYS,
    random: Random = os.urandom,
) -> Rotated:
    """Make the token that replaces this one, durable with the caller's transaction.

    It has the same name, narrowing and networks. hours: how long the old one is valid from now on,
    0 to 168, and never longer than it was; with 0 it is revoked at once. days: until the new one
    expires. What is below the old one ends with it. Raises NotFound; InvalidInput naming the field,
    also for a token that another token or an AppRole made; Conflict when it has ended or was
    rotated before.
    """
    if not 0 <= hours <= MOST_HOURS:
        raise InvalidInput.at("overlap_hours", f"must be 0 to {MOST_HOURS}")
    if not 1 <= days <= most_days:
        raise InvalidInput.at("days", f"must be 1 to {most_days}; no token lasts for ever")
    present = tokens.lock_tree(connection, key_id)
    now = clock.micros()
    _require_rotatable(present, now)
    service_accounts.require_answered_for(connection, present.account)
    minted = token_format.mint(tokens.PREFIX, random)
    seconds = days * 24 * 60 * 60
    made = replace(
        present,
        key_id=minted.key_id,
        created_at=now,
        expires_at=now + seconds * MICROS,
        ttl_seconds=seconds,
        last_used_at=None,
        last_used_network=None,
        renewed_at=None,
        replaces=present.key_id,
        warned_days=None,
    )
    issued = tokens.insert_token(connection, keys, made, minted)
    announce(connection, CREDENTIALS)
    ended = _end_before(connection, present, now)
    end = min(present.expires_at, now + hours * 60 * 60 * MICROS)
    connection.execute(
        update(token)
        .where(token.c.key_id == key_id)
        .values(replaced_by=minted.key_id, renewable=False)
    )
    of_former = token.c.key_id.in_(tokens.family(key_id))
    connection.execute(
        update(token).where(of_former, token.c.expires_at > end).values(expires_at=end)
    )
    if hours == 0:
        _revoke(connection, key_id, now)
    return Rotated(issued, tokens.read_token(connection, key_id), ended)


def _require_rotatable(present: Token, now: int) -> None:
    if present.replaced_by is not None:
        raise Conflict(
            f"the token was rotated already; {present.replaced_by} is the one that replaced it"
        )
    if not present.live(now):
        raise Conflict("the token has ended; issue a new one")
    if present.parent is not None or present.approle is not None:
        raise InvalidInput(
            "only issued tokens are rotated; this one comes from another token or an AppRole, "
            "which makes the next one"
        )


def _end_before(connection: Connection, present: Token, now: int) -> str | None:
    if present.replaces is None:
        return None
    before = tokens.read_token(connection, present.replaces)
    if not before.live(now):
        return None
    _revoke(connection, before.key_id, now)
    return before.key_id


def _revoke(connection: Connection, key_id: str, now: int) -> None:
    connection.execute(
        update(token)
        .where(token.c.key_id.in_(tokens.family(key_id)), token.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )

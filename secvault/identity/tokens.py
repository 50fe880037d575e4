"""Tokens of service accounts: `svt_...`, shown once, kept as a digest, always with an end."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from secvault.clock import Clock, timestamp
from secvault.crypto import token as token_format
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from secvault.identity import names, service_accounts
from secvault.identity.keys import IdentityKeys
from secvault.identity.principal import Principal
from secvault.store import Store
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import service_account, token

PREFIX = "svt"
DEFAULT_DAYS = 30
MOST_DAYS = 365
USED_EVERY = 60 * 1_000_000
"""How far the stored moment of last use may lag behind, in microseconds: it saves writes."""

_DAY = 24 * 60 * 60 * 1_000_000


@dataclass(frozen=True)
class Token:
    """What is known of a token; nothing here lets anybody in. Times in microseconds, UTC."""

    key_id: str
    account: str
    display_name: str
    created_at: int
    expires_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None

    def live(self, now: int) -> bool:
        """Whether it is neither expired nor revoked."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True)
class IssuedToken:
    """A new token. text: the whole of it, to be shown to its owner once."""

    token: Token
    text: Secret


_TOKEN = tuple(column for column in token.c if column.name != "secret_digest")
_LOOKUP = select(
    token.c.key_id,
    token.c.secret_digest,
    token.c.expires_at,
    token.c.last_used_at,
    token.c.revoked_at,
    service_account.c.id,
    service_account.c.name,
    service_account.c.department,
    service_account.c.state,
).join_from(token, service_account)


def issue_token(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    *,
    account: str,
    display_name: str,
    days: int = DEFAULT_DAYS,
    random: Random = os.urandom,
) -> IssuedToken:
    """Make a token of this account; durable with the caller's transaction.

    days: until it expires, 1 to 365. Raises InvalidInput naming the field; NotFound; Conflict when
    the account is disabled.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.at("days", f"must be 1 to {MOST_DAYS}; no token lasts for ever")
    shown_as = names.display_name(display_name)
    if service_accounts.read_account(connection, account).state != service_accounts.ACTIVE:
        raise Conflict("the service account is disabled; it gets no tokens")
    minted = token_format.mint(PREFIX, random)
    now = clock.micros()
    issued = Token(minted.key_id, account, shown_as, now, now + days * _DAY)
    digest = token_format.secret_digest(minted.secret, keys.token_pepper)
    connection.execute(insert(token).values(**vars(issued), secret_digest=digest))
    return IssuedToken(issued, minted.text)


def authenticate(store: Store, clock: Clock, keys: IdentityKeys, presented: str) -> Principal:
    """Which service account this token belongs to.

    presented: the token's whole text. A text with a wrong shape or check sum is refused before the
    database is asked. The moment of use is written in a transaction of its own, at most once a
    minute. Raises NotAuthenticated, always with the same sentence, when the token is unknown,
    revoked or expired, or its account is disabled.
    """
    shown = token_format.parse(presented, PREFIX)
    with store.read() as connection:
        row = connection.execute(_LOOKUP.where(token.c.key_id == shown.key_id)).one_or_none()
    genuine = keys.is_genuine(shown, row.secret_digest if row else None)
    if row is None or not genuine:
        raise NotAuthenticated(token_format.REFUSAL)
    now = clock.micros()
    disabled = row.state != service_accounts.ACTIVE
    if disabled or row.revoked_at is not None or now >= row.expires_at:
        raise NotAuthenticated(token_format.REFUSAL)
    if row.last_used_at is None or now - row.last_used_at >= USED_EVERY:
        _write_last_used(store, shown.key_id, now)
    return Principal(
        subject=f"svc:{row.id}",
        kind="svc",
        name=row.name,
        department=row.department,
        credential=row.key_id,
        ends_at=row.expires_at,
    )


def list_tokens(connection: Connection, account: str) -> tuple[Token, ...]:
    """The tokens of an account, oldest first; expired and revoked ones too. Raises NotFound."""
    service_accounts.read_account(connection, account)
    question = select(*_TOKEN).where(token.c.account == account)
    rows = connection.execute(question.order_by(token.c.created_at, token.c.key_id))
    return tuple(Token(**row._asdict()) for row in rows)


def read_token(connection: Connection, key_id: str) -> Token:
    """What is known of the token with this key id. Raises NotFound."""
    row = None
    if names.is_key_id(key_id):
        row = connection.execute(select(*_TOKEN).where(token.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no token with the key id {key_id[:32]!r}")
    return Token(**row._asdict())


def revoke_token(connection: Connection, clock: Clock, key_id: str) -> Token:
    """End a token for ever, with the caller's transaction. Raises NotFound, Conflict."""
    present = read_token(connection, key_id)
    announce(connection, CREDENTIALS)
    now = clock.micros()
    revoked = connection.execute(
        update(token)
        .where(token.c.key_id == key_id, token.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if revoked.rowcount != 1:
        at = f", at {timestamp(present.revoked_at)}" if present.revoked_at is not None else ""
        raise Conflict(f"the token is revoked already{at}")
    return read_token(connection, key_id)


def _write_last_used(store: Store, key_id: str, now: int) -> None:
    unwritten = token.c.last_used_at.is_(None) | (token.c.last_used_at <= now - USED_EVERY)
    with store.write() as connection:
        connection.execute(
            update(token).where(token.c.key_id == key_id, unwritten).values(last_used_at=now)
        )

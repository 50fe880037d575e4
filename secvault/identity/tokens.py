"""Tokens of service accounts: `svt_...`, shown once, kept as a digest, always with an end."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Select, insert, select, update

from secvault.clock import Clock, timestamp
from secvault.crypto import token as token_format
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.crypto.token import MintedToken
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, NotFound, Unavailable
from secvault.identity import names, service_accounts
from secvault.identity.keys import IdentityKeys
from secvault.identity.layers import Layers, layers_of, text_of
from secvault.identity.networks import Networks, admits, networks_of, networks_text
from secvault.identity.places import network_of
from secvault.identity.principal import Principal
from secvault.identity.refusal import Reason, TokenRefused
from secvault.store import Store
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import service_account, token

PREFIX = "svt"
DEFAULT_DAYS = 30
MOST_DAYS = 365
USED_EVERY = 5 * 60 * 1_000_000
"""How far the stored moment of last use may lag behind, in microseconds: it saves writes."""

MICROS = 1_000_000
_DAY = 24 * 60 * 60 * MICROS


@dataclass(frozen=True)
class Token:
    """What is known of a token; nothing here lets anybody in. Times in microseconds, UTC.

    parent: key id of the token that made it. latest_end: no renewal goes beyond it. uses_left:
    None for as many as wanted. meta: what its maker noted, a JSON object of texts. narrowing,
    bound_cidrs: see `layers` and `networks`; None for all. approle: id of the AppRole that it comes
    from, secret_accessor: and of the secret id. last_used_network: where from, as `places` names
    networks; empty when that was not known. replaces, replaced_by: see `token_rotation`.
    warned_days: see `token_expiry`.
    """

    key_id: str
    account: str
    display_name: str
    created_at: int
    expires_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None
    parent: str | None = None
    ttl_seconds: int = 0
    period_seconds: int = 0
    renewable: bool = False
    latest_end: int | None = None
    renewed_at: int | None = None
    uses_left: int | None = None
    meta: str = "{}"
    narrowing: str | None = None
    bound_cidrs: str | None = None
    approle: str | None = None
    secret_accessor: str | None = None
    last_used_network: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    warned_days: int | None = None

    def live(self, now: int) -> bool:
        """Whether it is neither expired nor revoked."""
        return self.revoked_at is None and now < self.expires_at

    @property
    def subject(self) -> str:
        """How policies name its account."""
        return f"svc:{self.account}"

    @property
    def layers(self) -> Layers:
        """What it is narrowed to."""
        return layers_of(self.narrowing)

    @property
    def networks(self) -> Networks:
        """Where alone it may be used from; none for everywhere."""
        return networks_of(self.bound_cidrs)


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
    token.c.uses_left,
    token.c.narrowing,
    token.c.bound_cidrs,
    token.c.replaced_by,
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
    layers: Layers = (),
    networks: Networks = (),
    most_days: int = MOST_DAYS,
    random: Random = os.urandom,
) -> IssuedToken:
    """Make a token of this account; durable with the caller's transaction.

    days: until it expires, 1 to `most_days`. layers: what it is narrowed to. networks: where alone
    it may be used from; none for everywhere. Raises InvalidInput naming the field; NotFound;
    Conflict when the account is disabled, or nobody answers for it any more.
    """
    if not 1 <= days <= most_days:
        raise InvalidInput.at("days", f"must be 1 to {most_days}; no token lasts for ever")
    shown_as = names.display_name(display_name)
    service_accounts.require_answered_for(connection, account)
    minted = token_format.mint(PREFIX, random)
    now = clock.micros()
    issued = Token(
        minted.key_id,
        account,
        shown_as,
        now,
        now + days * _DAY,
        ttl_seconds=days * _DAY // MICROS,
        narrowing=text_of(layers),
        bound_cidrs=networks_text(networks) if networks else None,
    )
    return insert_token(connection, keys, issued, minted)


def insert_token(
    connection: Connection, keys: IdentityKeys, issued: Token, minted: MintedToken
) -> IssuedToken:
    """Store a token that was minted for this row."""
    digest = token_format.secret_digest(minted.secret, keys.token_pepper)
    connection.execute(insert(token).values(**vars(issued), secret_digest=digest))
    return IssuedToken(issued, minted.text)


def authenticate(
    store: Store,
    clock: Clock,
    keys: IdentityKeys,
    presented: str,
    *,
    address: str = "",
    spend: bool = True,
) -> Principal:
    """Which service account this token belongs to.

    presented: the token's whole text. address: where it comes from; empty when that is not known,
    which a token bound to networks does not accept. spend: whether this is one of the uses of a
    token whose uses are counted. A text with a wrong shape or check sum is refused before the
    database is asked. Moment and network of use are written in a transaction of their own, at most
    once in `USED_EVERY`. Raises NotAuthenticated, always with the same sentence, when the token is
    unknown, revoked or expired, or its account is disabled; TokenRefused, which is one, where the
    log is to know of it: it was used from elsewhere, or after its rotation was over.
    """
    shown = token_format.parse(presented, PREFIX)
    with store.read() as connection:
        row = connection.execute(_LOOKUP.where(token.c.key_id == shown.key_id)).one_or_none()
    genuine = keys.is_genuine(shown, row.secret_digest if row else None)
    if row is None or not genuine:
        raise NotAuthenticated(token_format.REFUSAL)
    now = clock.micros()
    disabled = row.state != service_accounts.ACTIVE
    spent = row.uses_left is not None and row.uses_left < 1
    if disabled or spent or row.revoked_at is not None or now >= row.expires_at:
        if row.replaced_by is not None and not disabled:
            raise TokenRefused(Reason.REPLACED, shown.key_id, row.id)
        raise NotAuthenticated(token_format.REFUSAL)
    bound = networks_of(row.bound_cidrs)
    if not admits(bound, address):
        raise TokenRefused(Reason.WRONG_ADDRESS, shown.key_id, row.id)
    if row.uses_left is not None and spend:
        _spend(store, shown.key_id)
    if row.last_used_at is None or now - row.last_used_at >= USED_EVERY:
        # Who may read the log must be let in also while the database cannot be written.
        with suppress(Unavailable):
            _write_last_used(store, shown.key_id, now, network_of(address))
    return Principal(
        subject=f"svc:{row.id}",
        kind="svc",
        name=row.name,
        department=row.department,
        credential=row.key_id,
        ends_at=row.expires_at if row.uses_left is None else None,
        narrowing=layers_of(row.narrowing),
        networks=bound,
    )


def require_live(connection: Connection, clock: Clock, key_id: str, *, hold: bool) -> None:
    """Return when the token still lives, and its account is active, in this transaction.

    hold: have whoever ends it wait until the transaction ends. Raises NotAuthenticated.
    """
    question = (
        select(token.c.key_id)
        .join_from(token, service_account)
        .where(
            token.c.key_id == key_id,
            token.c.revoked_at.is_(None),
            token.c.expires_at > clock.micros(),
            service_account.c.state == service_accounts.ACTIVE,
        )
    )
    if hold:
        question = question.with_for_update(read=True, of=token)
    if connection.execute(question).first() is None:
        raise NotAuthenticated(token_format.REFUSAL)


def principal_of(connection: Connection, key_id: str) -> Principal:
    """Whom a token stands for, without anybody having shown it: to ask what it may do.

    Raises NotFound; also when it has no account that is active.
    """
    found = read_token(connection, key_id)
    account = service_accounts.read_account(connection, found.account)
    if account.state != service_accounts.ACTIVE:
        raise NotFound("the token has ended")
    return Principal(
        subject=account.subject,
        kind="svc",
        name=account.name,
        department=account.department,
        credential=key_id,
        narrowing=found.layers,
    )


def list_tokens(connection: Connection, account: str) -> tuple[Token, ...]:
    """The tokens of an account, oldest first; expired and revoked ones too. Raises NotFound."""
    service_accounts.read_account(connection, account)
    question = select(*_TOKEN).where(token.c.account == account)
    rows = connection.execute(question.order_by(token.c.created_at, token.c.key_id))
    return tuple(Token(**row._asdict()) for row in rows)


def list_accessors(connection: Connection, now: int) -> tuple[str, ...]:
    """The key ids of all tokens that live at this moment (microseconds)."""
    question = select(token.c.key_id).where(token.c.revoked_at.is_(None), token.c.expires_at > now)
    return tuple(connection.execute(question.order_by(token.c.key_id)).scalars())


def read_token(connection: Connection, key_id: str) -> Token:
    """What is known of the token with this key id. Raises NotFound."""
    row = None
    if names.is_key_id(key_id):
        row = connection.execute(select(*_TOKEN).where(token.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no token with the key id {key_id[:32]!r}")
    return Token(**row._asdict())


def find_genuine(connection: Connection, keys: IdentityKeys, presented: str) -> Token:
    """What is known of the token with this text. Raises NotAuthenticated, as `authenticate`."""
    shown = token_format.parse(presented, PREFIX)
    row = connection.execute(_LOOKUP.where(token.c.key_id == shown.key_id)).one_or_none()
    if not keys.is_genuine(shown, row.secret_digest if row else None):
        raise NotAuthenticated(token_format.REFUSAL)
    return read_token(connection, shown.key_id)


def revoke_token(connection: Connection, clock: Clock, key_id: str) -> Token:
    """End a token and all below it for ever, with the caller's transaction.

    Raises NotFound, Conflict.
    """
    present = lock_tree(connection, key_id)
    if present.revoked_at is not None:
        at = timestamp(present.revoked_at)
        raise Conflict(f"the token is revoked already, at {at}")
    announce(connection, CREDENTIALS)
    connection.execute(
        update(token)
        .where(token.c.key_id.in_(family(key_id)), token.c.revoked_at.is_(None))
        .values(revoked_at=clock.micros())
    )
    return read_token(connection, key_id)


def lock_tree(connection: Connection, key_id: str) -> Token:
    """The token, whose tree no other transaction changes until this one ends. Raises NotFound.

    All tokens of an account wait for each other: so a token cannot come to be below one that is
    revoked at the same moment.
    """
    account = read_token(connection, key_id).account
    connection.execute(
        select(service_account.c.id).where(service_account.c.id == account).with_for_update()
    )
    return read_token(connection, key_id)


def family(key_id: str) -> Select[tuple[str]]:
    """A question for the key ids of the token and of all below it."""
    below = select(token.c.key_id).where(token.c.key_id == key_id).cte(recursive=True)
    children = select(token.c.key_id).join(below, token.c.parent == below.c.key_id)
    return select(below.union_all(children).c.key_id)


def _spend(store: Store, key_id: str) -> None:
    with store.write() as connection:
        spent = connection.execute(
            update(token)
            .where(token.c.key_id == key_id, token.c.uses_left > 0)
            .values(uses_left=token.c.uses_left - 1)
        )
    if spent.rowcount != 1:
        raise NotAuthenticated(token_format.REFUSAL)


def _write_last_used(store: Store, key_id: str, now: int, network: str) -> None:
    unwritten = token.c.last_used_at.is_(None) | (token.c.last_used_at <= now - USED_EVERY)
    with store.write() as connection:
        connection.execute(
            update(token)
            .where(token.c.key_id == key_id, unwritten)
            .values(last_used_at=now, last_used_network=network)
        )

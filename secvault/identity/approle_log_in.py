"""Log-in of systems: a role id and a secret id become a token, or nothing is said about why not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from secvault.crypto import token as token_format
from secvault.crypto.secret import Secret
from secvault.errors import NotAuthenticated
from secvault.identity import approles, secret_ids, service_accounts, token_tree, tokens
from secvault.identity.approles import AppRole
from secvault.identity.layers import text_of
from secvault.identity.networks import admits, networks_text
from secvault.identity.refusal import Reason
from secvault.identity.secret_ids import SecretId
from secvault.identity.sign_in import Entrance
from secvault.identity.throttle import AttemptLimits
from secvault.identity.tokens import MICROS, IssuedToken, Token

LIMITS = AttemptLimits(free=10, longest_delay=60)
"""A secret id cannot be guessed: this only keeps a mistaken system from asking all the time."""

REFUSAL = "invalid role or secret ID"
"""The peer's one sentence for every system that is not let in."""


class LogInRefused(NotAuthenticated):
    """No entry, in one sentence. reason, role: for the audit log only; role may be empty."""

    def __init__(self, reason: Reason, role: AppRole | None = None) -> None:
        super().__init__(REFUSAL)
        self.reason = reason
        self.role = role


@dataclass(frozen=True)
class Presented:
    """What a system showed, and from where. secret_id: None when it showed none."""

    role_id: str
    secret_id: Secret | None
    address: str


@dataclass(frozen=True)
class LoggedIn:
    """A system that is in, with its new token."""

    issued: IssuedToken
    role: AppRole


@dataclass(frozen=True)
class _Shown:
    role: AppRole
    secret: SecretId | None


def log_in(
    entrance: Entrance,
    given: Presented,
    *,
    record: Callable[[Connection, LoggedIn], None] = lambda _connection, _logged_in: None,
) -> LoggedIn:
    """Let a system in that shows a role id with one of its secret ids.

    The use is counted, the token made and `record` run in one transaction. Raises LogInRefused with
    one and the same sentence whatever is wrong; an unknown role id costs the same work as a wrong
    secret id. Raises SignInDelayed after several failures with the role id from one address;
    systems elsewhere are not held up by them.
    """
    now = entrance.clock.micros()
    place = hashlib.sha256(f"{given.role_id}\x00{given.address}".encode()).digest()
    entrance.setbacks.check(place, now)
    try:
        with entrance.store.read() as connection:
            role = _require(entrance, connection, given).role
        with entrance.store.write() as connection:
            # Who makes or ends tokens of the account waits: no token escapes a deletion.
            approles.lock_account(connection, role.account)
            shown = _require(entrance, connection, given)
            _spend(entrance, connection, shown)
            done = LoggedIn(_token(entrance, connection, shown), shown.role)
            record(connection, done)
    except LogInRefused:
        entrance.setbacks.add(place, now, LIMITS)
        raise
    entrance.setbacks.forget(place)
    return done


def _require(entrance: Entrance, connection: Connection, given: Presented) -> _Shown:
    role = approles.by_role_id(connection, given.role_id)
    secret = secret_ids.find_secret_id(
        connection,
        entrance.keys,
        role.id if role else "",
        given.secret_id or Secret(b""),
        entrance.clock.micros(),
    )
    if role is None:
        raise LogInRefused(Reason.UNKNOWN_ROLE)
    if not role.settings.bind_secret_id:
        secret = None
    elif secret is None:
        raise LogInRefused(Reason.WRONG_SECRET, role)
    networks = [role.settings.secret_id_bound_cidrs, secret.cidr_list if secret else ()]
    if not role.settings.bind_secret_id:
        networks.append(role.settings.token_bound_cidrs)
    if not all(admits(each, given.address) for each in networks):
        raise LogInRefused(Reason.WRONG_ADDRESS, role)
    account = service_accounts.read_account(connection, role.account)
    if account.state != service_accounts.ACTIVE:
        raise LogInRefused(Reason.DISABLED, role)
    return _Shown(role, secret)


def _spend(entrance: Entrance, connection: Connection, shown: _Shown) -> None:
    if shown.secret and not secret_ids.spend(connection, entrance.clock, shown.secret):
        raise LogInRefused(Reason.SPENT, shown.role)


def _token(entrance: Entrance, connection: Connection, shown: _Shown) -> IssuedToken:
    settings, secret = shown.role.settings, shown.secret
    now = entrance.clock.micros()
    wanted = settings.token_period or settings.token_ttl or token_tree.DEFAULT_SECONDS
    ttl = min(wanted, settings.longest)
    latest = now + settings.longest * MICROS
    noted = msgspec.json.decode(secret.meta, type=dict[str, str]) if secret else {}
    networks = (secret.token_bound_cidrs if secret else ()) or settings.token_bound_cidrs
    minted = token_format.mint(tokens.PREFIX, entrance.random)
    made = Token(
        minted.key_id,
        shown.role.account,
        "approle",
        now,
        now + ttl * MICROS,
        ttl_seconds=ttl,
        period_seconds=settings.token_period,
        renewable=True,
        latest_end=latest,
        uses_left=settings.token_num_uses or None,
        meta=msgspec.json.encode({**noted, "role_name": shown.role.name}, order="sorted").decode(),
        narrowing=text_of(shown.role.layers),
        bound_cidrs=networks_text(networks) if networks else None,
        approle=shown.role.id,
        secret_accessor=secret.accessor if secret else None,
    )
    return tokens.insert_token(connection, entrance.keys, made, minted)

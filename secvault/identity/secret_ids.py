"""Secret ids of AppRoles: `svi_...`, shown once, kept as a digest, always with an end.

Each counts its uses. The digest is HMAC-SHA-256 under the token pepper of the AppRole's id and the
text, so that a secret id that somebody chose can be looked up as well; its accessor names it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.clock import Clock
from secvault.crypto import token as token_format
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import approles, names, token_tree
from secvault.identity.approles import AppRole
from secvault.identity.keys import IdentityKeys
from secvault.identity.networks import Networks, networks_of, networks_text, within
from secvault.identity.secret_strength import require_strong
from secvault.identity.tokens import MICROS
from secvault.store.tables import secret_id

PREFIX = "svi"


class NoSecretId(NotFound):
    """The AppRole has no such secret id, or none that lives."""


@dataclass(frozen=True)
class NewSecretId:
    """What is asked of a secret id to be made. ttl, uses: None for what the AppRole says.

    text: one that somebody chose; None for one that is made here.
    """

    text: Secret | None = None
    ttl: int | None = None
    uses: int | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    cidr_list: Networks = ()
    token_bound_cidrs: Networks = ()


@dataclass(frozen=True)
class SecretId:
    """What is known of a secret id; nothing here lets anybody in. Times in microseconds, UTC."""

    accessor: str
    approle: str
    created_at: int
    updated_at: int
    expires_at: int
    uses_left: int | None
    meta: str
    cidr_list: Networks
    token_bound_cidrs: Networks

    @property
    def ttl(self) -> int:
        """Seconds from its making to its end."""
        return (self.expires_at - self.created_at) // MICROS


@dataclass(frozen=True)
class IssuedSecretId:
    """A new secret id. text: the whole of it, to be shown once."""

    known: SecretId
    text: Secret


def create_secret_id(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    random: Random,
    role: AppRole,
    wanted: NewSecretId,
) -> IssuedSecretId:
    """Make a secret id within what its AppRole allows. Raises InvalidInput, Conflict."""
    minted = token_format.mint(PREFIX, random)
    text = minted.text
    if wanted.text is not None:
        text = wanted.text
        require_strong(text.text(), "secret_id")
    now = clock.micros()
    made = SecretId(
        minted.key_id,
        role.id,
        now,
        now,
        now + _ttl(role, wanted) * MICROS,
        _uses(role, wanted) or None,
        token_tree.meta_text(wanted.meta, "metadata"),
        wanted.cidr_list,
        wanted.token_bound_cidrs,
    )
    _check_networks(role, wanted)
    found = digest(keys, role.id, text)
    same = select(secret_id.c.accessor).where(
        secret_id.c.approle == role.id, secret_id.c.digest == found
    )
    if connection.execute(same).first():
        raise Conflict("secret_id: it is one of this AppRole already")
    values = {
        **vars(made),
        "cidr_list": networks_text(made.cidr_list),
        "token_bound_cidrs": networks_text(made.token_bound_cidrs),
    }
    connection.execute(insert(secret_id).values(**values, digest=found))
    return IssuedSecretId(made, text)


def find_secret_id(
    connection: Connection, keys: IdentityKeys, role: str, text: Secret, now: int
) -> SecretId | None:
    """The living secret id with this text. role: an id; `""` takes as long and finds nothing."""
    wanted = digest(keys, role, text)
    row = connection.execute(
        select(secret_id).where(secret_id.c.approle == role, secret_id.c.digest == wanted)
    ).one_or_none()
    same = hmac.compare_digest(wanted, bytes(len(wanted)) if row is None else row.digest)
    return _secret_id(row) if row is not None and same and now < row.expires_at else None


def read_secret_id(connection: Connection, role: AppRole, accessor: str, now: int) -> SecretId:
    """The living secret id with this accessor. Raises NoSecretId."""
    row = None
    if names.is_key_id(accessor):
        row = connection.execute(
            select(secret_id).where(
                secret_id.c.approle == role.id,
                secret_id.c.accessor == accessor,
                secret_id.c.expires_at > now,
            )
        ).one_or_none()
    if row is None:
        raise NoSecretId("failed to find accessor entry for secret_id_accessor")
    return _secret_id(row)


def list_secret_ids(connection: Connection, role: AppRole, now: int) -> tuple[SecretId, ...]:
    """The living secret ids of an AppRole, oldest first."""
    question = select(secret_id).where(secret_id.c.approle == role.id, secret_id.c.expires_at > now)
    rows = connection.execute(question.order_by(secret_id.c.created_at, secret_id.c.accessor))
    return tuple(_secret_id(row) for row in rows)


def spend(connection: Connection, clock: Clock, known: SecretId) -> bool:
    """Use a secret id once, with the caller's transaction; False when it has no use left.

    The last use removes it.
    """
    whose = secret_id.c.accessor == known.accessor
    living = secret_id.c.expires_at > clock.micros()
    if known.uses_left is None:
        touched = connection.execute(
            update(secret_id).where(whose, living).values(updated_at=clock.micros())
        )
        return touched.rowcount == 1
    used = connection.execute(
        update(secret_id)
        .where(whose, living, secret_id.c.uses_left > 0)
        .values(uses_left=secret_id.c.uses_left - 1, updated_at=clock.micros())
    )
    connection.execute(delete(secret_id).where(whose, secret_id.c.uses_left == 0))
    return used.rowcount == 1


def destroy_secret_id(connection: Connection, clock: Clock, role: AppRole, known: SecretId) -> int:
    """Remove a secret id, and end the tokens that it made. Returns how many tokens."""
    approles.lock_account(connection, role.account)
    connection.execute(delete(secret_id).where(secret_id.c.accessor == known.accessor))
    return approles.end_tokens(connection, clock, role.id, known.accessor)


def tidy(connection: Connection, now: int) -> int:
    """Remove the secret ids that have ended. Returns how many."""
    return connection.execute(delete(secret_id).where(secret_id.c.expires_at <= now)).rowcount


def digest(keys: IdentityKeys, role: str, text: Secret) -> bytes:
    """What is stored of a secret id of this AppRole."""
    said = b"secvault/secret-id\x00" + role.encode() + b"\x00" + text.expose()
    return hmac.digest(keys.token_pepper.expose(), said, "sha256")


def _ttl(role: AppRole, wanted: NewSecretId) -> int:
    most = role.settings.secret_id_ttl
    if wanted.ttl is None:
        return most or token_tree.DEFAULT_SECONDS
    if not 0 <= wanted.ttl <= token_tree.LONGEST_SECONDS:
        raise InvalidInput.at("ttl", f"must be from 0 to {token_tree.LONGEST_SECONDS} seconds")
    if most and not 0 < wanted.ttl <= most:
        raise InvalidInput("ttl cannot be longer than the role's secret_id_ttl")
    return wanted.ttl or token_tree.DEFAULT_SECONDS


def _uses(role: AppRole, wanted: NewSecretId) -> int:
    most = role.settings.secret_id_num_uses
    if wanted.uses is None:
        return most
    if not 0 <= wanted.uses <= token_tree.MOST_USES:
        raise InvalidInput("num_uses cannot be negative")
    if most and not 0 < wanted.uses <= most:
        raise InvalidInput("num_uses cannot be higher than the role's secret_id_num_uses")
    return wanted.uses


def _check_networks(role: AppRole, wanted: NewSecretId) -> None:
    for field_name, inner, outer in (
        ("cidr_list", wanted.cidr_list, role.settings.secret_id_bound_cidrs),
        ("token_bound_cidrs", wanted.token_bound_cidrs, role.settings.token_bound_cidrs),
    ):
        if not within(inner, outer):
            raise InvalidInput.at(field_name, "must lie within the networks of the role")


def _secret_id(row: Row[Any]) -> SecretId:
    known = {name: getattr(row, name) for name in SecretId.__dataclass_fields__}
    for name in ("cidr_list", "token_bound_cidrs"):
        known[name] = networks_of(known[name])
    return SecretId(**known)

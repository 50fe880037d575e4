"""Tokens made by tokens, and renewed: a child can do and last no more than its parent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, exists, select, update

from secvault.clock import Clock
from secvault.crypto import token as token_format
from secvault.crypto.aead import Random
from secvault.errors import Conflict, InvalidInput
from secvault.identity import names, tokens
from secvault.identity.keys import IdentityKeys
from secvault.identity.layers import deeper, text_of
from secvault.identity.tokens import MICROS, MOST_DAYS, IssuedToken, Token
from secvault.store.epoch import CREDENTIALS, announce
from secvault.store.tables import token

LONGEST_SECONDS = MOST_DAYS * 24 * 60 * 60
DEFAULT_SECONDS = 32 * 24 * 60 * 60
"""How long a child lasts unless it says otherwise, as in the peer."""

MOST_USES = 1_000_000_000
MOST_META = 32
LONGEST_META = 512


@dataclass(frozen=True)
class NewChild:
    """What is asked of a token to be made. Seconds; 0 where nothing is asked.

    period: it can be renewed for ever, this long each time. latest: no renewal goes beyond so
    many seconds from now. uses: 0 for as many as wanted. layer: the roles that it is narrowed to,
    beyond what its parent is; None for no further. orphan: it is not to end with its parent; then
    it ends a year from now at the latest.
    """

    display_name: str = "token"
    ttl: int = 0
    period: int = 0
    latest: int = 0
    uses: int = 0
    renewable: bool = True
    meta: Mapping[str, str] = field(default_factory=dict)
    layer: frozenset[str] | None = None
    orphan: bool = False


def create_child(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    parent_id: str,
    wanted: NewChild,
    random: Random = os.urandom,
) -> IssuedToken:
    """Make a token of the same account below its parent, durable with the caller's transaction.

    It ends when its parent ends, at the latest. Raises InvalidInput naming the field, NotFound,
    Conflict when the parent has ended.
    """
    parent = tokens.lock_tree(connection, parent_id)
    now = clock.micros()
    if not parent.live(now):
        raise Conflict("the token has ended; it makes no others")
    if parent.uses_left is not None:
        raise InvalidInput(
            "restricted use token cannot generate child tokens: its uses are counted"
        )
    _check(wanted)
    ttl = wanted.period or wanted.ttl or DEFAULT_SECONDS
    latest = now + wanted.latest * MICROS if wanted.latest else None
    if wanted.orphan:
        latest = latest or now + LONGEST_SECONDS * MICROS
    minted = token_format.mint(tokens.PREFIX, random)
    made = Token(
        minted.key_id,
        parent.account,
        names.display_name(wanted.display_name),
        now,
        _earliest(now + ttl * MICROS, latest, None if wanted.orphan else parent.expires_at),
        parent=None if wanted.orphan else parent.key_id,
        ttl_seconds=ttl,
        period_seconds=wanted.period,
        renewable=wanted.renewable,
        latest_end=latest,
        uses_left=wanted.uses or None,
        meta=meta_text(wanted.meta),
        narrowing=text_of(deeper(parent.layers, wanted.layer)),
        bound_cidrs=parent.bound_cidrs,
        approle=parent.approle,
        secret_accessor=parent.secret_accessor,
    )
    return tokens.insert_token(connection, keys, made, minted)


def renew(connection: Connection, clock: Clock, key_id: str, seconds: int = 0) -> Token:
    """Let a token end so many seconds from now, or as long as when it was made when 0.

    A periodic token is renewed for its period. Not beyond its latest end, the end of its parent,
    or, unless it is periodic, a year from its making. Raises InvalidInput when it cannot be
    renewed, NotFound.
    """
    present = tokens.lock_tree(connection, key_id)
    now = clock.micros()
    if not present.live(now) or not present.renewable:
        raise InvalidInput("lease is not renewable")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise InvalidInput.at("increment", f"must be from 0 to {LONGEST_SECONDS} seconds")
    wanted = present.period_seconds or seconds or present.ttl_seconds
    year = None if present.period_seconds else present.created_at + LONGEST_SECONDS * MICROS
    parent = tokens.read_token(connection, present.parent) if present.parent else None
    end = _earliest(
        now + wanted * MICROS, present.latest_end, year, parent.expires_at if parent else None
    )
    connection.execute(
        update(token).where(token.c.key_id == key_id).values(expires_at=end, renewed_at=now)
    )
    # A renewal for a shorter time shortens what is below, too.
    connection.execute(
        update(token)
        .where(token.c.key_id.in_(tokens.family(key_id)), token.c.expires_at > end)
        .values(expires_at=end)
    )
    # What was believed of it may have lasted longer.
    announce(connection, CREDENTIALS)
    return tokens.read_token(connection, key_id)


def is_below(connection: Connection, key_id: str, ancestor: str) -> bool:
    """Whether the token is `ancestor`, or was made by it or by one below it."""
    found = tokens.family(ancestor).subquery()
    return bool(connection.scalar(select(exists().where(found.c.key_id == key_id))))


def _check(wanted: NewChild) -> None:
    for name, value in (
        ("ttl", wanted.ttl),
        ("period", wanted.period),
        ("explicit_max_ttl", wanted.latest),
    ):
        if not 0 <= value <= LONGEST_SECONDS:
            raise InvalidInput.at(name, f"must be from 0 to {LONGEST_SECONDS} seconds")
    if not 0 <= wanted.uses <= MOST_USES:
        raise InvalidInput.at("num_uses", f"must be from 0 to {MOST_USES}; 0 is for no limit")


def meta_text(meta: Mapping[str, str], field: str = "meta") -> str:
    """What a maker noted, as it is stored. Raises InvalidInput at `field`."""
    if len(meta) > MOST_META or any(
        len(text) > LONGEST_META or not text.isprintable() for pair in meta.items() for text in pair
    ):
        raise InvalidInput.at(
            field, f"takes {MOST_META} pairs of printable texts of {LONGEST_META} characters"
        )
    return msgspec.json.encode(dict(meta), order="sorted").decode()


def _earliest(first: int, *others: int | None) -> int:
    return min([first, *(each for each in others if each is not None)])

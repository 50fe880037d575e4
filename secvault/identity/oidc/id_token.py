"""The ID token (OIDC Core 1.0, 3.1.3.7) and the logout token (Back-Channel Logout 1.0, 2.6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.oidc.key_set import KeySet
from secvault.identity.oidc.signed import (
    SKEW_SECONDS,
    check_from,
    read_signed,
    seconds_of,
    text_of,
)
from secvault.identity.refusal import Reason

OLDEST_SECONDS = 10 * 60
"""How long ago a token may have been issued: it is fetched the moment that it is made."""

_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_ID_TOKEN_TYPES = ("", "jwt")
_LOGOUT_TYPES = ("", "jwt", "logout+jwt")
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


@dataclass(frozen=True)
class Relying:
    """Who believes whom: this client at this issuer, by these algorithms."""

    issuer: str
    client_id: str
    algorithms: Collection[str]


@dataclass(frozen=True)
class Identity:
    """Who a provider says it is. subject: `sub`. sid: its session; empty when it names none.

    authenticated_at: `auth_time`, seconds since the epoch; None when it does not say. acr, amr: how
    the person was authenticated. claims: all that it said.
    """

    subject: str
    sid: str
    authenticated_at: int | None
    acr: str
    amr: tuple[str, ...]
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class LogoutToken:
    """Whom a provider has signed out: a person, one of its sessions, or that session of them.

    jti: its own id, good once. expires_at: seconds since the epoch.
    """

    subject: str
    sid: str
    jti: str
    expires_at: int


def read_id_token(
    text: str,
    keys: KeySet,
    relying: Relying,
    *,
    nonce: str,
    now: int,
    max_age: int | None,
    access_token: str,
) -> Identity:
    """The identity in an ID token for this sign-in.

    now: seconds since the epoch. max_age: longest time since the provider saw the person, in
    seconds; None for any. Raises NotBelieved, Unavailable.
    """
    algorithm, claims = read_signed(text, keys, relying.algorithms, _ID_TOKEN_TYPES)
    check_from(claims, relying.issuer, relying.client_id)
    if now >= seconds_of(claims, "exp") + SKEW_SECONDS:
        raise NotBelieved(Reason.EXPIRED)
    _check_fresh(claims, now)
    if not hmac.compare_digest(text_of(claims, "nonce").encode(), nonce.encode()):
        raise NotBelieved(Reason.WRONG_NONCE)
    if "at_hash" in claims:
        expected = _half_hash(algorithm, access_token)
        if not hmac.compare_digest(text_of(claims, "at_hash").encode(), expected.encode()):
            raise NotBelieved(Reason.WRONG_ID_TOKEN)
    seen = seconds_of(claims, "auth_time") if "auth_time" in claims else None
    if seen is not None and seen > now + SKEW_SECONDS:
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    if max_age is not None and (seen is None or now - seen > max_age + SKEW_SECONDS):
        raise NotBelieved(Reason.TOO_OLD)
    return Identity(
        subject=_subject(claims),
        sid=text_of(claims, "sid"),
        authenticated_at=seen,
        acr=text_of(claims, "acr"),
        amr=texts_of(claims, "amr"),
        claims=claims,
    )


def read_logout_token(text: str, keys: KeySet, relying: Relying, *, now: int) -> LogoutToken:
    """Whom the provider has signed out. Raises NotBelieved, Unavailable."""
    _, claims = read_signed(text, keys, relying.algorithms, _LOGOUT_TYPES)
    check_from(claims, relying.issuer, relying.client_id)
    _check_fresh(claims, now)
    # Older providers leave `exp` out, and `iat` bounds the time anyhow.
    expires_at = seconds_of(claims, "exp") if "exp" in claims else now + OLDEST_SECONDS
    if now >= expires_at + SKEW_SECONDS:
        raise NotBelieved(Reason.EXPIRED)
    events = claims.get("events")
    meant = isinstance(events, dict) and isinstance(events.get(_LOGOUT), dict)
    subject, sid, jti = (text_of(claims, name) for name in ("sub", "sid", "jti"))
    # With a nonce it could be an ID token in disguise.
    if not meant or "nonce" in claims or not jti or not (subject or sid):
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    return LogoutToken(subject, sid, jti, now + OLDEST_SECONDS + 2 * SKEW_SECONDS)


def texts_of(claims: Mapping[str, Any], name: str, most: int = 1000) -> tuple[str, ...]:
    """A claim that is a list of texts, or one text. Raises NotBelieved for anything else."""
    value = claims.get(name, [])
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or len(given) > most:
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    if not all(isinstance(each, str) and len(each) <= 255 for each in given):
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    return tuple(given)


def _check_fresh(claims: Mapping[str, Any], now: int) -> None:
    age = now - seconds_of(claims, "iat")
    if not -SKEW_SECONDS <= age <= OLDEST_SECONDS + SKEW_SECONDS:
        raise NotBelieved(Reason.EXPIRED)
    if "nbf" in claims and seconds_of(claims, "nbf") > now + SKEW_SECONDS:
        raise NotBelieved(Reason.EXPIRED)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = text_of(claims, "sub")
    if not subject or not subject.isascii():
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    return subject


def _half_hash(algorithm: str, access_token: str) -> str:
    """`at_hash`: the left half of the digest, base64url (OIDC Core 1.0, 3.1.3.6)."""
    # Ed25519 hashes by SHA-512 inside.
    make = _HASHES.get(algorithm[-3:], hashlib.sha512)
    digest = make(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()

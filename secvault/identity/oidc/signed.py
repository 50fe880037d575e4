"""Tokens that a provider signed: the signature, and the claims that every kind of them has.

The key is chosen by the algorithm's kind, from asymmetric ones only, and the algorithm is one of
the settings: neither `none` nor a public key taken for a shared secret can pass (RFC 8725, 3.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.oidc.key_set import KeySet
from secvault.identity.refusal import Reason

SKEW_SECONDS = 120
"""How far the provider's clock may be from ours."""
LONGEST_TOKEN = 64 * 1024
MOST_AUDIENCES = 32


def read_signed(
    text: str, keys: KeySet, algorithms: Collection[str], kinds: Collection[str]
) -> tuple[str, Mapping[str, Any]]:
    """The algorithm and the claims of a token whose signature holds.

    kinds: what its header may say of its type, in lower case; empty for nothing. Raises
    NotBelieved, Unavailable.
    """
    if len(text) > LONGEST_TOKEN or text.count(".") != 2:
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, RecursionError):
        raise NotBelieved(Reason.WRONG_ID_TOKEN) from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise NotBelieved(Reason.WRONG_ALGORITHM)
    named = kid is None or (isinstance(kid, str) and len(kid) <= 512)
    if not named or not isinstance(kind, str) or kind.lower() not in kinds or "crit" in header:
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    key = keys.find(kid, algorithm)
    try:
        claims = jwt.decode(text, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, RecursionError):
        raise NotBelieved(Reason.WRONG_SIGNATURE) from None
    return algorithm, claims


def check_from(claims: Mapping[str, Any], issuer: str, client_id: str) -> None:
    """Return when the token is of this issuer and for this client. Raises NotBelieved."""
    if claims.get("iss") != issuer:
        raise NotBelieved(Reason.WRONG_ISSUER)
    given = claims.get("aud")
    audience = [given] if isinstance(given, str) else given
    if (
        not isinstance(audience, list)
        or len(audience) > MOST_AUDIENCES
        or client_id not in audience
    ):
        raise NotBelieved(Reason.WRONG_AUDIENCE)
    # With several, the token must say which of them asked for it (OIDC Core 1.0, 3.1.3.7).
    party = claims.get("azp", client_id if len(audience) == 1 else None)
    if party != client_id:
        raise NotBelieved(Reason.WRONG_AUDIENCE)


def seconds_of(claims: Mapping[str, Any], name: str) -> int:
    """A claim that is a moment, in seconds since the epoch. Raises NotBelieved."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    return int(value)


def text_of(claims: Mapping[str, Any], name: str, longest: int = 255) -> str:
    """A claim that is a text; empty when there is none. Raises NotBelieved for another type."""
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise NotBelieved(Reason.WRONG_ID_TOKEN)
    return value

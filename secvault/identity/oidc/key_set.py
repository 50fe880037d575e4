"""The keys by which a provider signs (RFC 7517), fetched anew when it begins to use another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from secvault.clock import Clock
from secvault.errors import Unavailable
from secvault.identity.oidc.exchange import Answer
from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.refusal import Reason

KEEP_SECONDS = 3600.0
"""How long fetched keys are believed."""
AGAIN_SECONDS = 30.0
"""How soon keys are fetched again for one that is not among them."""
MOST_KEYS = 64
SMALLEST_RSA = 2048

_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "Ed25519": "Ed25519",
    "EdDSA": "Ed25519",
}


@dataclass(frozen=True)
class _Fetched:
    keys: tuple[Key, ...]
    at: float


class KeySet:
    """The keys of one provider. Safe to use from many threads.

    fetch: asks for the provider's JWK set.
    """

    def __init__(self, clock: Clock, fetch: Callable[[], Answer]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._lock = Lock()
        self._kept: _Fetched | None = None

    def find(self, kid: str | None, algorithm: str) -> Key:
        """The key that a token names, of a kind that fits its algorithm.

        Without a name it must be the only one that fits. Raises NotBelieved when there is none,
        Unavailable when the keys cannot be fetched.
        """
        with self._lock:
            now = self._clock.monotonic()
            kept = self._kept
            if kept is not None and now - kept.at < KEEP_SECONDS:
                key = _fitting(kept.keys, kid, algorithm)
                if key is not None:
                    return key
                if now - kept.at < AGAIN_SECONDS:
                    raise NotBelieved(Reason.UNKNOWN_KEY)
            self._kept = kept = _Fetched(_read(self._fetch()), now)
        key = _fitting(kept.keys, kid, algorithm)
        if key is None:
            raise NotBelieved(Reason.UNKNOWN_KEY)
        return key


def _read(answer: Answer) -> tuple[Key, ...]:
    given = answer.body.get("keys")
    if answer.status != 200 or not isinstance(given, list):
        raise Unavailable("the identity provider did not give its keys; try again")
    keys = []
    for each in given[:MOST_KEYS]:
        # Symmetric keys have no place in a published set: whoever reads it could sign.
        if not isinstance(each, dict) or each.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if each.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(each)
            too_small = isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA
        except (JoseError, ValueError, TypeError):
            # A kind that is not known here; another key may do.
            continue
        if not too_small:
            keys.append(key)
    return tuple(keys)


def _fitting(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> Key | None:
    found = [
        key for key in keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)
    ]
    return found[0] if len(found) == 1 else None


def _fits(key: Key, algorithm: str) -> bool:
    if key.key_type != _KINDS[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        return False
    if isinstance(key, ECKey | OKPKey):
        return key.get("crv") == _CURVES[algorithm]
    return True

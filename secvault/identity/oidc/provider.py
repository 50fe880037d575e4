"""One provider: where to send the browser, and who came back.

`state`, `nonce` and the PKCE verifier are derived from what only the browser keeps, so that the
store holds nothing that would complete a sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from secvault.clock import Clock
from secvault.crypto.aead import Random, draw
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Unavailable
from secvault.identity.oidc.discovery import Discovery, discover
from secvault.identity.oidc.exchange import Exchange
from secvault.identity.oidc.fault import NotBelieved
from secvault.identity.oidc.id_token import (
    Identity,
    LogoutToken,
    Relying,
    read_id_token,
    read_logout_token,
    texts_of,
)
from secvault.identity.oidc.key_set import KeySet
from secvault.identity.refusal import Reason

KEEP_SECONDS = 3600.0
"""How long a provider's description is believed."""
PAUSE_SECONDS = 5.0
"""How soon one that did not answer is asked again; until then everybody is told so at once."""
_ASSERTION_SECONDS = 60
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class ProviderSettings:
    """What is known of a provider beforehand. secret: of this client; empty for a public one.

    key_file: PEM of the private key that signs for this client, instead of a secret. acr_values,
    amr_values: what it says when it has seen a second factor; none when that does not count here.
    max_age: seconds, None for any. groups_from_userinfo: whether groups must be asked for.
    """

    name: str
    relying: Relying
    scopes: tuple[str, ...]
    hosts: frozenset[str]
    secret: Secret = field(repr=False)
    key_file: Path | None = None
    ca_file: Path | None = None
    acr_values: tuple[str, ...] = ()
    amr_values: tuple[str, ...] = ()
    max_age: int | None = None
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups_from_userinfo: bool = False
    creates_people: bool = False
    department: str = ""
    loopback_port: int = 0

    @property
    def counts_second_factor(self) -> bool:
        """Whether this provider's second factor stands for one of ours."""
        return bool(self.acr_values or self.amr_values)


@dataclass(frozen=True)
class Returned:
    """What the provider sent back by the browser; empty where it sent nothing."""

    state: str
    code: str = field(default="", repr=False)
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True)
class Found:
    """Who the provider says it is, and the groups that they are in."""

    identity: Identity
    groups: tuple[str, ...]


class Provider:
    """A provider in use. Keeps its description and its keys for a while; safe for many threads."""

    def __init__(
        self,
        settings: ProviderSettings,
        clock: Clock,
        random: Random = os.urandom,
        exchange: Exchange | None = None,
    ) -> None:
        issuer = urlsplit(settings.relying.issuer)
        self.settings = settings
        self._clock = clock
        self._random = random
        self._exchange = exchange or Exchange(
            settings.name,
            clock,
            settings.hosts | {issuer.netloc.lower()},
            secure=issuer.scheme == "https",
            ca_file=settings.ca_file,
        )
        self._lock = Lock()
        self._known: tuple[Discovery, float] | None = None
        self._failed: tuple[str, float] | None = None
        self._keys = KeySet(clock, lambda: self._exchange.get(self.describe().keys))

    @property
    def name(self) -> str:
        """The provider's name in the settings."""
        return self.settings.name

    def describe(self) -> Discovery:
        """What the provider says of itself. Raises Unavailable."""
        with self._lock:
            now = self._clock.monotonic()
            if self._known is not None and now - self._known[1] < KEEP_SECONDS:
                return self._known[0]
            if self._failed is not None and now - self._failed[1] < PAUSE_SECONDS:
                raise Unavailable(self._failed[0])
            try:
                found = discover(self._exchange, self.settings.relying.issuer)
            except Unavailable as error:
                self._failed = error.detail, self._clock.monotonic()
                raise
            self._known = found, now
            return found

    def authorization_url(
        self, browser: Secret, redirect_uri: str, max_age: int | None, *, anew: bool
    ) -> str:
        """Where the browser goes. browser: what it keeps. anew: whether to ask for the person's
        credentials even in an open session of the provider. Raises Unavailable.
        """
        asked = {
            "response_type": "code",
            "client_id": self.settings.relying.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": state_of(browser),
            "nonce": _drawn(browser, b"nonce"),
            "code_challenge": _challenge(_drawn(browser, b"verifier")),
            "code_challenge_method": "S256",
        }
        if self.settings.acr_values:
            asked["acr_values"] = " ".join(self.settings.acr_values)
        if max_age is not None:
            asked["max_age"] = str(max_age)
        if anew:
            asked["prompt"] = "login"
        return _with_query(self.describe().authorization, asked)

    def redeem(
        self, returned: Returned, browser: Secret, redirect_uri: str, max_age: int | None
    ) -> Found:
        """Who came back with this code. Raises NotBelieved, Unavailable."""
        known = self.describe()
        relying = self.settings.relying
        # Before anything else is believed, and before the code goes anywhere (RFC 9207, 2.4).
        said = returned.issuer
        if said != relying.issuer and (said or known.names_issuer):
            raise NotBelieved(Reason.WRONG_ISSUER)
        if returned.error or not returned.code:
            raise NotBelieved(Reason.PROVIDER_REFUSED)
        form = {
            "grant_type": "authorization_code",
            "code": returned.code,
            "redirect_uri": redirect_uri,
            "code_verifier": _drawn(browser, b"verifier"),
        }
        headers = self._authenticate(form, known)
        answer = self._exchange.post(known.token, form, headers)
        token, access = answer.body.get("id_token"), answer.body.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(access, str):
            if answer.status >= 500:
                raise Unavailable(f"the identity provider {self.name} failed; try again")
            raise NotBelieved(Reason.CODE_REFUSED)
        identity = read_id_token(
            token,
            self._keys,
            relying,
            nonce=_drawn(browser, b"nonce"),
            now=self._clock.micros() // 1_000_000,
            max_age=max_age,
            access_token=access,
        )
        return Found(identity, self._groups(identity, known, access))

    def logout_token(self, text: str) -> LogoutToken:
        """Whom the provider has signed out. Raises NotBelieved, Unavailable."""
        now = self._clock.micros() // 1_000_000
        return read_logout_token(text, self._keys, self.settings.relying, now=now)

    def end_session_url(self, back_to: str) -> str:
        """Where the browser goes to be signed out there, too; empty when there is no such place."""
        there = self.describe().end_session
        if not there:
            return ""
        client = self.settings.relying.client_id
        return _with_query(there, {"client_id": client, "post_logout_redirect_uri": back_to})

    def shows_second_factor(self, identity: Identity) -> bool:
        """Whether the provider says that it has seen a second factor that counts here."""
        wanted = self.settings
        by_class = identity.acr in wanted.acr_values
        return by_class or any(method in wanted.amr_values for method in identity.amr)

    def _groups(self, identity: Identity, known: Discovery, access: str) -> tuple[str, ...]:
        claims = identity.claims
        if self.settings.groups_from_userinfo:
            if not known.userinfo:
                raise Unavailable(f"the identity provider {self.name} has no userinfo endpoint")
            answer = self._exchange.get(known.userinfo, bearer=access)
            # Only the ID token says who it is; a userinfo of somebody else is swapped (5.3.2).
            if answer.status != 200 or answer.body.get("sub") != identity.subject:
                raise NotBelieved(Reason.WRONG_ID_TOKEN)
            claims = answer.body
        return texts_of(claims, self.settings.groups_claim)

    def _authenticate(self, form: dict[str, str], known: Discovery) -> Mapping[str, str]:
        """Show who this client is: what goes into the form, and the headers."""
        client = self.settings.relying.client_id
        if self.settings.key_file is not None:
            form["client_id"] = client
            form["client_assertion_type"] = _ASSERTION
            form["client_assertion"] = self._assertion(known.token)
            return {}
        secret = self.settings.secret.text()
        if not secret:
            form["client_id"] = client
            return {}
        # RFC 6749, 2.3.1: each half is form-encoded first.
        pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _assertion(self, audience: str) -> str:
        """A private_key_jwt (RFC 7523, 3)."""
        file = self.settings.key_file
        assert file is not None  # noqa: S101 - asked by the caller
        key, algorithm = _signing_key(file, self.name)
        now = self._clock.micros() // 1_000_000
        client = self.settings.relying.client_id
        claims = {
            "iss": client,
            "sub": client,
            "aud": audience,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": draw(16, self._random).hex(),
        }
        header = {"alg": algorithm, "kid": key.thumbprint()}
        return jwt.encode(header, claims, key, algorithms=[algorithm])


def state_of(browser: Secret) -> str:
    """The `state` that belongs to what the browser keeps."""
    return _drawn(browser, b"state")


def _drawn(browser: Secret, purpose: bytes) -> str:
    return _text(derive(browser, b"secvault/oidc/" + purpose, 32).expose())


def _challenge(verifier: str) -> str:
    return _text(hashlib.sha256(verifier.encode()).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query, quote_via=quote)}"


def _signing_key(file: Path, provider: str) -> tuple[RSAKey | ECKey | OKPKey, str]:
    where = f"identity.oidc.{provider}.client_key_file"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{where}: {file} cannot be read: {error.strerror}") from None
    kinds: tuple[tuple[str, str], ...] = (("EC", "ES256"), ("RSA", "RS256"), ("OKP", "Ed25519"))
    for kind, algorithm in kinds:
        try:
            key = JWKRegistry.import_key(content, kind)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey) and key.is_private:
            return key, algorithm
    raise ConfigurationError(f"{where}: {file} holds no private key in PEM (RSA, P-256, Ed25519)")

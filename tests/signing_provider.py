"""A provider of OpenID Connect that says whatever a test has it say, properly signed or not.

For what a real provider never does. The real one is in tests/acceptance.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT = "secvault"
SECRET = "the client's own secret"
Claims = dict[str, Any]


def text_of(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token with this header as it is."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(text_of(part) for part in parts)


@dataclass
class SigningProvider:
    """The provider. now: seconds since the epoch.

    claim: what is changed in the ID token; None takes a claim away. sign: makes the token of the
    claims, else by the present key. described, answered: changed in what it says of itself, and in
    what the token endpoint says. subject, groups: of who signs in.
    """

    now: Callable[[], int]
    subject: str = "an-opaque-subject"
    groups: list[str] = field(default_factory=list)
    claim: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[Claims], str] | None = None
    described: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    published: list[dict[str, Any]] | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "first"}))
    algorithm: str = "ES256"
    issuer: str = ""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    codes: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def visit(self, url: str, **more: str) -> dict[str, str]:
        """Somebody signs in at this authorization URL; what the browser brings back."""
        query = parse_qs(urlsplit(url).query)
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"][0], "iss": self.issuer, **more}

    def claims(self, query: Mapping[str, list[str]]) -> Claims:
        """What the ID token says, as this test has it."""
        now = self.now()
        said = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": query["nonce"][0],
            "groups": self.groups,
            "preferred_username": "mai.le",
            "name": "Lê Thị Mai",
            "email": "head@example.com",
            **self.claim,
        }
        return {name: value for name, value in said.items() if value is not None}

    def signed(self, claims: Claims, **header: Any) -> str:
        """A token of these claims by the present key."""
        named = {"alg": self.algorithm, "kid": self.key.get("kid"), **header}
        return jwt.encode(named, claims, self.key, algorithms=[self.algorithm])

    def with_public_key_as_secret(self, claims: Claims) -> str:
        """A token "signed" by HMAC with the public key, for who confuses the two."""
        assert isinstance(self.key, RSAKey | ECKey)
        header = {"alg": "HS256", "kid": self.key.get("kid")}
        said = unsigned(header, claims).rpartition(".")[0]
        signature = hmac.digest(self.key.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{text_of(signature)}"

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        """What is answered at this path."""
        self.asked.append((path, form))
        if path == "/.well-known/openid-configuration":
            own = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "end_session_endpoint": f"{self.issuer}/logout",
                "authorization_response_iss_parameter_supported": True,
            }
            return 200, {**own, **self.described}
        if path == "/keys":
            return 200, {"keys": self.published or [self.key.as_dict(private=False)]}
        if path == "/userinfo":
            return 200, {"sub": self.subject, "groups": self.groups, **self.userinfo}
        if path == "/token":
            return self._token(form)
        return 404, {}

    def _token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        asked = self.codes.pop(form.get("code", [""])[0], None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        right = text_of(digest) == asked["code_challenge"][0]
        if not right or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        claims = self.claims(asked)
        token = self.sign(claims) if self.sign else self.signed(claims)
        said = {"access_token": "an access token", "token_type": "Bearer", "id_token": token}
        return 200, {**said, **self.answered}


@contextmanager
def serving(provider: SigningProvider) -> Iterator[SigningProvider]:
    """The provider on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(parse_qs(body.decode()))

        def _answer(self, form: dict[str, list[str]]) -> None:
            status, content = provider.answer(urlsplit(self.path).path, form)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content["location"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()

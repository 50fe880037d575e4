"""What both clients are given, and how a request looks on the wire."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

import httpx2

from secvault.client.approle import AppRole
from secvault.client.call import Answer, BatchSize, Fault
from secvault.client.errors import WrongUse
from secvault.client.operations import Operations
from secvault.client.retry import Attempts, Chance, Retry, Send
from secvault.client.token import Credential, TokenSource, given, reader

ADDRESS = "SECVAULT_ADDR"
TOKEN = "SECVAULT_TOKEN"  # noqa: S105 - a variable's name

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Settings(TypedDict, total=False):
    """What a client may be told beside address and token.

    retry: time-outs and waiting. batch: what one request holds at most. ca_file: PEM certificates
    to trust instead of the system's; tls: a context of your own, with a client certificate for
    instance. max_connections: at the same time, 32 unless told. chance: clock and randomness.
    """

    retry: Retry
    batch: BatchSize
    ca_file: str | Path
    tls: ssl.SSLContext
    max_connections: int
    chance: Chance


class Configured(Operations):
    """A client's settings.

    address: `https://host:port`; else from SECVAULT_ADDR. token: a token, a Path to the file that
    holds it, or a function that gives it; the latter two are asked again when the server refuses
    the token; else from SECVAULT_TOKEN. An AppRole logs in for one.

    Certificates are always verified. Nothing else is read from the environment: no proxy, no netrc.
    Redirects are not followed. Raises WrongUse.
    """

    def __init__(
        self,
        address: str | None = None,
        token: TokenSource | AppRole | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self._address = _address(address)
        self._credential: Credential = token if isinstance(token, AppRole) else given(_token(token))
        self._retry = settings.get("retry", Retry())
        self._batch = settings.get("batch", BatchSize())
        self._chance = settings.get("chance", Chance())
        self._tls = settings.get("tls") or _trust(settings.get("ca_file"))
        most = settings.get("max_connections", 32)
        self._limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
        self._open()

    @classmethod
    def from_approle(
        cls,
        role_id: str,
        secret_id: TokenSource,
        *,
        address: str | None = None,
        mount: str = "approle",
        **settings: Unpack[Settings],
    ) -> Self:
        """A client that logs in with a role id and a secret id, and keeps its token alive.

        secret_id: itself, a Path to the file that holds it, or a function that gives it; asked anew
        at each log-in. mount: of the method, below `auth/`.
        """
        asked = reader(secret_id, "the secret id")
        return cls(address, AppRole(role_id, asked, mount), **settings)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._address}>"

    @property
    def batch_size(self) -> BatchSize:
        """What one request holds at most."""
        return self._batch

    def _open(self) -> None:
        raise NotImplementedError

    def _attempts(self) -> Attempts:
        return Attempts.begun(self._address, self._retry, self._chance)

    def _http(self) -> dict[str, Any]:
        return {
            "verify": self._tls,
            "limits": self._limits,
            "trust_env": False,
            "follow_redirects": False,
        }

    def _sending(self, step: Send) -> dict[str, Any]:
        return {
            "method": step.request.method,
            "url": self._address + step.request.path,
            "content": step.request.body or None,
            "headers": _headers(step),
            "timeout": step.seconds,
        }


def answer_of(response: httpx2.Response) -> Answer:
    """What the response says."""
    said = response.headers
    return Answer(
        response.status_code,
        response.content,
        said.get("x-request-id", "")[:128],
        _seconds(said.get("retry-after", "")),
    )


def fault_of(error: httpx2.HTTPError) -> Fault:
    """What went wrong, without the error: that holds the request, and with it the token."""
    kind = type(error).__name__
    if isinstance(error, _NEVER_SENT):
        # Before anything was sent its words are the system's: refused, unknown, not trusted.
        return Fault(f"{kind} ({error})" if str(error) else kind, may_have_happened=False)
    return Fault(kind, may_have_happened=True)


def _headers(step: Send) -> Mapping[str, str]:
    headers = {"X-Vault-Request": "true", "User-Agent": "secvault-client"}
    if step.request.body:
        headers["Content-Type"] = "application/json"
    if step.request.if_match:
        headers["If-Match"] = step.request.if_match
    if step.token is not None:
        headers["Authorization"] = f"Bearer {step.token.text()}"
    return headers


def _seconds(retry_after: str) -> float | None:
    # A date would need the server's clock; waiting as without the header is as good.
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def _address(given_address: str | None) -> str:
    address = given_address if given_address is not None else os.environ.get(ADDRESS, "")
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, TypeError):
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise WrongUse(f"name the server, https://host:port, as address or in {ADDRESS}")
    return address.rstrip("/")


def _token(source: TokenSource | None) -> TokenSource:
    found = source if source is not None else os.environ.get(TOKEN, "")
    if not isinstance(found, Path) and not callable(found) and not found:
        raise WrongUse(f"give a token, or set {TOKEN}")
    return found


def _trust(ca_file: str | Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError):
        raise WrongUse(f"ca_file: {ca_file} is not a PEM file of certificates") from None

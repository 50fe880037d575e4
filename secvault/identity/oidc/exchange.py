"""Requests to one provider: only to its hosts, never redirected, bounded in size and time."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

from secvault.clock import Clock
from secvault.errors import ConfigurationError, Unavailable

LARGEST_ANSWER = 256 * 1024
STEP_SECONDS = 5.0
"""How long to connect, and how long to wait for the next bytes."""
WHOLE_SECONDS = 10.0
"""How long a whole answer may take."""
AT_ONCE = 8
"""Requests to one provider at the same time: one that hangs holds no more threads of a process."""
TURN_SECONDS = 2.0
"""How long to wait for one of those."""


@dataclass(frozen=True)
class Answer:
    """What a provider answered: the status, and its JSON object; empty when it is none."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """How to speak with one provider.

    hosts: `host` or `host:port` in lower case that requests may go to. secure: whether by https
    only; without it the provider runs on this machine. ca_file: PEM of the authorities to trust.
    """

    provider: str
    clock: Clock
    hosts: frozenset[str]
    secure: bool
    ca_file: Path | None = None
    turns: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(AT_ONCE), repr=False, compare=False
    )

    def allows(self, url: str) -> bool:
        """Whether this address is one of the provider's."""
        try:
            parts = urlsplit(url)
            named = parts.netloc.lower()
            _ = parts.port
        except ValueError:
            return False
        scheme = "https" if self.secure else "http"
        return parts.scheme == scheme and named in self.hosts and not parts.fragment

    def get(self, url: str, bearer: str = "") -> Answer:
        """Fetch a JSON object. Raises Unavailable."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return self._send("GET", url, headers, None)

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Send a form, answered by a JSON object. Raises Unavailable."""
        return self._send("POST", url, headers, form)

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        if not self.allows(url):
            raise Unavailable(f"the identity provider {self.provider} names a foreign address")
        if not self.turns.acquire(timeout=TURN_SECONDS):
            raise Unavailable(
                f"the identity provider {self.provider} keeps too many waiting; try again"
            )
        try:
            return self._speak(method, url, headers, form)
        finally:
            self.turns.release()

    def _speak(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        # Loaded only where a provider is used.
        import httpx2  # noqa: PLC0415

        sent = {"Accept": "application/json", **headers}
        until = self.clock.monotonic() + WHOLE_SECONDS
        content = bytearray()
        try:
            with (
                httpx2.Client(
                    verify=self._trust(), timeout=STEP_SECONDS, follow_redirects=False
                ) as client,
                client.stream(method, url, headers=sent, data=form) as answer,
            ):
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER or self.clock.monotonic() > until:
                        raise Unavailable(
                            f"the identity provider {self.provider} answers too much or too slowly"
                        )
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unavailable(
                f"the identity provider {self.provider} cannot be reached "
                f"({type(error).__name__}); try again"
            ) from None
        return Answer(status, _object(bytes(content)))

    def _trust(self) -> ssl.SSLContext | bool:
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"identity.oidc.{self.provider}.ca_file: {self.ca_file} holds no certificates"
            ) from None


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}

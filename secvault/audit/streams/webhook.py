"""A webhook: batches as JSON by POST, signed as Standard Webhooks wants it.

Three headers say so (https://www.standardwebhooks.com): `webhook-id`, the same whenever the same
batch is sent; `webhook-timestamp`, seconds; `webhook-signature`, `v1,` and the base64 of
HMAC-SHA-256 over id, timestamp and body with dots between them. An answer of 2xx acknowledges.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from secvault.audit.leaf import StoredEvent
from secvault.audit.streams.batch import Batch, Undelivered, hash_of
from secvault.clock import Clock, timestamp
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError

TYPE = "audit.events"
_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def signing_key(text: str, key: str) -> Secret:
    """The key in a secret as Standard Webhooks writes it: `whsec_` and base64 of 24 to 64 bytes.

    key: the setting, for the error. Raises ConfigurationError.
    """
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(_PREFIX) or not _SHORTEST <= len(found) <= _LONGEST:
        raise ConfigurationError(
            f"{key}: must hold {_PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} random bytes"
        )
    return Secret(found)


def signature(key: Secret, message_id: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b"%b.%d.%b" % (message_id.encode(), seconds, body)
    return "v1," + base64.b64encode(hmac.digest(key.expose(), signed, "sha256")).decode()


def body_of(batch: Batch) -> bytes:
    """The JSON that is sent. Each event keeps the exact bytes of its form."""
    written = zip(batch.events, batch.lines(), strict=True)
    return msgspec.json.encode(
        {
            "type": TYPE,
            "timestamp": timestamp(batch.events[-1].t),
            "data": {
                "stream": batch.stream,
                "format": batch.form,
                "first": batch.first,
                "last": batch.last,
                "events": [_entry(stored, line) for stored, line in written],
            },
        }
    )


def _entry(stored: StoredEvent, written: bytes) -> dict[str, object]:
    return {
        "seq": stored.seq,
        "id": stored.id,
        "leaf_hash": hash_of(stored),
        "event": msgspec.Raw(written),
    }


@dataclass(frozen=True)
class Webhook:
    """A webhook. trust: makes what the server's certificate is checked by; None for plain HTTP.

    authorization: the whole value of that header, where the receiver wants one.
    """

    url: str
    key: Secret
    clock: Clock
    trust: Callable[[], ssl.SSLContext] | None
    seconds: float = 10.0
    authorization: Secret | None = None

    def deliver(self, batch: Batch) -> None:
        """See `Destination`."""
        # Loaded only where a webhook is used.
        import httpx2  # noqa: PLC0415

        body = body_of(batch)
        message_id = f"{batch.stream}-{batch.first}-{batch.last}-{batch.events[-1].id}"
        now = self.clock.seconds()
        headers = {
            "content-type": "application/json",
            "user-agent": "secvault",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self.key, message_id, now, body),
        }
        if self.authorization is not None:
            headers["authorization"] = self.authorization.text()
        verify = True if self.trust is None else self.trust()
        try:
            with (
                httpx2.Client(
                    verify=verify, timeout=self.seconds, follow_redirects=False, trust_env=False
                ) as client,
                # What it answers beside the status is not read: nobody would.
                client.stream("POST", self.url, headers=headers, content=body) as answer,
            ):
                status = answer.status_code
        except httpx2.TimeoutException:
            raise Undelivered("timeout") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError):
            raise Undelivered("unreachable") from None
        if not 200 <= status < 300:
            raise Undelivered(f"status_{status}")

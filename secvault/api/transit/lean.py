"""The lean path: encrypt, decrypt, rewrap and HMAC without the framework, for what is plain.

It answers a request only when token, decision and key are at hand and every item succeeds, and
then as the routes in `data` and `signatures` would. Everything else (a fault, a refusal, an
unusual body, a cold memory) goes on to them with its body untouched: they alone know errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secvault.api.problem import problem_response
from secvault.api.transit.plain import MANNERS, Done, Manner
from secvault.errors import SecvaultError
from secvault.service.transit.warm import Ready, Warm

LONGEST_BODY = 1024 * 1024
"""Bytes; longer bodies go to the routes unread."""

LONGEST_TURN = 32 * 1024
"""Bytes of body that are worked on in the event loop; more would keep other requests waiting."""

_PATH = re.compile(
    r"/v1/([A-Za-z0-9_./-]{1,512})/(encrypt|decrypt|rewrap|hmac)/([A-Za-z0-9_.-]{1,128})"
)
_METHODS = frozenset({"POST", "PUT"})
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that may be plain."""

    action: str
    mount: str
    name: str
    token: str = field(repr=False)
    request_id: str

    def find(self, warm: Warm) -> Ready | None:
        """What it needs, from memory."""
        return warm.find(self.token, f"data.{self.action}", self.mount, self.name, self.request_id)


class LeanPath:
    """In front of the framework's application: answers what is plain, hands on the rest."""

    def __init__(self, app: ASGIApp, warm: Callable[[], Warm | None], max_body_bytes: int) -> None:
        """warm: the memory of this process; None while there is no open service."""
        self._app = app
        self._warm = warm
        self._longest = min(LONGEST_BODY, max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        asked = _asked(scope) if scope["type"] == "http" else None
        warm = self._warm() if asked else None
        if asked is None or warm is None:
            await self._app(scope, receive, send)
            return
        body, whole, unread = await _read(receive, self._longest)
        ready = (asked.find(warm) or await _load(warm, asked)) if whole else None
        done = await _run(MANNERS[asked.action], body, ready, warm) if ready else None
        if ready is None or done is None:
            await self._app(scope, unread, send)
            return
        try:
            await warm.audit.record(ready.event(done.count))
        except SecvaultError as error:
            await problem_response(Request(scope), error)(scope, receive, send)
            return
        warm.note(ready, asked.mount, asked.name, done.versions)
        await _answer(asked.request_id, done.data, send)


def _asked(scope: Scope) -> _Asked | None:
    if scope["method"] not in _METHODS or scope["query_string"]:
        return None
    place = _PATH.fullmatch(scope["path"])
    if place is None:
        return None
    token = b""
    for name, value in scope["headers"]:
        if name in (b"x-vault-token", b"authorization"):
            if token:
                return None
            token = value.removeprefix(b"Bearer ") if name == b"authorization" else value
        elif name == b"x-vault-wrap-ttl":
            return None
    if not token.startswith(b"svt_") or not token.isascii():
        return None
    mount, action, key = place.groups()
    return _Asked(action, mount, key, token.decode(), scope["state"]["request_id"])


async def _read(receive: Receive, longest: int) -> tuple[bytes, bool, Receive]:
    """The body, whether it is whole, and a `receive` that gives everything once more."""
    messages: list[Message] = []
    size = 0
    whole = False
    while not whole and size <= longest:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
    again = iter(messages)

    async def unread() -> Message:
        return next(again, None) or await receive()

    body = b"".join(message.get("body", b"") for message in messages)
    return body, whole and size <= longest, unread


async def _load(warm: Warm, asked: _Asked) -> Ready | None:
    try:
        await asyncio.to_thread(
            warm.load, asked.token, f"data.{asked.action}", asked.mount, asked.name
        )
    except SecvaultError:
        # The route meets it again, and knows how to say it.
        return None
    return asked.find(warm)


async def _run(manner: Manner, body: bytes, ready: Ready, warm: Warm) -> Done | None:
    if len(body) <= LONGEST_TURN:
        return manner.run(body, ready.key, warm.messages, warm.nonces)
    return await asyncio.to_thread(manner.run, body, ready.key, warm.messages, warm.nonces)


async def _answer(request_id: str, data: Any, send: Send) -> None:
    content = msgspec.json.encode(
        {
            "request_id": request_id,
            "lease_id": "",
            "renewable": False,
            "lease_duration": 0,
            "data": data,
            "wrap_info": None,
            "warnings": None,
            "auth": None,
        }
    )
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length, _JSON]})
    await send({"type": "http.response.body", "body": content})

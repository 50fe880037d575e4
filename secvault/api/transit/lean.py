"""The lean path: encrypt, decrypt, rewrap and HMAC without the framework, for what is plain.

It answers a request only when token, decision and key are at hand and every item succeeds, and
then as the routes in `data` and `signatures` would. Everything else (a fault, a refusal, an
unusual body, a cold memory) goes on to them with its body untouched: they alone know errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uuid_utils
from starlette.types import Message, Receive, Scope, Send

from secvault.api.body_time import PunctualBody
from secvault.api.gate import Passage
from secvault.api.private import PRIVATE
from secvault.api.transit.plain import MANNERS, Done, Manner
from secvault.errors import BodyTooSlow, Sealed, SecvaultError
from secvault.service.transit.warm import Ready, Warm

LONGEST_BODY = 1024 * 1024
"""Bytes; longer bodies go to the routes unread."""

LONGEST_TURN = 64 * 1024
"""Bytes of body that are worked on in the event loop, in 1 to 2 ms; more would keep other requests
waiting. A thread for less costs more than it saves: it and the loop fight for the interpreter.
"""

_PATH = re.compile(
    r"/v1/([A-Za-z0-9_./-]{1,512})/(encrypt|decrypt|rewrap|hmac)/([A-Za-z0-9_.-]{1,128})"
)
_METHODS = frozenset({"POST", "PUT"})
_BELIEVED_SECONDS = 0.05
"""How old what was looked up may be when the body is there; see `store.watch`."""

_TOKEN_HEADERS = frozenset({b"x-vault-token", b"authorization"})
_UNUSUAL = frozenset({b"x-vault-wrap-ttl", b"x-ticket"})
"""Headers that only the routes know what to make of."""
_NOT_AT_ONCE = frozenset({b"expect", b"transfer-encoding"})
_LONGEST_DIGITS = 9
_HEADERS = ((b"content-type", b"application/json"), *PRIVATE)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as the transit engine puts it."""

    request_id: str
    lease_id: str = ""
    renewable: bool = False
    lease_duration: int = 0
    data: Any
    wrap_info: None = None
    warnings: None = None
    auth: None = None


_ENCODER = msgspec.json.Encoder()

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be plain."""

    action: str
    mount: str
    name: str
    token: str = field(repr=False)
    request_id: str
    address: str

    @property
    def path(self) -> str:
        """Where it was asked."""
        return f"/v1/{self.mount}/{self.action}/{self.name}"

    def find(self, warm: Warm) -> Ready | None:
        """What it needs, from memory."""
        return warm.find(
            self.token,
            f"data.{self.action}",
            self.mount,
            self.name,
            self.request_id,
            self.address,
        )


class LeanPath:
    """In front of everything: answers what is plain, hands on the rest."""

    def __init__(
        self, warm: Callable[[], Warm | None], passage: Passage, max_body_bytes: int
    ) -> None:
        """warm: the memory of this process; None while there is no open service."""
        self._warm = warm
        self._passage = passage
        self._longest = min(LONGEST_BODY, max_body_bytes)

    def asked(self, scope: Scope, request_id: str) -> Asked | None:
        """What a request asks for, if it may be plain."""
        if not self._passage.is_open or scope["query_string"]:
            return None
        return _asked(scope["method"], scope["path"], scope["headers"], _client(scope), request_id)

    def asked_at_once(
        self, method: str, target: bytes, headers: Headers, client: str
    ) -> Asked | None:
        """The same before there is an ASGI scope, where the whole body will come in one turn.

        target: the path of the request's line, as it came. headers: with names in small letters.
        client: the address.
        """
        if not self._passage.is_open or not _is_short(headers):
            return None
        return _asked(method, target.decode("latin-1"), headers, client, str(uuid_utils.uuid7()))

    def answer_at_once(
        self,
        asked: Asked,
        body: bytes,
        send: Callable[[str, bytes], None],
        fail: Callable[[SecvaultError], None],
    ) -> bool:
        """Answer without waiting for anything but the disk; False where the routes must.

        send: takes the request's id and the body of the answer, fail: why there is none; one of
        them is called when the audit entry is on disk, or cannot be.
        """
        warm = self._warm()
        ready = asked.find(warm) if warm is not None else None
        if warm is None or ready is None:
            return False
        done = MANNERS[asked.action].run(body, ready.key, warm.messages, warm.nonces)
        if done is None:
            return False

        def finish(error: BaseException | None) -> None:
            self._passage.busy -= 1
            if isinstance(error, SecvaultError):
                fail(error)
            elif error is not None:
                raise error
            elif not self._passage.is_open:
                fail(Sealed("the vault is sealed; whoever holds its key unseals it"))
            else:
                send(asked.request_id, _answer(asked.request_id, done.data))
                warm.note(ready, asked.mount, asked.name, done.versions)

        warm.audit.begin(ready.event(done.count), finish)
        self._passage.busy += 1
        return True

    async def answer(self, asked: Asked, body: PunctualBody, send: Send) -> Receive | None:
        """Answer it; else a `receive` that gives its whole body to somebody else.

        Raises AuditUnavailable; nothing is sent then.
        """
        warm = self._warm()
        if warm is None:
            return body
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        # The body comes through another thread, which leaves time to look things up.
        body.begin()
        ready = asked.find(warm)
        content, whole, unread = await _read(body, self._longest)
        if not whole or self._warm() is not warm:
            return unread
        # From here on: who waits for a body that trickles in holds nothing to be waited for.
        self._passage.busy += 1
        try:
            if ready is None or loop.time() - begun_at > _BELIEVED_SECONDS:
                ready = asked.find(warm) or await _load(warm, asked)
            done = await _run(MANNERS[asked.action], content, ready, warm) if ready else None
            if ready is None or done is None:
                return unread
            await warm.audit.record(ready.event(done.count))
            answer = _answer(asked.request_id, done.data)
            if not self._passage.is_open:
                return unread
            await send(_start(asked.request_id, len(answer)))
            await send({"type": "http.response.body", "body": answer})
            warm.note(ready, asked.mount, asked.name, done.versions)
        finally:
            self._passage.busy -= 1
        return None


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _is_short(headers: Headers) -> bool:
    """Whether a body comes without being asked for, of stated length, for one turn of the loop."""
    length = -1
    for name, value in headers:
        if name == b"content-length":
            # The parser has refused what is no number.
            length = int(value) if len(value) <= _LONGEST_DIGITS else LONGEST_TURN + 1
        elif name in _NOT_AT_ONCE:
            return False
    return 0 <= length <= LONGEST_TURN


def _asked(method: str, path: str, headers: Headers, address: str, request_id: str) -> Asked | None:
    if method not in _METHODS:
        return None
    place = _PATH.fullmatch(path)
    if place is None:
        return None
    token = b""
    for name, value in headers:
        if name in _TOKEN_HEADERS:
            if token:
                return None
            token = value.removeprefix(b"Bearer ") if name == b"authorization" else value
        elif name in _UNUSUAL:
            return None
    if not token.startswith(b"svt_") or not token.isascii():
        return None
    mount, action, key = place.groups()
    return Asked(action, mount, key, token.decode(), request_id, address)


async def _read(receive: Receive, longest: int) -> tuple[bytes, bool, Receive]:
    """The body, whether it is whole, and a `receive` that gives everything once more."""
    messages: list[Message] = []
    size = 0
    whole = False
    try:
        while not whole and size <= longest:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request":
                break
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
    except BodyTooSlow:
        # Whoever asks for more meets it again, and knows how to say it.
        whole = False
    again = iter(messages)

    async def unread() -> Message:
        return next(again, None) or await receive()

    body = b"".join([message.get("body", b"") for message in messages])
    return body, whole and size <= longest, unread


async def _load(warm: Warm, asked: Asked) -> Ready | None:
    try:
        await asyncio.to_thread(
            warm.load, asked.token, f"data.{asked.action}", asked.mount, asked.name, asked.address
        )
    except SecvaultError:
        # The route meets it again, and knows how to say it.
        return None
    return asked.find(warm)


async def _run(manner: Manner, body: bytes, ready: Ready, warm: Warm) -> Done | None:
    if len(body) <= LONGEST_TURN:
        return manner.run(body, ready.key, warm.messages, warm.nonces)
    return await asyncio.to_thread(manner.run, body, ready.key, warm.messages, warm.nonces)


def _answer(request_id: str, data: Any) -> bytes:
    return _ENCODER.encode(_Envelope(request_id=request_id, data=data))


def _start(request_id: str, length: int) -> Message:
    headers = [
        (b"content-length", str(length).encode()),
        *_HEADERS,
        (b"x-request-id", request_id.encode()),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}

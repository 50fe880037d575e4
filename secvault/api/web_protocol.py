"""HTTP/1.1 on one connection: plain encryption is answered where it was read.

The parser is httptools, all else that a connection needs is uvicorn's. Added here: how long a head
may take and how long it may be, how many requests may wait and answers lie unread, an end to bodies
that nobody reads, and the shortest way for the encryption API (`transit.lean`), with no task, queue
or message between the socket and the cipher.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sized
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from secvault.api.private import PRIVATE
from secvault.api.problem import problem_response
from secvault.api.transit.lean import Asked, Headers, LeanPath
from secvault.errors import SecvaultError

LONGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers; no caller of ours needs a tenth of it.

One that comes at once may be as long as what is read at once, 256 KiB.
"""

MOST_QUEUED = 256
"""Requests that came while others were answered; no more are taken on the connection then."""

UNREAD_SECONDS = 60.0
"""How long an answer may wait for a client that takes nothing of it."""

_LIST, _STAND_IN = b"LIST ", b"LINK "
_LINGER_SECONDS = 1.0
# A client that was refused before it had sent everything goes on with the same connection.
_MOST_THROWN_AWAY = 4 * 1024 * 1024
_TOO_LONG = STATUS_LINE[431] + b"connection: close\r\ncontent-length: 0\r\n\r\n"


_OK = STATUS_LINE[200]
_OURS = frozenset(name for name, _ in PRIVATE)
_FIXED = b"content-type: application/json\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in PRIVATE)


def give_up_unread(listening: socket.socket, seconds: float = UNREAD_SECONDS) -> None:
    """Have the kernel end connections of this socket whose other side takes nothing for so long.

    Else whoever asks and does not read has what it is answered kept for ever (Linux: tcp(7),
    TCP_USER_TIMEOUT).
    """
    if sys.platform == "linux":
        milliseconds = int(seconds * 1000)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class _Flow(FlowControl):
    """Reads no more while requests wait: uvicorn would with each of their answers."""

    def __init__(self, transport: asyncio.Transport, queue: Sized) -> None:
        super().__init__(transport)
        self._queue = queue

    def resume_reading(self) -> None:
        """Read on, if no request waits."""
        if not self._queue:
            super().resume_reading()


@dataclass(slots=True)
class _InWork:
    """A request that is answered here, as uvicorn sees one: those behind it wait."""

    response_complete: bool = False
    disconnected: bool = False
    keep_alive: bool = True
    message_event: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Served:
    """What all connections of a process share. head_seconds: how long a head may take to arrive."""

    lean: LeanPath | None
    head_seconds: float

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> WebProtocol:
        """A new connection's protocol; uvicorn calls this."""
        return WebProtocol(self, config, server_state, app_state, _loop)


class WebProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any

    def __init__(
        self,
        served: Served,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._served = served
        self._begun = False
        # The parser knows the methods of the register alone, and Vault's clients send one more.
        self._lists = False
        self._held = b""
        self._asked: Asked | None = None
        self._plain_body = b""
        # When a head began to be waited for; None from its end to the end of its answer.
        self._waits_since: float | None = None
        self._head_bytes = 0
        self._body_is_whole = True
        # Whether the bytes at hand ended a head or held a piece of a body.
        self._moved = False
        self._thrown_away = 0
        # Whatever else comes is thrown away.
        self._deaf = False
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.flow = _Flow(self.transport, self.pipeline)
        self._wait_for_head()
        self._watch = self.loop.call_later(self._served.head_seconds, self._look_at_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._deaf:
            return
        if not self._begun:
            data = self._held + data
            self._held = b""
            if data.startswith(_LIST):
                self._lists, data = True, _STAND_IN + data[len(_LIST) :]
            elif _LIST.startswith(data):
                self._held, data = data, b""
        super().data_received(data)
        moved, self._moved = self._moved, False
        if not self._body_is_whole:
            # Lines between chunks and after the last one: nothing is done with them.
            self._head_bytes = 0 if moved else self._head_bytes + len(data)
            if self._head_bytes > LONGEST_HEAD:
                self.transport.close()
        elif not moved:
            # What ended a body or a head may begin the next head; by how much is not told.
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Look whether the request may be plain; if not, the application gets it at once."""
        if self._deaf:
            return
        if len(self.pipeline) >= MOST_QUEUED:
            self._hear_no_more()
            return
        self._waits_since = None
        self._body_is_whole = False
        self._head_bytes = 0
        self._moved = True
        self._asked = self._plain()
        if self._asked is None:
            super().on_headers_complete()
            if self._lists:
                self._lists, self.scope["method"] = False, "LIST"
            # Trailers are no headers of the request (RFC 9110, 6.5.1), which has its own list.
            self.headers = []
        else:
            self._plain_body = b""

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; what comes after the answer is thrown away, up to a limit."""
        if self._deaf:
            return
        self._moved = True
        if self._asked is not None:
            self._plain_body += body
        elif self.cycle.response_complete:
            self._thrown_away += len(body)
            if self._thrown_away > _MOST_THROWN_AWAY:
                self._linger()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer what is plain."""
        if self._deaf:
            return
        self._body_is_whole = True
        self._head_bytes = 0
        self._begun = False
        asked, self._asked = self._asked, None
        if asked is None:
            if self.cycle.response_complete:
                self._wait_for_head()
            super().on_message_complete()
            return
        body, self._plain_body = self._plain_body, b""
        lean, in_work = self._served.lean, _InWork()
        send, fail = partial(self._send, in_work), partial(self._fail, in_work, asked, self.headers)
        if lean is not None and lean.answer_at_once(asked, body, send, fail):
            self.cycle = in_work
            return
        self._hand_on(body)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        if not self.pipeline:
            self._wait_for_head()
        super().on_response_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def _hand_on(self, body: bytes) -> None:
        """Give the application what was kept from it."""
        super().on_headers_complete()
        super().on_body(body)

    def _plain(self) -> Asked | None:
        """What is asked, where it may be plain and short, and no answer is due before its own."""
        lean, parser = self._served.lean, self.parser
        if self.flow.write_paused:
            # The application waits until what was answered before is read.
            return None
        if lean is None or not (self.cycle is None or self.cycle.response_complete):
            return None
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        address = self.client[0] if self.client else ""
        return lean.asked_at_once(parser.get_method().decode(), self.url, self.headers, address)

    def _send(self, in_work: _InWork, request_id: str, body: bytes) -> None:
        length = b"content-length: %d\r\nx-request-id: %b\r\n" % (len(body), request_id.encode())
        self._end(in_work, b"".join((_OK, *self._dated(), _FIXED, length, b"\r\n", body)))

    def _fail(self, in_work: _InWork, asked: Asked, headers: Headers, error: SecvaultError) -> None:
        scope = {"type": "http", "method": "POST", "path": asked.path, "headers": headers}
        response = problem_response(Request(scope), error)
        theirs = (pair for pair in response.raw_headers if pair[0] not in _OURS)
        lines = (b"%b: %b\r\n" % pair for pair in (*theirs, *PRIVATE))
        id_line = b"x-request-id: %b\r\n" % asked.request_id.encode()
        head = (STATUS_LINE[response.status_code], *self._dated(), *lines, id_line, b"\r\n")
        self._end(in_work, b"".join((*head, bytes(response.body))))

    def _dated(self) -> list[bytes]:
        return [b"%b: %b\r\n" % pair for pair in self.server_state.default_headers]

    def _end(self, in_work: _InWork, answer: bytes) -> None:
        in_work.response_complete = True
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if not self.pipeline:
            self._wait_for_head()
        if not in_work.keep_alive:
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()

    def _wait_for_head(self) -> None:
        self._waits_since = self.loop.time()
        self._thrown_away = 0

    def _look_at_head(self) -> None:
        # One timer for a connection: to set and cancel one for each request would cost more.
        if self._asked is not None:
            # The application knows how long a body may take.
            self._asked = None
            body, self._plain_body = self._plain_body, b""
            self._hand_on(body)
            self.headers = []
        seconds = self._served.head_seconds
        waited = 0.0 if self._waits_since is None else self.loop.time() - self._waits_since
        if waited >= seconds:
            self.transport.close()
            return
        self._watch = self.loop.call_later(seconds - waited, self._look_at_head)

    def _refuse_head(self) -> None:
        if self._waits_since is None:
            self._hear_no_more()
        elif not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self._linger()

    def _hear_no_more(self) -> None:
        """End the connection with the answers to what has come by now."""
        self._deaf = True
        self.cycle.keep_alive = False
        self.flow.pause_reading()

    def _linger(self) -> None:
        """Give the answer time to arrive: what is closed with bytes unread takes it back."""
        self._deaf = True
        self.flow.pause_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

"""The entrance: sign-ins are handled in a process of their own, beside those that encrypt.

A sign-in takes several transactions and an argon2id hash. In a web worker it would share the
interpreter with the encryption API, whose answers would wait for it. So the web workers hand the
sign-ins over, through a Unix socket in the data folder that only its owner reaches,
and pass on what comes back (decision 0041).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import httpcore2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secvault.api.answering import REQUEST_ID
from secvault.api.problem import problem_response
from secvault.errors import Unavailable

SIGN_INS = (
    "/api/v1/sessions",
    "/api/v1/sessions/passkey",
    "/api/v1/sessions/passkey/challenge",
    "/api/v1/sessions/recovery",
    "/v1/sys/mfa/validate",
    "/sign-in",
    "/sign-in/recovery",
)
BELOW = ("/api/v1/sign-in/oidc/", "/v1/auth/userpass/login/")

CAME = b"x-secvault-came"
"""The header in which a web worker says who asks; from anybody else it is dropped."""

_LARGEST_BODY = 64 * 1024
# 60 seconds are longer than people are let wait for a hash: the entrance says itself that it has
# too much to do.
_TIMEOUTS = {"timeout": {"connect": 0.5, "write": 60.0, "read": 60.0, "pool": 60.0}}
_LOST = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)
_CONNECTIONS = 256
# RFC 9110, 7.6.1; the body's length and the date, which are said anew; and what only we may say.
_LEFT_OUT = frozenset(
    {
        CAME,
        b"connection",
        b"content-length",
        b"date",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def is_sign_in(scope: Scope) -> bool:
    """Whether a request is one that the entrance handles."""
    path: str = scope["path"]
    return path.startswith(BELOW) or (path in SIGN_INS and scope["method"] in ("POST", "PUT"))


class HandingOver:
    """An ASGI application around another, in a web worker.

    What the entrance handles goes there; while no entrance runs, it is handled here.
    """

    def __init__(self, app: ASGIApp, socket: Path) -> None:
        self._app = app
        self._socket = socket
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http" or not is_sign_in(scope):
            await self._app(scope, receive, send)
            return
        read: list[Message] = []
        body = await _body(receive, read)
        answer = None if body is None else await self._ask(scope, body)
        if answer is None:
            await self._app(scope, _again(read, receive), send)
        else:
            await answer(scope, receive, send)

    async def _ask(self, scope: Scope, body: bytes) -> Response | None:
        """What the entrance answers; None when there is none, and nothing was handed over."""
        headers = [
            *_end_to_end(scope["headers"]),
            (CAME, _came(scope)),
            (b"content-length", str(len(body)).encode()),
        ]
        try:
            given = await self._connected().request(
                scope["method"],
                httpcore2.URL(scheme=b"http", host=b"entrance", target=_target(scope)),
                headers=headers,
                content=body,
                extensions=_TIMEOUTS,
            )
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
            return None
        except _LOST:
            # It may have been handled: a code counts once, and is not tried a second time here.
            lost = Unavailable("the sign-in was not answered; sign in once more")
            return problem_response(Request(scope), lost)
        answer = Response(given.content, given.status)
        answer.raw_headers.extend(_end_to_end(given.headers))
        if (policy := answer.headers.get("content-security-policy")) is not None:
            # A page that did not let somebody in needs its look and its form as any page does;
            # what answers is told so, as by a page of this process. See `answering`.
            scope["state"]["content_policy"] = policy
        return answer

    def _connected(self) -> httpcore2.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore2.AsyncConnectionPool(
                uds=str(self._socket), max_connections=_CONNECTIONS
            )
        return self._pool


class HandedOver:
    """An ASGI application around another, in the entrance: it sees what the web worker saw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            came = json.loads(next(value for name, value in scope["headers"] if name == CAME))
            client = came["client"]
            scope = {
                **scope,
                "client": None if client is None else tuple(client),
                "scheme": came["scheme"],
                "headers": [each for each in scope["headers"] if each[0] != CAME],
                REQUEST_ID: came["request_id"],
            }
        await self._app(scope, receive, send)


def _came(scope: Scope) -> bytes:
    client = scope.get("client")
    return json.dumps(
        {
            "client": None if client is None else list(client),
            "scheme": scope["scheme"],
            "request_id": scope["state"]["request_id"],
        }
    ).encode()


def _target(scope: Scope) -> bytes:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in _LEFT_OUT]


async def _body(receive: Receive, read: list[Message]) -> bytes | None:
    """The whole body; None when it is no sign-in's. read: takes the messages, for `_again`."""
    size = 0
    while size <= _LARGEST_BODY:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return None
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(one.get("body", b"") for one in read)
    return None


def _again(read: list[Message], receive: Receive) -> Receive:
    left = iter(read)

    async def next_message() -> Message:
        return next(left, None) or await receive()

    return next_message

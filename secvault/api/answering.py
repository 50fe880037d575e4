"""Around everything: a request id, and the headers that keep each answer private."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import uuid_utils
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secvault.api.body_time import PunctualBody
from secvault.api.private import PRIVATE, lasting, private_page
from secvault.api.problem import is_authzen, problem_response, too_large, too_slow
from secvault.api.transit.lean import LeanPath
from secvault.errors import SecvaultError

REQUEST_ID = "secvault.request_id"
"""In the scope of a request that another process of ours has given its id already."""

_OURS = frozenset({b"x-request-id", *(name for name, _ in PRIVATE)})


class Answering:
    """An ASGI application around another.

    A body over the limit is answered by the framework, outside of our errors, and one that does
    not come is a fault of its form to it; here both get the form of our errors.
    """

    def __init__(self, app: ASGIApp, body_seconds: float, lean: LeanPath | None = None) -> None:
        """lean: answers what is plain before it comes to the application."""
        self._app = app
        self._body_seconds = body_seconds
        self.lean = lean
        self.stopping = threading.Event()
        """Set when the process is to end: what would go on for long ends by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.get(REQUEST_ID) or str(uuid_utils.uuid7())
        body = PunctualBody(receive, self._body_seconds)
        app = self._app
        rest: Receive = body
        asked = self.lean.asked(scope, request_id) if self.lean is not None else None
        if self.lean is not None and asked is not None:
            try:
                unread = await self.lean.answer(asked, body, send)
            except SecvaultError as error:
                app = problem_response(Request(scope), error)
            else:
                if unread is None:
                    return
                rest = unread
        # A copy: what a server hands over may be shared between requests.
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": request_id,
            "body": body,
            "stopping": self.stopping,
        }
        await _answer(app, scope, body, rest, send)


async def _answer(
    app: ASGIApp, scope: Scope, body: PunctualBody, receive: Receive, send: Send
) -> None:
    """Have `app` answer. receive: what gives it the body, through `body`."""
    replaced = answered = False
    finish = _finishing(_answered_id(scope), scope["state"], send)

    async def answer(message: Message) -> None:
        nonlocal replaced, answered
        if not answered and body.late:
            replaced = True
            await too_slow(Request(scope))(scope, receive, finish)
        elif _is_bare_refusal(message):
            replaced = True
            await too_large(Request(scope))(scope, receive, finish)
        elif not replaced:
            await finish(message)
        answered = True

    try:
        await app(scope, receive, answer)
    except Exception:
        # The framework raises once more what it has answered and logged; a server would log
        # it with its message, which may hold what nobody should read.
        if not (answered or body.late):
            raise
    if not answered and body.late:
        await too_slow(Request(scope))(scope, receive, finish)


def _answered_id(scope: Scope) -> bytes:
    """Our own id of the request; on the paths of AuthZEN the caller's, where there is one."""
    if is_authzen(scope["path"]):
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                return bytes(value)
    return str(scope["state"]["request_id"]).encode()


def _finishing(request_id: bytes, state: Mapping[str, Any], send: Send) -> Send:
    """state: of the request; a page of ours has put there what a browser may do for it, and what
    says nothing about anybody that it is lasting.
    """

    async def finish(message: Message) -> None:
        if message["type"] == "http.response.start":
            theirs = (each for each in message["headers"] if each[0] not in _OURS)
            policy = state.get("content_policy")
            private = PRIVATE if policy is None else private_page(policy)
            if state.get("lasting"):
                private = lasting(private)
            message["headers"] = [*theirs, (b"x-request-id", request_id), *private]
        await send(message)

    return finish


def _is_bare_refusal(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    if message["status"] != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return False
    return Headers(scope=message).get("content-type", "").startswith("text/plain")

"""The gate around the whole application: while the vault is sealed, nothing with data leaves.

It opens and closes the application inside (its lifespan, which opens the service) as the sealer
says, and looks twice at each request: before it is handled, and before its answer begins.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secvault.api.problem import problem_response
from secvault.api.sealed_page import UNSEAL, is_for_a_person, sealed_page
from secvault.errors import Sealed
from secvault.keyring.root import Root

WHILE_SEALED = frozenset(
    {
        "/health/live",
        "/health/ready",
        "/v1/sys/health",
        "/v1/sys/init",
        "/v1/sys/leader",
        "/v1/sys/seal-status",
        "/v1/sys/unseal",
        UNSEAL,
    }
)
"""The paths that answer always; none of them needs a key."""

SEAL = "/v1/sys/seal"
"""Its own answer, which holds nothing, leaves after the vault is sealed."""

_LOOK_SECONDS = 0.005
# What was handed to the server just before the gate closed is on its way to the kernel.
_FLUSH_SECONDS = 0.05


class Following(Protocol):
    """Something that follows the sealer and calls the gate; see `service.sealing.follower`."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End; the gate is closed when this returns."""
        ...


@dataclass(slots=True)
class Passage:
    """Whether what has data may leave, and how many requests are in work; of one event loop.

    Who answers must look at `is_open` with no await between the look and the sending.
    """

    is_open: bool = False
    busy: int = 0


class Gate:
    """An ASGI application around another.

    lifespan: opens the inner application and closes it again. follow: makes the follower that
    calls `open`, `renew` and `close` of this gate.
    """

    def __init__(
        self,
        app: ASGIApp,
        lifespan: Callable[[Root], AbstractAsyncContextManager[Any]],
        follow: Callable[[Gate], Following],
        renewed: Callable[[Root], None],
        passage: Passage,
    ) -> None:
        """passage: shared with those who answer beside the application inside."""
        self._app = app
        self._lifespan = lifespan
        self._follow = follow
        self._renewed = renewed
        self._passage = passage
        self._inside: AbstractAsyncContextManager[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, root: Root) -> None:
        """Open the application and let requests in. Called from another thread than the loop's."""
        self._in_loop(self._enter(root))

    def renew(self, root: Root) -> None:
        """Work on with a root that was rotated. Called from another thread than the loop's."""
        self._renewed(root)

    def close(self) -> None:
        """Let nothing more out, at once; return when the application is closed.

        Called from another thread than the loop's. It waits for the requests in work; the sealer,
        which waits for it in turn, ends the process when that takes too long.
        """
        self._passage.is_open = False
        self._in_loop(self._leave())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in WHILE_SEALED:
            await self._app(scope, receive, send)
            return
        if not self._passage.is_open:
            await _refuse(scope, receive, send)
            return
        if path == SEAL:
            await self._app(scope, receive, send)
            return
        await self._serve_guarded(scope, receive, send)

    async def _serve_guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        begun = refused = False

        async def receive_idly() -> Message:
            # Who waits for a body that trickles in holds nothing that must be waited for.
            self._passage.busy -= 1
            try:
                return await receive()
            finally:
                self._passage.busy += 1

        async def guarded(message: Message) -> None:
            nonlocal start, begun, refused
            if refused:
                return
            if message["type"] == "http.response.start":
                # Kept back until there is a body: until then it can still be a refusal.
                start = message
                return
            # No await lies between this look and the server's taking of the message, and the gate
            # is closed to the end in the same loop: what passes here has left before that.
            if not self._passage.is_open:
                refused = True
                if begun:
                    raise Sealed("the vault was sealed while this was answered")
                await _refuse(scope, receive, send)
                return
            if start is not None:
                first, start, begun = start, None, True
                await send(first)
            await send(message)

        self._passage.busy += 1
        try:
            await self._app(scope, receive_idly, guarded)
        finally:
            self._passage.busy -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._loop = asyncio.get_running_loop()
        following = self._follow(self)
        following.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # Off the loop: to be closed, the gate needs it.
        await asyncio.to_thread(following.stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _enter(self, root: Root) -> None:
        inside = self._lifespan(root)
        await inside.__aenter__()
        self._inside = inside
        self._passage.is_open = True

    async def _leave(self) -> None:
        # Not an event: what ends a request on the hot path must cost no more than a subtraction.
        while self._passage.busy:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.sleep(_FLUSH_SECONDS)
        inside, self._inside = self._inside, None
        if inside is not None:
            await inside.__aexit__(None, None, None)
            del inside
            # Keys in rings of objects go now, not when there is next enough to collect.
            gc.collect()

    def _in_loop(self, work: Any) -> None:
        loop = self._loop
        if loop is None:
            raise AssertionError("the server has not begun")
        asyncio.run_coroutine_threadsafe(work, loop).result()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    if is_for_a_person(request):
        await sealed_page(request)(scope, receive, send)
        return
    sealed = Sealed("the vault is sealed; whoever holds its key unseals it")
    await problem_response(request, sealed)(scope, receive, send)

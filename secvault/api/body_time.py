"""How long a body may take to arrive: one that is sent drop by drop must hold nothing open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from starlette.requests import Request
from starlette.types import Message, Receive

from secvault.errors import BodyTooSlow

FLOW_BYTES = 16 * 1024
"""How many bytes of a long body must come in a second, on the whole."""


def flowing(request: Request) -> None:
    """Let the body of this request take as long as it keeps flowing: it may be a long file."""
    body = getattr(request.state, "body", None)
    if isinstance(body, PunctualBody):
        body.flow()


class PunctualBody:
    """A `receive` that gives up on a body which is not whole after so many seconds.

    late: whether it did.
    """

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._ends_at = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._flows = False
        self._came_at = 0.0
        self._whole = False
        self._begun: Awaitable[Message] | None = None
        self.late = False

    def begin(self) -> None:
        """Have the server fetch the first message while something else is done here."""
        self._begun = self._receive()

    def flow(self) -> None:
        """Wait for the sender no longer than before in all, but a second more for each `FLOW_BYTES`
        that came; what is done here with what came does not count.
        """
        self._flows = True
        self._came_at = asyncio.get_running_loop().time()
        self._ends_at = self._came_at + self._seconds

    async def __call__(self) -> Message:
        """The next message. Raises BodyTooSlow."""
        if self._whole:
            # What still comes is only the end of the connection.
            return await self._receive()
        time = asyncio.get_running_loop().time
        if self._flows:
            self._ends_at += time() - self._came_at
        try:
            async with asyncio.timeout_at(self._ends_at):
                begun, self._begun = self._begun, None
                message = await (begun or self._receive())
        except TimeoutError:
            self.late = True
            raise BodyTooSlow(
                f"the body was not whole after {self._seconds:g} seconds; send it again at once"
            ) from None
        self._came_at = time()
        self._ends_at += len(message.get("body", b"")) / FLOW_BYTES if self._flows else 0
        self._whole = not message.get("more_body", False)
        return message

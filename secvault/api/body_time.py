"""How long a body may take to arrive: one that is sent drop by drop must hold nothing open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from starlette.types import Message, Receive

from secvault.errors import BodyTooSlow


class PunctualBody:
    """A `receive` that gives up on a body which is not whole after so many seconds.

    late: whether it did.
    """

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._ends_at = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._whole = False
        self._begun: Awaitable[Message] | None = None
        self.late = False

    def begin(self) -> None:
        """Have the server fetch the first message while something else is done here."""
        self._begun = self._receive()

    async def __call__(self) -> Message:
        """The next message. Raises BodyTooSlow."""
        if self._whole:
            # What still comes is only the end of the connection.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._ends_at):
                begun, self._begun = self._begun, None
                message = await (begun or self._receive())
        except TimeoutError:
            self.late = True
            raise BodyTooSlow(
                f"the body was not whole after {self._seconds:g} seconds; send it again at once"
            ) from None
        self._whole = not message.get("more_body", False)
        return message

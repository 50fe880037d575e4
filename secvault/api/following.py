"""Following work by server-sent events: what all such streams have in common.

A stream tells what changed and nothing else, at most once a second. It ends with the work, with
the right to look, with the session, and when the process is to end; then its client asks again.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from secvault.api.caller import caller
from secvault.errors import NotAuthenticated, NotFound, Refused, SecvaultError, TooManyStreams
from secvault.service import Service
from secvault.service.spine import Caller

Work = TypeVar("Work")

LOOK_SECONDS = 1.0
LONGEST_LOOKS = 3600
"""A stream ends after an hour, and its client asks again, with its credential."""
_RETRY_SECONDS = 10


class Streams:
    """How many streams each caller has open in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, subject: str, most: int) -> Iterator[None]:
        """Have one more open for as long as this lasts. Raises TooManyStreams."""
        with self._lock:
            if self._open[subject] >= most:
                raise TooManyStreams(
                    f"{most} streams are open already; end one of them, or look without a stream",
                    retry_after=_RETRY_SECONDS,
                )
            self._open[subject] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[subject] -= 1
                # Else callers who are long gone would fill the memory.
                self._open += Counter()


def place(request: Request, service: Service, who: Caller) -> AbstractContextManager[None]:
    """A place for a stream of this caller. Raises TooManyStreams."""
    streams: Streams = request.app.state.streams
    return streams.place(who.principal.subject, service.settings.server.streams_each)


def stream_place(
    request: Request, at: Annotated[tuple[Service, Caller], Depends(caller)]
) -> Iterator[None]:
    """For a route: a place for its stream, kept until the answer has ended."""
    service, who = at
    with place(request, service, who):
        yield


async def follow(
    request: Request,
    first: Work,
    look: Callable[[], Work],
    ended: Callable[[Work], bool],
    tell: Callable[[Work], Mapping[str, ServerSentEvent]],
    refused: Callable[[SecvaultError], ServerSentEvent],
) -> AsyncIterator[ServerSentEvent]:
    """The events of one piece of work until it has ended; each once, and again when it differs.

    tell: the events that say how the work stands, by their names. refused: the last event where
    the right to look has ended.
    """
    seen = first
    told: Mapping[str, ServerSentEvent] = {}
    for _ in range(LONGEST_LOOKS):
        now = await run_in_threadpool(tell, seen)
        news = [event for name, event in now.items() if told.get(name) != event]
        told = now
        for event in news:
            yield event
        if ended(seen):
            return
        if not news:
            # Whoever seals the vault does not wait, and no proxy takes the line for dead.
            yield ServerSentEvent(comment="beat")
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if request.state.stopping.is_set():
                return
            try:
                seen = await run_in_threadpool(look)
                break
            except (Refused, NotAuthenticated, NotFound) as error:
                yield refused(error)
                return
            except SecvaultError:
                # The store does not answer just now; the next look asks again.
                yield ServerSentEvent(comment="wait")


def event(name: str, data: Any) -> Mapping[str, ServerSentEvent]:
    """One event with a document, as `tell` gives it."""
    return {name: ServerSentEvent(event=name, data=data)}


def refusal(error: SecvaultError) -> ServerSentEvent:
    """The last event of the API's streams where the right to look has ended."""
    return ServerSentEvent(event="refused", data={"code": error.code})

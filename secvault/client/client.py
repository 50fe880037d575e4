"""The two clients: both drive the same conversation, one blocks and one awaits."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import closing
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from secvault.client.call import Answer, Call, Fault, Request
from secvault.client.configured import Configured, answer_of, fault_of
from secvault.client.conversation import converse
from secvault.client.retry import Reply, Send, Talk, Wait

T = TypeVar("T")


class Client(Configured):
    """Blocks until the answer is there. Settings: see Configured; methods: see Operations.

    Any number of threads may share one. After a fork the child opens connections of its own; a
    conversation that another thread had under way at the fork stays the parent's.
    """

    def ask(self, call: Call[T]) -> T:
        """Send the call; its result. Raises Refusal, Unreachable, Unexpected, WrongUse."""
        if os.getpid() != self._process:
            self._open()
        answers = [self._answer(request) for request in call.requests(self._batch)]
        return call.read(answers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> None:
        # A socket that two processes write to mixes up their requests, and a lock that was held at
        # the fork is never released in the child.
        self._process = os.getpid()
        self._alone = threading.Lock()
        self._client = httpx2.Client(**self._http())

    def _answer(self, request: Request) -> Answer:
        return self._drive(converse(request, self._credential, self._attempts()))

    def _drive(self, talk: Talk[T]) -> T:
        reply: Reply = None
        with closing(talk):
            while True:
                try:
                    step = talk.send(reply)
                except StopIteration as done:
                    result: T = done.value
                    return result
                reply = None
                if isinstance(step, Send):
                    reply = self._sent(step)
                elif isinstance(step, Wait):
                    time.sleep(step.seconds)
                else:
                    with self._alone:
                        self._drive(step.talk)

    def _sent(self, step: Send) -> Answer | Fault:
        try:
            return answer_of(self._client.request(**self._sending(step)))
        except httpx2.HTTPError as error:
            return fault_of(error)


class AsyncClient(Configured):
    """The same with `await`, for one event loop of asyncio; any number of its tasks may share one.

    Make it after a fork, not before.
    """

    async def ask(self, call: Call[T]) -> T:
        """Send the call; its result. Raises Refusal, Unreachable, Unexpected, WrongUse."""
        answers = [await self._answer(request) for request in call.requests(self._batch)]
        return call.read(answers)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _open(self) -> None:
        self._alone = asyncio.Lock()
        self._client = httpx2.AsyncClient(**self._http())

    async def _answer(self, request: Request) -> Answer:
        return await self._drive(converse(request, self._credential, self._attempts()))

    async def _drive(self, talk: Talk[T]) -> T:
        reply: Reply = None
        with closing(talk):
            while True:
                try:
                    step = talk.send(reply)
                except StopIteration as done:
                    result: T = done.value
                    return result
                reply = None
                if isinstance(step, Send):
                    reply = await self._sent(step)
                elif isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    async with self._alone:
                        await self._drive(step.talk)

    async def _sent(self, step: Send) -> Answer | Fault:
        try:
            return answer_of(await self._client.request(**self._sending(step)))
        except httpx2.HTTPError as error:
            return fault_of(error)

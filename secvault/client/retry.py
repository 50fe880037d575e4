"""When a request is sent again, and after how long.

A loop of its own, in this file only: httpx2's transports try again only what could not connect,
without a total time; the libraries for retries (tenacity, stamina, httpx-retries) would be a third
dependency of every application, and none of them shares the waiting of a blocking and an
asynchronous client. Decision 0013. No I/O in here: who drives a `Talk` sends and sleeps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from secvault.client.call import Answer, Fault, Request
from secvault.client.errors import unreachable
from secvault.client.secret import Secret

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this and give the Answer or the Fault. seconds: how long to wait for the next byte."""

    request: Request
    token: Secret | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Sleep."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Alone:
    """Drive this while no other conversation of the client is in such a part."""

    talk: Talk[None]


Step: TypeAlias = "Send | Wait | Alone"
Reply: TypeAlias = "Answer | Fault | None"
Talk: TypeAlias = Generator["Step", "Reply", T]
"""A conversation with the server; who drives it does each step and gives its reply."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Full jitter: attempt n+1 waits a random part of `first_wait * 2**n`, or of `longest_wait`.

    total_seconds: bounds all attempts and waits of one request together. request_seconds: how long
    one attempt waits to connect, to write, and for each next byte.
    """

    total_seconds: float = 30.0
    request_seconds: float = 10.0
    first_wait: float = 0.05
    longest_wait: float = 5.0


@dataclass(frozen=True, slots=True)
class Chance:
    """Time and randomness. monotonic: seconds. random: from 0 up to 1."""

    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Attempts:
    """Sends the requests of one conversation, again where that may help.

    until: when all of them together give up, by the monotonic clock.
    """

    address: str
    retry: Retry
    chance: Chance
    until: float

    @classmethod
    def begun(cls, address: str, retry: Retry, chance: Chance) -> Attempts:
        """The attempts of a conversation that begins now."""
        return cls(address, retry, chance, chance.monotonic() + retry.total_seconds)

    def sent(self, request: Request, token: Secret | None) -> Talk[Answer]:
        """The answer, whatever its status. Raises Unreachable when none came in time."""
        number = 0
        said: Answer | None = None
        while True:
            left = max(self.until - self.chance.monotonic(), 0.001)
            reply = yield Send(request, token, min(self.retry.request_seconds, left))
            if reply is None:
                raise TypeError("a Send is replied to with an Answer or a Fault")
            if isinstance(reply, Answer):
                said = reply
            wait = self._wait(request, reply, number)
            if wait is None or self.chance.monotonic() + wait >= self.until:
                break
            yield Wait(wait)
            number += 1
        if isinstance(reply, Answer):
            return reply
        # The last attempt may have had little time left; "sealed" says more than "no answer".
        if said is not None:
            return said
        raise unreachable(reply, self.address)

    def _wait(self, request: Request, reply: Answer | Fault, number: int) -> float | None:
        if not _again(request, reply):
            return None
        highest = min(self.retry.longest_wait, self.retry.first_wait * 2.0 ** min(number, 30))
        asked = reply.retry_after if isinstance(reply, Answer) else None
        return (asked or 0.0) + self.chance.random() * highest


def _again(request: Request, reply: Answer | Fault) -> bool:
    if isinstance(reply, Fault):
        return request.repeatable or not reply.may_have_happened
    # 429 is said before anything is done; the others also by a proxy that lost the answer.
    return reply.status == 429 or (request.repeatable and reply.status in (502, 503, 504))

"""What goes out and what comes back, as data: the operations are functions that make a `Call`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request. path: with its query, percent-encoded. body: JSON, empty for none.

    repeatable: whether sending it twice does no more than sending it once, so that it may be sent
    again when nobody knows whether it arrived. in_batch: an answer with a result for each item is
    an answer, whatever its status.
    """

    method: str
    path: str
    body: bytes = b""
    repeatable: bool = True
    in_batch: bool = False
    if_match: str = ""

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}>"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What the server answered. retry_after: seconds, where it named them."""

    status: int
    body: bytes
    request_id: str = ""
    retry_after: float | None = None

    def __repr__(self) -> str:
        return f"<answer {self.status}>"


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer. what: for the person. may_have_happened: it may have reached the server."""

    what: str
    may_have_happened: bool


@dataclass(frozen=True, slots=True)
class BatchSize:
    """What one request holds at most. The service takes 10,000 items and 32 MiB.

    OpenBao takes fewer, by the complexity of the JSON: 150 items are within.
    """

    items: int = 10_000
    bytes: int = 32 * 1024 * 1024 - 4096


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T_co]):
    """An operation: the requests, which are sent one after another, and how to read the answers."""

    requests: Callable[[BatchSize], Iterable[Request]]
    read: Callable[[Sequence[Answer]], T_co]


def one(request: Request, read: Callable[[Answer], T_co]) -> Call[T_co]:
    """An operation of one request."""
    return Call(lambda _: (request,), lambda answers: read(answers[0]))

"""Pages that are told what goes on while they are open, by server-sent events.

Each event has a part of the page, as the page itself shows it; `end` is the last. Whoever looks
needs the right all the time, and has only so many streams open at once. Pages without a stream
have a link that loads them again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.sse import ServerSentEvent

from secvault.api import following
from secvault.console.page import part
from secvault.console.visitor import Visiting
from secvault.errors import SecvaultError
from secvault.service.watching import Watch

Work = TypeVar("Work")


def stream_place(request: Request, at: Visiting) -> Iterator[None]:
    """For a route: a place for its stream, kept until it has ended. Raises TooManyStreams."""
    with following.place(request, at.service, at.caller):
        yield


def follow(
    request: Request,
    watch: Watch[Work],
    first: Work,
    ended: Callable[[Work], bool],
    shown: Callable[[Work], Mapping[str, Any]],
    parts: Mapping[str, str],
) -> AsyncIterator[ServerSentEvent]:
    """The parts of a page, as they change. shown: the values of its templates, `path` among them.

    parts: the template of each event; `end` is told when the work has ended, and the others before.
    """

    def tell(work: Work) -> Mapping[str, ServerSentEvent]:
        values = shown(work)
        left_out = frozenset() if ended(work) else {"end"}
        return {
            name: _event(name, part(request, template, **values))
            for name, template in parts.items()
            if name not in left_out
        }

    def refused(_: SecvaultError) -> ServerSentEvent:
        return _event("end", part(request, "live/refused.html", path=shown(first)["path"]))

    return following.follow(request, first, watch.look, ended, tell, refused)


def _event(name: str, text: str) -> ServerSentEvent:
    return ServerSentEvent(event=name, raw_data=" ".join(text.split("\n")).strip())

"""A body has so long to arrive; a long file has longer, for as long as it flows."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from secvault.api.body_time import FLOW_BYTES, PunctualBody
from secvault.errors import BodyTooSlow

WAIT, SECONDS = 0.1, 0.6


def sent(pieces: int, size: int, *, flows: bool, work: float = 0.0) -> int:
    """Take in a body whose pieces come one each `WAIT`; work: seconds spent with each of them."""
    left = pieces

    async def receive() -> Message:
        nonlocal left
        await asyncio.sleep(WAIT)
        left -= 1
        return {"type": "http.request", "body": bytes(size), "more_body": left > 0}

    async def take_in() -> int:
        body = PunctualBody(receive, SECONDS)
        if flows:
            body.flow()
        taken = 0
        more = True
        while more:
            message = await body()
            taken += len(message["body"])
            more = message["more_body"]
            await asyncio.sleep(work)
        return taken

    return asyncio.run(take_in())


def test_a_body_that_is_not_whole_in_time_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        sent(8, FLOW_BYTES, flows=False)


def test_a_long_file_may_take_longer_while_it_flows() -> None:
    assert sent(8, FLOW_BYTES, flows=True) == 8 * FLOW_BYTES


def test_a_file_that_trickles_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        sent(8, 10, flows=True)


def test_what_is_done_with_what_came_is_not_held_against_the_sender() -> None:
    assert sent(2, 10, flows=True, work=2 * SECONDS) == 20

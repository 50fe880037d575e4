"""When requests are sent again, and when not; without real waiting where only time is looked at."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.client import (
    AsyncClient,
    BadRequest,
    Client,
    Retry,
    Sealed,
    ServerFault,
    TooMany,
    Unexpected,
    Unreachable,
)
from secvault.client.call import Answer, Fault, Request
from secvault.client.retry import Attempts, Chance, Send, Wait
from tests.acceptance.installation import free_port
from tests.client.faulty_server import (
    AT_ONCE,
    UNLUCKY,
    FaultyServer,
    breaks_off,
    encrypted,
    resets,
    says,
    stalls,
)

SOON = Retry(total_seconds=5, request_seconds=2, first_wait=0.001, longest_wait=0.002)
ONCE = Request("POST", "/v1/transit/keys/k/rotate", b"{}", repeatable=False)
AGAIN = Request("POST", "/v1/transit/encrypt/k", b"{}")


@dataclass
class Played:
    """A conversation with a server that gives these replies, the last for ever."""

    replies: list[Answer | Fault]
    retry: Retry = field(default_factory=Retry)
    luck: float = 1.0
    seconds_each: float = 0.0
    now: float = 100.0
    waits: list[float] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    def play(self, request: Request) -> Answer:
        """The answer that the caller gets."""
        chance = Chance(monotonic=lambda: self.now, random=lambda: self.luck)
        talk = Attempts.begun("http://there", self.retry, chance).sent(request, None)
        reply: Answer | Fault | None = None
        while True:
            try:
                step = talk.send(reply)
            except StopIteration as done:
                answer: Answer = done.value
                return answer
            reply = None
            if isinstance(step, Send):
                self.timeouts.append(step.seconds)
                self.now += self.seconds_each
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            else:
                assert isinstance(step, Wait)
                self.waits.append(step.seconds)
                self.now += step.seconds


LOST = Fault("ReadTimeout", may_have_happened=True)
NOT_CONNECTED = Fault("ConnectError", may_have_happened=False)
OK = Answer(200, b"{}")


def test_waits_double_up_to_the_longest_and_end_before_the_total_time() -> None:
    played = Played([Answer(503, b"")], Retry(10, 10, 0.1, 2.0))
    assert played.play(AGAIN).status == 503
    assert played.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])
    assert played.now <= 110


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 20), st.floats(0.1, 60), st.integers(1, 9))
def test_no_attempt_begins_after_the_total_time_whatever_chance_and_server_do(
    luck: float, seconds_each: float, total: float, first: int
) -> None:
    retry = Retry(total, 10, first / 100, 3.0)
    played = Played([NOT_CONNECTED], retry, max(luck, 0.01), min(seconds_each, total))
    with pytest.raises(Unreachable):
        played.play(AGAIN)
    assert all(0 < each <= min(10, total) + 1e-6 for each in played.timeouts)
    assert played.now <= 100 + total + min(seconds_each, total) + 0.001


def test_the_server_says_how_long_to_wait() -> None:
    played = Played([Answer(429, b"", retry_after=3.0), OK], luck=0.5)
    assert played.play(ONCE) == OK
    assert played.waits == pytest.approx([3.025])


def test_a_wait_longer_than_the_total_time_is_not_begun() -> None:
    played = Played([Answer(429, b"", retry_after=3600.0), OK])
    assert played.play(AGAIN).status == 429
    assert played.waits == []


def test_the_servers_last_words_are_given_when_the_last_attempt_had_no_answer() -> None:
    sealed = Answer(503, b"")
    assert Played([sealed, LOST], Retry(1, 1, 0.1, 0.2)).play(AGAIN) == sealed


@pytest.mark.parametrize("reply", [LOST, Answer(502, b""), Answer(503, b""), Answer(504, b"")])
def test_what_may_have_happened_is_asked_again_only_if_that_does_no_harm(
    reply: Answer | Fault,
) -> None:
    assert Played([reply, OK]).play(AGAIN) == OK
    once = Played([reply, OK])
    if isinstance(reply, Fault):
        with pytest.raises(Unreachable) as raised:
            once.play(ONCE)
        assert raised.value.may_have_happened
    else:
        assert once.play(ONCE) == reply
    assert len(once.timeouts) == 1


@pytest.mark.parametrize("reply", [NOT_CONNECTED, Answer(429, b"")])
def test_what_did_not_happen_is_always_asked_again(reply: Answer | Fault) -> None:
    assert Played([reply, OK]).play(ONCE) == OK


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413, 500, 501])
def test_an_answer_that_would_be_the_same_is_not_asked_for_again(status: int) -> None:
    played = Played([Answer(status, b""), OK])
    assert played.play(AGAIN).status == status


@pytest.fixture
def client(faulty: FaultyServer) -> Iterator[Client]:
    """A client of the faulty server that waits little."""
    with Client(faulty.address, "t", retry=SOON) as made:
        yield made


def test_an_encryption_outlives_resets_torn_answers_and_a_sealed_server(
    faulty: FaultyServer, client: Client
) -> None:
    faulty.plan.extend([resets, breaks_off, says(503), says(502), says(429, Retry_After="0")])
    assert client.encrypt("k", "a") == "vault:v1:YQ=="
    assert len(faulty.asked) == 6
    assert len({each.body for each in faulty.asked}) == 1


def test_so_does_an_awaited_one(faulty: FaultyServer) -> None:
    faulty.plan.extend([resets, breaks_off, says(503), says(429, Retry_After="0")])

    async def main() -> str:
        async with AsyncClient(faulty.address, "t", retry=SOON) as client:
            return await client.encrypt("k", "a")

    assert asyncio.run(main()) == "vault:v1:YQ=="
    assert len(faulty.asked) == 5


def test_a_rotation_whose_answer_was_lost_is_left_to_the_caller(
    faulty: FaultyServer, client: Client
) -> None:
    faulty.plan.append(resets)
    with pytest.raises(Unreachable) as raised:
        client.rotate_key("k")
    assert raised.value.may_have_happened
    assert len(faulty.asked) == 1


def test_a_stalled_answer_ends_at_the_time_out_and_is_asked_for_again(
    faulty: FaultyServer,
) -> None:
    released = threading.Event()
    faulty.plan.append(stalls(released))
    with Client(faulty.address, "t", retry=Retry(20, 0.2, 0.001, 0.002)) as client:
        assert client.encrypt("k", "a") == "vault:v1:YQ=="
    released.set()


def test_errors_after_the_last_attempt_have_the_servers_words(faulty: FaultyServer) -> None:
    with Client(faulty.address, "t", retry=AT_ONCE, chance=UNLUCKY) as client:
        for move, kind in [
            (says(503, {"errors": ["Vault is sealed"]}, X_Request_Id="r-1"), Sealed),
            (says(500), ServerFault),
            (says(429, Retry_After="60"), TooMany),
            (says(413), BadRequest),
        ]:
            faulty.otherwise = move
            with pytest.raises(kind) as raised:
                client.encrypt("k", "a")
            assert raised.value.errors
        faulty.otherwise = says(503, {"errors": ["Vault is sealed"]}, X_Request_Id="r-1")
        with pytest.raises(Sealed, match=r"503: Vault is sealed \(request r-1\)"):
            client.encrypt("k", "a")


@pytest.mark.parametrize("body", [{"data": {}}, ["no", "object"], {"data": {"ciphertext": 3}}, ""])
def test_an_answer_that_is_not_the_apis_is_named_as_such(
    faulty: FaultyServer, client: Client, body: object
) -> None:
    faulty.otherwise = says(200, body)
    with pytest.raises(Unexpected):
        client.encrypt("k", "a")


def test_a_redirect_is_not_followed_with_the_token(faulty: FaultyServer, client: Client) -> None:
    faulty.otherwise = says(307, Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(BadRequest):
        client.encrypt("k", "a")
    assert len(faulty.asked) == 1


def test_nobody_there_is_unreachable_within_the_total_time_and_nothing_has_happened() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with (
        Client(address, "t", retry=Retry(0.2, 0.1, 0.01, 0.05)) as client,
        pytest.raises(Unreachable, match=address) as raised,
    ):
        client.encrypt("k", "a")
    assert not raised.value.may_have_happened


def test_a_client_holds_no_more_connections_than_it_may(faulty: FaultyServer) -> None:
    released = threading.Event()
    faulty.otherwise = stalls(released)
    with (
        Client(faulty.address, "t", retry=Retry(20, 20), max_connections=2) as client,
        ThreadPoolExecutor(6) as pool,
    ):
        futures = [pool.submit(client.encrypt, "k", "a") for _ in range(6)]
        while len(faulty.asked) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        assert len(faulty.asked) == 2
        faulty.otherwise = encrypted
        released.set()
        assert {future.result() for future in futures} == {"vault:v1:YQ=="}

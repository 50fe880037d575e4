"""Single calls that come at the same time: sent as batches, answered as if each were alone."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.client import (
    AsyncClient,
    AsyncGathering,
    BadRequest,
    BatchSize,
    Client,
    ClientError,
    Gathering,
    NotAllowed,
    Retry,
    ServerFault,
    ToEncrypt,
    TooLarge,
    Unreachable,
    WrongUse,
)
from secvault.client.batches import encrypt_many
from tests.client.conftest import Server
from tests.client.faulty_server import AT_ONCE, UNLUCKY, FaultyServer, says, stalls


@dataclass(frozen=True)
class Ask:
    """What one task asks: to decrypt one of these; cancelled: it stops waiting at once."""

    what: str
    cancelled: bool


ASKS = st.lists(
    st.builds(Ask, st.sampled_from(["good", "other", "damaged", "moved", "number"]), st.booleans()),
    min_size=1,
    max_size=20,
)


def outcome(error: ClientError) -> tuple[str, str]:
    """What a caller sees of an error; the ids of requests differ."""
    return type(error).__name__, str(error.args[1] if len(error.args) > 1 else error)


@pytest.fixture
def ciphertexts(server: Server, key: str) -> dict[str, Any]:
    """Ciphertexts that open, that do not, and what is none."""
    with server.client() as client:
        good, other, moved = (
            client.encrypt(key, text, associated_data=place)
            for text, place in [("a", "p"), ("b", "p"), ("c", "elsewhere")]
        )
    return {"good": good, "other": other, "moved": moved, "damaged": "vault:v1:AA", "number": 3}


@pytest.fixture
def alone(server: Server, key: str, ciphertexts: dict[str, Any]) -> dict[str, Any]:
    """What a single call gives for each."""
    found: dict[str, Any] = {}
    with server.client() as client:
        for what, ciphertext in ciphertexts.items():
            try:
                found[what] = client.decrypt(key, ciphertext, associated_data="p")
            except (BadRequest, WrongUse) as error:
                found[what] = outcome(error)
    assert found["good"] == b"a"
    assert found["moved"] != found["damaged"]
    return found


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ASKS, st.sampled_from([0.0, 0.002]), st.integers(1, 8))
def test_each_gets_what_a_call_of_its_own_gives_whoever_else_fails_or_stops_waiting(
    server: Server,
    key: str,
    ciphertexts: dict[str, Any],
    alone: dict[str, Any],
    asks: list[Ask],
    wait_seconds: float,
    most: int,
) -> None:
    async def one(gathering: AsyncGathering, ask: Ask) -> Any:
        try:
            return await gathering.decrypt(key, ciphertexts[ask.what], associated_data="p")
        except (BadRequest, WrongUse) as error:
            return outcome(error)

    async def main() -> list[Any]:
        async with (
            server.async_client() as client,
            AsyncGathering(client, wait_seconds=wait_seconds, most=most) as gathering,
        ):
            tasks = [asyncio.create_task(one(gathering, ask)) for ask in asks]
            await asyncio.sleep(0)
            for task, ask in zip(tasks, asks, strict=True):
                if ask.cancelled:
                    task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    for ask, got in zip(asks, asyncio.run(main()), strict=True):
        if ask.cancelled:
            assert isinstance(got, asyncio.CancelledError)
        else:
            assert got == alone[ask.what], ask


def test_threads_get_what_calls_of_their_own_give(
    server: Server, key: str, ciphertexts: dict[str, Any], alone: dict[str, Any]
) -> None:
    with server.client() as client, Gathering(client) as gathering, ThreadPoolExecutor(16) as pool:

        def one(what: str) -> Any:
            try:
                return gathering.decrypt(key, ciphertexts[what], associated_data="p")
            except (BadRequest, WrongUse) as error:
                return outcome(error)

        asked = list(ciphertexts) * 8
        assert list(pool.map(one, asked)) == [alone[what] for what in asked]


def test_all_operations_gather(server: Server, key: str) -> None:
    with server.client() as client, Gathering(client) as gathering:
        ciphertext = gathering.encrypt(key, "a", associated_data="")
        assert gathering.decrypt(key, gathering.rewrap(key, ciphertext)) == b"a"
        assert gathering.hmac(key, "a") == client.hmac(key, "a")
        with pytest.raises(ClientError):
            gathering.encrypt("nobody's", "a", mount="nowhere")


def test_a_hundred_tasks_need_one_request_for_each_key(faulty: FaultyServer) -> None:
    async def main() -> list[str]:
        async with (
            AsyncClient(faulty.address, "t") as client,
            AsyncGathering(client, wait_seconds=0.05) as gathering,
        ):
            asked = [gathering.encrypt(f"k{n % 2}", bytes([n])) for n in range(100)]
            return await asyncio.gather(*asked)

    found = asyncio.run(main())
    assert len(set(found)) == 100
    assert sorted(each.path[-2:] for each in faulty.asked) == ["k0", "k1"]


def test_a_full_batch_does_not_wait(faulty: FaultyServer) -> None:
    async def main() -> list[str]:
        async with AsyncClient(faulty.address, "t") as client:
            gathering = AsyncGathering(client, wait_seconds=60, most=5)
            return await asyncio.gather(*(gathering.encrypt("k", bytes([n])) for n in range(10)))

    assert len(set(asyncio.run(main()))) == 10
    assert len(faulty.asked) == 2


def test_one_who_stops_waiting_while_the_batch_is_under_way_takes_no_answer_from_another(
    faulty: FaultyServer,
) -> None:
    released = threading.Event()
    faulty.plan.append(stalls(released))

    async def main() -> tuple[Any, ...]:
        async with (
            AsyncClient(faulty.address, "t", retry=Retry(20, 10, 0.001, 0.002)) as client,
            AsyncGathering(client, wait_seconds=0) as gathering,
        ):
            first, second = (asyncio.create_task(gathering.encrypt("k", each)) for each in "ab")
            await asyncio.to_thread(faulty.arrived.wait, 20)
            first.cancel()
            released.set()
            return tuple(await asyncio.gather(first, second, return_exceptions=True))

    gone, stayed = asyncio.run(main())
    assert isinstance(gone, asyncio.CancelledError)
    assert stayed == "vault:v1:Yg=="


def test_what_nobody_waits_for_any_more_is_not_sent(faulty: FaultyServer) -> None:
    async def main() -> None:
        async with (
            AsyncClient(faulty.address, "t") as client,
            AsyncGathering(client, wait_seconds=0.02) as gathering,
        ):
            task = asyncio.create_task(gathering.encrypt("k", "a"))
            await asyncio.sleep(0)
            task.cancel()

    asyncio.run(main())
    assert faulty.asked == []


def test_a_batch_refused_for_one_item_that_it_does_not_name_is_asked_item_by_item(
    faulty: FaultyServer,
) -> None:
    faulty.plan.append(says(400, {"errors": ["context must be given for all or for none"]}))
    with (
        Client(faulty.address, "t") as client,
        Gathering(client, wait_seconds=0.1) as gathering,
        ThreadPoolExecutor(2) as pool,
    ):
        found = list(pool.map(lambda text: gathering.encrypt("k", text), "ab"))
    assert found == ["vault:v1:YQ==", "vault:v1:Yg=="]
    assert len(faulty.asked) == 3


def test_an_item_too_large_for_a_request_fails_alone(faulty: FaultyServer) -> None:
    async def main() -> list[Any]:
        async with (
            AsyncClient(faulty.address, "t", batch=BatchSize(bytes=1000)) as client,
            AsyncGathering(client) as gathering,
        ):
            asked = [gathering.encrypt("k", text) for text in ("a", "b" * 1000, "c")]
            return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert (first, third) == ("vault:v1:YQ==", "vault:v1:Yw==")
    assert isinstance(second, TooLarge)


@pytest.mark.parametrize(("move", "kind"), [(says(403), NotAllowed), (says(504), ServerFault)])
def test_a_batch_that_fails_as_a_whole_fails_each(
    faulty: FaultyServer, move: Any, kind: type[ClientError]
) -> None:
    faulty.otherwise = move
    with (
        Client(faulty.address, "t", retry=AT_ONCE, chance=UNLUCKY) as client,
        Gathering(client) as gathering,
    ):
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(gathering.encrypt, "k", "a") for _ in range(4)]
        assert all(isinstance(future.exception(), kind) for future in futures)


def test_closing_answers_all_who_wait(faulty: FaultyServer) -> None:
    async def main() -> str:
        async with AsyncClient(faulty.address, "t") as client:
            gathering = AsyncGathering(client, wait_seconds=60)
            task = asyncio.create_task(gathering.encrypt("k", "a"))
            await asyncio.sleep(0)
            await gathering.close()
            return await task

    assert asyncio.run(main()) == "vault:v1:YQ=="


def test_a_closed_gathering_of_threads_says_so(faulty: FaultyServer) -> None:
    with Client(faulty.address, "t") as client:
        gathering = Gathering(client)
        gathering.close()
        gathering.close()
        with pytest.raises(WrongUse, match="closed"):
            gathering.encrypt("k", "a")


def test_an_unreachable_server_is_told_to_each() -> None:
    with (
        Client("http://127.0.0.1:1", "t", retry=Retry(0.1, 1, 0.01, 0.02)) as client,
        Gathering(client) as gathering,
        pytest.raises(Unreachable),
    ):
        gathering.encrypt("k", "a")


@given(st.lists(st.binary(max_size=400), max_size=60), st.integers(1, 20), st.integers(900, 4000))
def test_batches_are_cut_by_items_and_bytes_and_nothing_is_lost_or_moved(
    plaintexts: list[bytes], items: int, size: int
) -> None:
    call = encrypt_many("k", map(ToEncrypt, plaintexts))
    bodies = [request.body for request in call.requests(BatchSize(items, size))]
    assert all(len(body) <= size for body in bodies)
    chunks = [plaintexts_in(body) for body in bodies]
    assert all(0 < len(chunk) <= items for chunk in chunks)
    assert [each for chunk in chunks for each in chunk] == plaintexts


def plaintexts_in(body: bytes) -> list[bytes]:
    """The plaintexts in the body of a batch."""
    return [base64.b64decode(item["plaintext"]) for item in json.loads(body)["batch_input"]]

"""Single calls that come at the same time become batches: for web applications, many threads.

A call waits up to `wait_seconds` for others of the same kind, key and mount; then all go in one
request. Under load that is many times faster; a lone call takes that much longer.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from secvault.client.batches import decrypt_many, encrypt_many, hmac_many, rewrap_many
from secvault.client.call import Call
from secvault.client.client import AsyncClient, Client
from secvault.client.coalescing import Coalescer, Where
from secvault.client.errors import WrongUse
from secvault.client.item import Done, Failed, ToDecrypt, ToEncrypt
from secvault.client.transit import MOUNT

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")
Value = TypeVar("Value")

WAIT_SECONDS = 0.002
MOST = 400


class AsyncGathering:
    """Gathers the calls of the tasks of one event loop. Raises what single calls raise.

    client: also a Client, whose requests are then sent in threads. most: items in a batch. Closing
    sends what waits; the client stays open.
    """

    def __init__(
        self,
        client: AsyncClient | Client,
        *,
        wait_seconds: float = WAIT_SECONDS,
        most: int = MOST,
    ) -> None:
        def gathered(
            build: Callable[[Where, list[Item]], Call[list[Done[Value] | Failed]]],
        ) -> Coalescer[Item, Value]:
            async def send(where: Where, items: list[Item]) -> Sequence[Done[Value] | Failed]:
                call = build(where, items)
                if isinstance(client, AsyncClient):
                    return await client.ask(call)
                return await asyncio.to_thread(client.ask, call)

            return Coalescer(send, wait_seconds, most)

        self._encrypt: Coalescer[ToEncrypt, str] = gathered(
            lambda at, items: encrypt_many(at.key, items, mount=at.mount)
        )
        self._decrypt: Coalescer[ToDecrypt, bytes] = gathered(
            lambda at, items: decrypt_many(at.key, items, mount=at.mount)
        )
        self._rewrap: Coalescer[ToDecrypt, str] = gathered(
            lambda at, items: rewrap_many(at.key, items, mount=at.mount)
        )
        self._hmac: Coalescer[bytes | str, str] = gathered(
            lambda at, inputs: hmac_many(at.key, inputs, mount=at.mount)
        )

    async def encrypt(
        self,
        key: str,
        plaintext: bytes | str,
        *,
        associated_data: bytes | str = b"",
        context: bytes | str = b"",
        mount: str = MOUNT,
    ) -> str:
        """As of the client."""
        item = ToEncrypt(plaintext, associated_data, context)
        return await self._encrypt.ask(Where(mount, key), item)

    async def decrypt(
        self,
        key: str,
        ciphertext: str,
        *,
        associated_data: bytes | str = b"",
        context: bytes | str = b"",
        mount: str = MOUNT,
    ) -> bytes:
        """As of the client."""
        item = ToDecrypt(ciphertext, associated_data, context)
        return await self._decrypt.ask(Where(mount, key), item)

    async def rewrap(
        self,
        key: str,
        ciphertext: str,
        *,
        associated_data: bytes | str = b"",
        context: bytes | str = b"",
        mount: str = MOUNT,
    ) -> str:
        """As of the client."""
        item = ToDecrypt(ciphertext, associated_data, context)
        return await self._rewrap.ask(Where(mount, key), item)

    async def hmac(self, key: str, input: bytes | str, *, mount: str = MOUNT) -> str:  # noqa: A002
        """As of the client."""
        return await self._hmac.ask(Where(mount, key), input)

    async def close(self) -> None:
        """Send what waits, and return when all is answered."""
        for each in (self._encrypt, self._decrypt, self._rewrap, self._hmac):
            await each.drain()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Blocking(Generic[P, T]):
    """A method of AsyncGathering that waits for its result."""

    def __init__(
        self, method: Callable[Concatenate[AsyncGathering, P], Coroutine[Any, Any, T]]
    ) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, gathering: Gathering, owner: type) -> Callable[P, T]:
        method = self._method

        def wait(*args: P.args, **kwargs: P.kwargs) -> T:
            return gathering.run(lambda inner: method(inner, *args, **kwargs))

        return wait


class Gathering:
    """The same for the threads that share a Client. After a fork the child gathers for itself."""

    encrypt = _Blocking(AsyncGathering.encrypt)
    decrypt = _Blocking(AsyncGathering.decrypt)
    rewrap = _Blocking(AsyncGathering.rewrap)
    hmac = _Blocking(AsyncGathering.hmac)

    def __init__(
        self, client: Client, *, wait_seconds: float = WAIT_SECONDS, most: int = MOST
    ) -> None:
        self._client = client
        self._wait_seconds = wait_seconds
        self._most = most
        self._start()

    def run(self, ask: Callable[[AsyncGathering], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine over the gathering gives, run beside the other threads'."""
        if os.getpid() != self._process:
            self._start()
        if self._loop.is_closed():
            raise WrongUse("the gathering is closed")
        return asyncio.run_coroutine_threadsafe(ask(self._inner), self._loop).result()

    def close(self) -> None:
        """Send what waits, and return when all is answered; then nothing can be asked any more."""
        if self._loop.is_closed():
            return
        self.run(lambda inner: inner.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        self._process = os.getpid()
        self._inner = AsyncGathering(self._client, wait_seconds=self._wait_seconds, most=self._most)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="secvault-gathering", daemon=True
        )
        self._thread.start()

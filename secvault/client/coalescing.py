"""Items that come at the same time, sent as one batch. For one event loop.

Who asks gets just what a call of their own would have given. A batch is sent by a task that belongs
to nobody who asks, so that one who stops waiting takes no answer from another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from secvault.client.errors import BadRequest, WrongUse
from secvault.client.item import Done, Failed

Item = TypeVar("Item")
Value = TypeVar("Value")


class Where(NamedTuple):
    """What goes into one batch: the same mount and key."""

    mount: str
    key: str


SendMany: TypeAlias = Callable[[Where, list[Item]], Awaitable[Sequence[Done[Value] | Failed]]]


@dataclass
class _Group(Generic[Item, Value]):
    waiting: list[tuple[Item, asyncio.Future[Value]]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Coalescer(Generic[Item, Value]):
    """Collects for `wait_seconds` after the first item, or until there are `most`."""

    def __init__(self, send: SendMany[Item, Value], wait_seconds: float, most: int) -> None:
        self._send = send
        self._wait_seconds = wait_seconds
        self._most = most
        self._groups: dict[Where, _Group[Item, Value]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, where: Where, item: Item) -> Value:
        """The item's value. Raises its error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value] = loop.create_future()
        group = self._groups.setdefault(where, _Group())
        group.waiting.append((item, future))
        if len(group.waiting) >= self._most:
            self._begin(where)
        elif group.timer is None:
            group.timer = loop.call_later(self._wait_seconds, self._begin, where)
        return await future

    async def drain(self) -> None:
        """Send what waits, and return when all is answered."""
        for where in list(self._groups):
            self._begin(where)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, where: Where) -> None:
        group = self._groups.pop(where)
        if group.timer is not None:
            group.timer.cancel()
        task = asyncio.get_running_loop().create_task(self._run(where, group.waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, where: Where, group: list[tuple[Item, asyncio.Future[Value]]]) -> None:
        wanted = [(item, future) for item, future in group if not future.done()]
        try:
            results = await self._results(where, [item for item, _ in wanted])
        except Exception as error:  # noqa: BLE001 - it is raised by each who asked
            for _, future in wanted:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for _, future in wanted:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(wanted, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Failed):
                    future.set_exception(result.error)
                else:
                    future.set_result(result.value)

    async def _results(self, where: Where, items: list[Item]) -> Sequence[Done[Value] | Failed]:
        if not items:
            return ()
        try:
            return await self._send(where, items)
        except (BadRequest, WrongUse) as error:
            if len(items) == 1:
                return (Failed(error),)
        # The batch was refused as a whole, for the sake of an item that nobody names.
        each = await asyncio.gather(*(self._results(where, [item]) for item in items))
        return [result for results in each for result in results]

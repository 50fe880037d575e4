"""Recording from an event loop: while one group of events is being written the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from secvault.audit.event import Event
from secvault.audit.leaf import Draft
from secvault.audit.log import AuditLog
from secvault.errors import AuditUnavailable, SecvaultError

Told = Callable[[BaseException | None], None]
"""Called once, in the event loop: with None when an event is durable, else with why it is not."""


@dataclass(frozen=True, slots=True)
class _Awaited:
    draft: Draft
    tell: Told


class Gathering:
    """Hands the events of one event loop to the log in groups, each written whole or not at all.

    A thread that waited for each event would cost more than writing it. Use it on one loop only.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._next: list[_Awaited] = []
        self._writing = False

    async def record(self, event: Event) -> None:
        """Return once the event is durable.

        Raises InvalidInput for an event that does not fit the catalogue, AuditUnavailable if it
        could not be made durable in time; the operation must then not be answered, though the
        event may still enter the log.
        """
        durable = asyncio.get_running_loop().create_future()

        def settle(error: BaseException | None) -> None:
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

        self.begin(event, settle)
        await durable

    def begin(self, event: Event, tell: Told) -> None:
        """Record as `record` does, and tell when it is done. Raises InvalidInput.

        It is told in the turn of the loop in which the group was written.
        """
        loop = asyncio.get_running_loop()
        awaited = _Awaited(self._log.draft(event), tell)
        self._next.append(awaited)
        if not self._writing:
            self._writing = True
            # Not at once: the other requests that this turn of the loop reads join the group.
            loop.call_soon(self._write, loop)

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._next = self._next, []
        drafts = [each.draft for each in group]
        try:
            # Here and now: two changes of threads would take longer than a quick disk does.
            if self._log.keep(drafts):
                self._settle(loop, group, None)
                return
            written = self._log.submit(drafts)
        except SecvaultError as error:
            self._settle(loop, group, error)
            return
        late = loop.call_later(self._log.wait_seconds, self._give_up, loop, group, written)

        def tell(done: Future[int]) -> None:
            if not done.cancelled():
                loop.call_soon_threadsafe(self._told, loop, late, group, done.exception())

        written.add_done_callback(tell)

    def _give_up(
        self, loop: asyncio.AbstractEventLoop, group: list[_Awaited], written: Future[int]
    ) -> None:
        # If the group is still queued, it stays out of the log.
        written.cancel()
        seconds = self._log.wait_seconds
        late = AuditUnavailable(f"the audit entry was not on disk within {seconds:g} seconds")
        self._settle(loop, group, late)

    def _told(
        self,
        loop: asyncio.AbstractEventLoop,
        late: asyncio.TimerHandle,
        group: list[_Awaited],
        error: BaseException | None,
    ) -> None:
        late.cancel()
        self._settle(loop, group, error)

    def _settle(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[_Awaited],
        error: BaseException | None,
    ) -> None:
        for each in group:
            try:
                each.tell(error)
            except Exception as failed:  # noqa: BLE001 - the others of the group are told, too
                told = {"message": "what waited for an audit entry failed", "exception": failed}
                loop.call_exception_handler(told)
        if self._next:
            self._write(loop)
        else:
            self._writing = False

"""A process that serves, at the sealer's word: open when it says so, sealed when it says so.

And sealed when nothing is heard from it any more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from secvault.errors import SecvaultError
from secvault.keyring.root import Root
from secvault.service.sealing import messages, place
from secvault.service.sealing.client import root_in
from secvault.service.sealing.messages import Broken, Channel

Log = Callable[..., object]

_CONNECT_SECONDS = 5.0
_AGAIN_SECONDS = 0.1
# An opening that failed, for a store that is away, is tried again.
_REOPEN_SECONDS = 1.0
# Those who start together may be a little apart; who waits longer says for what.
_PATIENT_TRIES = 30


class Follower:
    """Calls back, from a thread of its own, one call at a time.

    opened: open with this root; raises SecvaultError to be called again. renewed: the root was
    rotated. sealed: stop answering at once, drop all keys, then return; also when the sealer is
    gone; never raises. program: what this process is, for the sealer's log.
    """

    def __init__(
        self,
        folder: Path,
        program: str,
        *,
        opened: Callable[[Root], None],
        renewed: Callable[[Root], None],
        sealed: Callable[[], None],
        log: Log,
    ) -> None:
        self._folder = folder
        self._program = program
        self._opened = opened
        self._renewed = renewed
        self._sealed = sealed
        self._log = log
        self._open = False
        self._tries = 0
        self._stopping = threading.Event()
        self._channel: Channel | None = None
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; `sealed` is called if it is open. Returns when all calls are over."""
        self._stopping.set()
        channel = self._channel
        if channel is not None:
            channel.interrupt()
        self._thread.join()

    def _follow(self) -> None:
        try:
            self._follow_on()
        except BaseException as error:  # noqa: BLE001 - whatever it is, keys must not stay behind
            self._log("follower.failed", error=type(error).__name__)
            os._exit(os.EX_SOFTWARE)

    def _follow_on(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow_one()
            except Broken as broken:
                if not self._stopping.is_set():
                    self._log("sealer.lost", detail=broken.detail)
            finally:
                self._close()
            self._stopping.wait(_AGAIN_SECONDS)

    def _follow_one(self) -> None:
        connection = place.connect(self._folder, _CONNECT_SECONDS)
        if connection is None:
            self._wait_in_vain()
            return
        self._tries = 0
        channel = self._channel = Channel(connection)
        try:
            channel.send(messages.Watch(self._program))
            waiting: messages.Opened | None = None
            while not self._stopping.is_set():
                patience = None if waiting is None else _REOPEN_SECONDS
                told: object = channel.receive(messages.Told, patience)
                if isinstance(told, messages.Closed):
                    waiting = None
                    self._close()
                    channel.send(messages.Done(told.number))
                elif isinstance(told, messages.Opened):
                    waiting = None if self._take(channel, told) else told
                elif told is None and waiting is not None:
                    waiting = None if self._take(channel, waiting) else waiting
                else:
                    raise Broken("the sealer said what was not asked")
        finally:
            # Sealed before the sealer can see that the connection is gone.
            self._close()
            self._channel = None
            channel.close()

    def _wait_in_vain(self) -> None:
        self._tries += 1
        if self._tries == _PATIENT_TRIES:
            self._log(
                "sealer.awaited",
                detail=f"no sealer runs over {self._folder}, and without one nothing is opened: "
                "run `secvault serve`, or `secvault sealer` beside this process",
            )

    def _take(self, channel: Channel, told: messages.Opened) -> bool:
        try:
            if self._open:
                self._renewed(root_in(told))
            else:
                self._opened(root_in(told))
                self._open = True
        except SecvaultError as error:
            self._log("opening_failed", code=error.code, detail=error.detail)
            return False
        channel.send(messages.Done(told.number))
        return True

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._sealed()

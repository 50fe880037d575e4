"""One process that holds the vault's keys, as the sealer sees it."""

from __future__ import annotations

import os
import select
import signal
import threading

from secvault.service.sealing.messages import Broken, Channel, Message


class Watcher:
    """Gets the news, says that it heeded them, and can be ended when it does not.

    pid: as the kernel gave it; a descriptor of the process is held, so that never another one
    that got the same number is ended.
    """

    def __init__(self, channel: Channel, pid: int, program: str) -> None:
        self.program = program
        self._channel = channel
        self._process = os.pidfd_open(pid)
        self._heeded = -1
        self._left = self._closed = False
        self._turn = threading.Condition()

    def tell(self, message: Message) -> None:
        """Send news; who cannot be reached is found out by `heeds`."""
        try:
            self._channel.send(message)
        except Broken:
            self.leave()

    def heed(self, number: int) -> None:
        """Note what it acknowledged."""
        with self._turn:
            self._heeded = max(self._heeded, number)
            self._turn.notify_all()

    def leave(self) -> None:
        """Note that its connection is gone: it sealed itself before it closed it, or it died."""
        with self._turn:
            self._left = True
            self._turn.notify_all()

    def heeds(self, number: int, seconds: float) -> bool:
        """Whether it acknowledges the news of this number, or leaves, in so many seconds."""
        with self._turn:
            return self._turn.wait_for(
                lambda: self._left or self._heeded >= number, timeout=max(0.0, seconds)
            )

    def kill(self, seconds: float) -> bool:
        """End it by SIGKILL; whether it is gone in so many seconds."""
        try:
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        except ProcessLookupError:
            return True
        ended, _, _ = select.select([self._process], [], [], seconds)
        return bool(ended)

    def close(self) -> None:
        """Let go of the connection and the process."""
        with self._turn:
            self._left = True
            self._turn.notify_all()
            closed, self._closed = self._closed, True
        if not closed:
            self._channel.close()
            os.close(self._process)

"""A line to a server that can be made to fail: gone, cut, slow, or answering that it is busy.

What goes over it is not changed, so that signed requests stay valid. The server itself is real.
"""

from __future__ import annotations

import random
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["none", "gone", "cutting", "slow", "busy"]

CHUNK = 16 << 10
SLOW_SECONDS = 0.02
"""How long a slow line takes for a chunk: 800 KiB/s, and as much for each request at least."""
MOST_BEFORE_CUT = 96 << 10
_POLL_SECONDS = 0.05
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_BODY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>busy</Message></Error>"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


@dataclass
class FaultyLine:
    """Carries connections to `server`. carried: bytes so far. met: how often somebody met a fault.

    Use `faulty_line`; set `fault` at any time.
    """

    server: tuple[str, int]
    port: int = 0
    fault: Fault = "none"
    carried: int = 0
    met: int = 0
    _due: tuple[int, Fault] | None = None
    _began: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket | None = None
    _closing: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(20))

    @property
    def endpoint(self) -> str:
        """Where the server is to be found behind the line."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def failing(self, fault: Fault, *, after: int, seconds: float) -> Iterator[None]:
        """While the block runs: the fault begins with so many more bytes, and lasts so long."""
        self._began.clear()
        self._due = (self.carried + after, fault)
        over = threading.Event()

        def end() -> None:
            self._began.wait()
            over.wait(seconds)
            self.fault = "none"

        thread = threading.Thread(target=end)
        thread.start()
        try:
            yield
        finally:
            over.set()
            self._due = None
            self._began.set()
            thread.join()

    def listen(self) -> None:
        """Take connections until closed."""
        self._open()
        thread = threading.Thread(target=self._accept)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """End every connection."""
        self._closing.set()
        for thread in self._threads:
            thread.join(60)
        if self._listener is not None:
            self._listener.close()

    def _open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener, self.port = listener, listener.getsockname()[1]

    def _accept(self) -> None:
        while not self._closing.is_set():
            if self.fault == "gone":
                # As a server that is stopped: nobody listens, and connections are refused.
                if self._listener is not None:
                    self._listener.close()
                    self._listener = None
                    self.met += 1
                time.sleep(_POLL_SECONDS)
                continue
            if self._listener is None:
                self._open()
            assert self._listener is not None
            if not select.select([self._listener], [], [], _POLL_SECONDS)[0]:
                continue
            client, _ = self._listener.accept()
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self.fault == "busy":
                self.met += 1
                _answer_busy(client)
                return
            with socket.create_connection(self.server, 30) as server:
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        ends = {client: server, server: client}
        left = self._chance.randrange(MOST_BEFORE_CUT)
        while not self._closing.is_set():
            ready = select.select(list(ends), [], [], _POLL_SECONDS)[0]
            if self.fault in {"gone", "busy"}:
                # What stood open is lost with the server, or meets it anew.
                _reset(client)
                return
            for one in ready:
                data = one.recv(CHUNK)
                if not data:
                    return
                if self.fault == "cutting":
                    left -= len(data)
                    if left < 0:
                        self.met += 1
                        _reset(client)
                        return
                if self.fault == "slow":
                    self.met += 1
                    time.sleep(SLOW_SECONDS)
                ends[one].sendall(data)
                self.carried += len(data)
                due = self._due
                if due is not None and self.carried >= due[0]:
                    # At once: a megabyte is over the line in no time.
                    self._due, self.fault = None, due[1]
                    self._began.set()


@contextmanager
def faulty_line(host: str, port: int) -> Iterator[FaultyLine]:
    """A line that works, to this server."""
    line = FaultyLine((host, port))
    line.listen()
    try:
        yield line
    finally:
        line.close()


def _answer_busy(client: socket.socket) -> None:
    """Take one request as a whole and refuse it, as S3 does that has too much to do."""
    client.settimeout(10)
    request = b""
    while b"\r\n\r\n" not in request:
        more = client.recv(CHUNK)
        if not more:
            return
        request += more
    head, _, body = request.partition(b"\r\n\r\n")
    announced = _LENGTH.search(head)
    missing = int(announced[1]) - len(body) if announced else 0
    while missing > 0:
        more = client.recv(CHUNK)
        if not more:
            return
        missing -= len(more)
    client.sendall(_BUSY)


def _reset(one: socket.socket) -> None:
    """Let the other side see that the connection broke, and did not end."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

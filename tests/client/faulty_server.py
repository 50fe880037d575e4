"""An HTTP server on loopback that answers, stalls and breaks off as a test tells it.

Each request takes the next of `plan`; when it is empty, `otherwise`.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from secvault.client.retry import Chance, Retry

# No second attempt: the wait before it would be longer than the total time.
AT_ONCE = Retry(total_seconds=20, request_seconds=20, first_wait=100, longest_wait=100)
UNLUCKY = Chance(random=lambda: 0.99)

Move: TypeAlias = "Callable[[BaseHTTPRequestHandler, bytes], None]"


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    token: str
    body: bytes


@dataclass
class FaultyServer:
    """Where it is, what it does next, and what it was asked."""

    address: str = ""
    plan: deque[Move] = field(default_factory=deque)
    otherwise: Move = field(default_factory=lambda: encrypted)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    arrived: threading.Event = field(default_factory=threading.Event)

    def next_move(self, asked: Asked) -> Move:
        """Note the request; what to do with it."""
        with self.lock:
            self.asked.append(asked)
            self.arrived.set()
            return self.plan.popleft() if self.plan else self.otherwise


def says(status: int, body: Any = None, **headers: str) -> Move:
    """Answers with this status and JSON."""

    def move(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        content = json.dumps({"errors": ["as told"]} if body is None else body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return move


def encrypted(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Answers as the transit engine does to `encrypt`; the ciphertext is the plaintext's base64."""
    given = json.loads(body)
    if "batch_input" in given:
        shown: Any = {
            "batch_results": [
                {"ciphertext": f"vault:v1:{item['plaintext']}"} for item in given["batch_input"]
            ]
        }
    else:
        shown = {"ciphertext": f"vault:v1:{given.get('plaintext', '')}"}
    says(200, {"data": shown})(handler, body)


def resets(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Resets the connection without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def breaks_off(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Ends in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data"')
    handler.close_connection = True


def stalls(until: threading.Event) -> Move:
    """Says nothing until the event, 20 seconds at most."""

    def move(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        until.wait(20)
        handler.close_connection = True

    return move


@contextmanager
def faulty_server(tls: ssl.SSLContext | None = None) -> Iterator[FaultyServer]:
    """The server, running; with a context, by TLS."""
    told = FaultyServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            told.next_move(Asked(self.path, token, body))(self, body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no news."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if tls is not None:
            scheme = "https"
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        told.address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join(60)

"""Receivers of streams on loopback: syslog that can misbehave, and an HTTP server."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Identity:
    """A certificate for 127.0.0.1, which is its own CA, and its key."""

    certificate: Path
    key: Path


def identity(folder: Path) -> Identity:
    """A new one in this folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = Identity(folder / "receiver.pem", folder / "receiver.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@dataclass
class SyslogReceiver:
    """What a syslog receiver got, message by message.

    faults: how the next connections end, in turn: `reset` in the middle of what is read, `mute`
    (all is read, the end of the connection comes without a word), else the number of messages that
    it forgets although it has acknowledged them, before it breaks the next connection.
    """

    port: int = 0
    got: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    connections: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """The messages of an octet-counted stream, and what is left over of the last one."""
    found = []
    while b" " in content[:8]:
        length, _, rest = content.partition(b" ")
        size = int(length)
        if len(rest) < size:
            break
        found.append(rest[:size])
        content = rest[size:]
    return found, content


@contextmanager
def syslog_receiver(of: Identity | None) -> Iterator[SyslogReceiver]:
    """A real receiver until the block ends: over TLS with an identity, else over TCP."""
    receiver = SyslogReceiver()
    listening = socket.create_server(("127.0.0.1", 0))
    receiver.port = listening.getsockname()[1]
    context = None
    if of is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(of.certificate, of.key)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            receiver.connections += 1
            with suppress(OSError):
                _take(receiver, connection, context)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def _take(
    receiver: SyslogReceiver, connection: socket.socket, context: ssl.SSLContext | None
) -> None:
    fault = receiver.faults.pop(0) if receiver.faults else ""
    connection.settimeout(10)
    if context is not None:
        connection = context.wrap_socket(connection, server_side=True)
    content = b""
    limit = receiver.chance.randrange(1, 6000) if fault == "reset" else None
    while part := connection.recv(1024):
        content += part
        messages, content = split(content)
        receiver.got += messages
        if limit is not None:
            limit -= len(part)
            if limit <= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.close()
                return
    if fault == "mute":
        connection.close()
        return
    if isinstance(connection, ssl.SSLSocket):
        connection.unwrap()
    connection.close()


@dataclass
class Hook:
    """What an HTTP server got: headers and body of each request that it took."""

    port: int = 0
    status: int = 204
    asked: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def webhook_receiver(of: Identity | None = None) -> Iterator[Hook]:
    """A real HTTP or HTTPS server until the block ends."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.asked += 1
            if 200 <= hook.status < 300:
                hook.got.append(({key.lower(): it for key, it in self.headers.items()}, body))
            self.send_response(hook.status)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if of is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(of.certificate, of.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()

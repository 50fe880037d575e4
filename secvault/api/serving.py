"""Serving over HTTP: the web server, set up by the settings."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from secvault.api.answering import Answering
from secvault.api.entrance_socket import socket_in
from secvault.api.transit.lean import LeanPath
from secvault.api.web_protocol import Served, give_up_unread
from secvault.config import Settings

_BACKLOG = 1024
_FINISH_SECONDS = 30


def serve(settings: Settings, app: Answering) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Several processes may serve the same address: the kernel divides the connections among them.
    """
    server = settings.server
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        give_up_unread(listening)
        listening.bind((server.address, server.port))
        _serve(settings, app, app.lean, listening, _tls(settings), app.stopping)


def serve_entrance(settings: Settings, app: ASGIApp) -> None:
    """Serve the sign-ins that web workers hand over, on a socket in the data folder; likewise.

    Only one `serve` runs over a data folder, so a socket that is there was left by a killed one.
    """
    place = socket_in(settings.data_folder)
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        # Nobody can connect before it listens.
        listening.bind(str(place))
        place.chmod(0o600)
        _serve(settings, app, None, listening, None)


def serve_handed(settings: Settings, app: ASGIApp, listening: socket.socket) -> None:
    """Serve on a socket that whoever started this process has bound; likewise."""
    _serve(settings, app, None, listening, None)


def _serve(
    settings: Settings,
    app: ASGIApp,
    lean: LeanPath | None,
    listening: socket.socket,
    tls: Callable[..., ssl.SSLContext] | None,
    stopping: threading.Event | None = None,
) -> None:
    config = uvicorn.Config(
        app,
        http=Served(lean, settings.server.header_seconds),  # type: ignore[arg-type]
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=settings.server.header_seconds,
        timeout_graceful_shutdown=_FINISH_SECONDS,
        ssl_context_factory=tls,
    )
    _Server(config, stopping).run([listening])


class _Server(uvicorn.Server):
    """Tells answers that go on for long at once that the process is to end.

    The application itself is told only once all answers have ended.
    """

    def __init__(self, config: uvicorn.Config, stopping: threading.Event | None) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM or SIGINT."""
        if self._stopping is not None:
            self._stopping.set()
        super().handle_exit(sig, frame)


def _tls(settings: Settings) -> Callable[..., ssl.SSLContext] | None:
    server = settings.server
    if server.tls_certificate is None:
        return None

    def context(*_: object) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.load_cert_chain(str(server.tls_certificate), server.tls_key)
        return made

    return context

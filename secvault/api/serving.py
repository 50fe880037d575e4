"""Serving over HTTP: the web server, set up by the settings.

The server's own process loads none of the service; its workers do (`web_worker`).
"""

from __future__ import annotations

from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings

from secvault.api.entrance_socket import socket_in
from secvault.config import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first."""
    server = settings.server
    Granian(
        "secvault.api.web_worker:worker_application",
        factory=True,
        address=server.address,
        port=server.port,
        interface=Interfaces.ASGI,
        # Where both versions are served, a client that sends nothing, or an HTTP/2 connection that
        # lies idle, is waited for without end.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=server.header_seconds * 1000),
        workers=server.workers,
        runtime_threads=1,
        backlog=1024,
        respawn_failed_workers=True,
        respawn_interval=1.0,
        workers_kill_timeout=30,
        websockets=False,
        log_access=False,
        ssl_cert=server.tls_certificate,
        ssl_key=server.tls_key,
        ssl_protocol_min=SSLProtocols.tls13,
    ).serve()


def serve_entrance(settings: Settings) -> None:
    """Serve the sign-ins that web workers hand over, on a socket in the data folder; likewise.

    Only one `serve` runs over a data folder, so a socket that is there was left by a killed one.
    """
    server, place = settings.server, socket_in(settings.data_folder)
    place.unlink(missing_ok=True)
    Granian(
        "secvault.api.web_worker:entrance_application",
        factory=True,
        uds=place,
        uds_permissions=0o600,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=server.header_seconds * 1000),
        runtime_threads=1,
        backlog=1024,
        respawn_failed_workers=True,
        respawn_interval=1.0,
        workers_kill_timeout=30,
        websockets=False,
        log_access=False,
    ).serve()

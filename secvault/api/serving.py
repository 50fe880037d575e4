"""Serving the application: what granian starts in each of its workers, and how it is set up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces, SSLProtocols
from starlette.types import ASGIApp

from secvault.api.app import application
from secvault.clock import system_clock
from secvault.config import Settings, config_file, load
from secvault.log import configure_logging
from secvault.process import die_with_parent, leave_no_core
from secvault.service import opening


def worker_application() -> ASGIApp:
    """The application of one worker process, with the settings that its environment names."""
    die_with_parent()
    leave_no_core()
    configure_logging(sys.stdout)
    settings = load(config_file(None, os.environ), os.environ)
    clock = system_clock()
    return application(
        lambda: opening.opened(settings, clock, program="web"), settings.server.max_body_bytes
    )


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first."""
    server = settings.server
    certificate: Path | None = server.tls_certificate
    Granian(
        "secvault.api.serving:worker_application",
        factory=True,
        address=server.address,
        port=server.port,
        interface=Interfaces.ASGI,
        workers=server.workers,
        runtime_threads=1,
        backlog=1024,
        respawn_failed_workers=True,
        respawn_interval=1.0,
        workers_kill_timeout=30,
        websockets=False,
        log_access=False,
        ssl_cert=certificate,
        ssl_key=server.tls_key,
        ssl_protocol_min=SSLProtocols.tls13,
    ).serve()

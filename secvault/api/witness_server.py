"""The HTTP face of a witness (c2sp.org/tlog-witness): add-checkpoint, and what it co-signed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secvault.api.web_protocol import Served, give_up_unread
from secvault.errors import ConfigurationError
from secvault.witness.answering import MAX_BODY_BYTES, Reply, Witness

HEAD_SECONDS = 10.0
BODY_SECONDS = 10.0
_BACKLOG = 128
_FINISH_SECONDS = 10


@dataclass(frozen=True)
class WitnessAddress:
    """Where a witness listens. certificate, key: PEM files; None where it speaks no TLS."""

    address: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def witness_app(witness: Witness) -> Starlette:
    """The application that answers for the witness."""
    log = structlog.get_logger("secvault.witness")

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        reply = (
            await run_in_threadpool(witness.add_checkpoint, body)
            if isinstance(body, bytes)
            else body
        )
        log.info("witness.asked", status=reply.status)
        return _response(reply)

    async def latest(request: Request) -> Response:
        origin_hash = request.path_params["origin_hash"]
        return _response(await run_in_threadpool(witness.latest, origin_hash))

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", latest, methods=["GET"]),
        ]
    )


def serve(witness: Witness, at: WitnessAddress) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Raises ConfigurationError when it cannot listen there, or the certificate cannot be used.
    """
    tls = _tls(at)
    family = socket.AF_INET6 if ":" in at.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        give_up_unread(listening)
        try:
            listening.bind((at.address, at.port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {at.address}, port {at.port}: {error.strerror}"
            ) from None
        config = uvicorn.Config(
            witness_app(witness),
            http=Served(None, HEAD_SECONDS),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_FINISH_SECONDS,
            ssl_context_factory=tls,
        )
        uvicorn.Server(config).run([listening])


async def _body(request: Request) -> bytes | Reply:
    """The body, if it comes whole, in time, and is no longer than any can be."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return Reply(413, b"the request is too long\n")
    except TimeoutError:
        return Reply(408, b"the request took too long\n")
    return body


def _response(reply: Reply) -> Response:
    # Not `media_type`: that would add a charset to the type which a client compares.
    return Response(reply.body, reply.status, headers={"content-type": reply.media_type})


def _tls(at: WitnessAddress) -> Callable[..., ssl.SSLContext] | None:
    if at.certificate is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        made.load_cert_chain(str(at.certificate), at.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{at.certificate} and its key cannot be used: {error}") from None
    return lambda *_: made

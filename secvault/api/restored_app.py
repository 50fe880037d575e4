"""The application over a restored copy: the same routes, opened with a root that is handed over."""

from __future__ import annotations

import base64
import hmac
import socket
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from secvault import log
from secvault.api import serving
from secvault.api.app import PARTS, declared, routes, whole
from secvault.clock import system_clock
from secvault.config import Settings
from secvault.crypto.secret import Secret
from secvault.errors import Sealed
from secvault.keyring.root import Root
from secvault.keyring.seals.seal import Seal, Wrapped
from secvault.service import opening

PROGRAM = "restored"


@dataclass(frozen=True)
class HandedRoot:
    """The root of a copy, from the drill. It is put under no seal: the copy is not kept."""

    given: Root

    def root(self) -> Root:
        """See `RootAccess`."""
        return self.given

    def wrap(self, root: Root) -> Wrapped:
        """See `RootAccess`. Raises Sealed."""
        raise Sealed(f"the root of the restored copy of {root.vault_id} is put under no seal")

    def resealed(self, seal: Seal, key: Secret | None) -> None:
        """Nobody else is there."""


@dataclass(frozen=True)
class ForOne:
    """An application that answers requests with the right word in a header, and no others."""

    app: ASGIApp
    header: str
    word: bytes = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "lifespan":
            given = Headers(scope=scope).get(self.header, "").encode()
            if not hmac.compare_digest(given, self.word):
                await Response(status_code=HTTPStatus.FORBIDDEN)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def load() -> None:
    """Load all that `serve` needs, before there is anything to serve."""
    for _ in declared(PARTS):
        pass


def serve(order: dict[str, Any], listening: socket.socket) -> None:
    """Serve what the order names until SIGTERM. Raises what `opening.opened` raises."""
    log.configure_logging(sys.stderr)
    settings = Settings.model_validate(order["settings"])
    key = Secret(base64.b64decode(order["root"]))
    root = Root(order["vault"], key, order["generation"])

    server = settings.server
    # Opened before it is served: what keeps it from opening is raised, not logged.
    with opening.opened(
        settings,
        system_clock(),
        program=PROGRAM,
        environment={},
        access=HandedRoot(root),
        root=root,
    ) as service:
        app = routes(lambda: nullcontext(service), server.max_body_bytes)
        served = whole(app, server.max_body_bytes, server.body_seconds)
        asked = ForOne(served, order["header"], order["word"].encode())
        serving.serve_handed(settings, asked, listening)

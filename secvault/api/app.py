"""The HTTP application: all routes, the request id, the errors, the limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from http import HTTPStatus

import structlog
import uuid_utils
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secvault import __version__
from secvault.api import (
    activation,
    approle,
    approle_secrets,
    approvals,
    audit,
    auth_tokens,
    backups,
    capabilities,
    factors,
    hardware_tokens,
    health,
    identities,
    invitations,
    key_usage,
    leaked_tokens,
    not_offered,
    notifications,
    oidc,
    openapi,
    own_factors,
    passkey_sign_in,
    people,
    problem,
    records,
    resets,
    rewraps,
    scim,
    seal,
    session,
    sign_in_methods,
    tokens,
    transit,
    userpass,
)
from secvault.api.body_time import PunctualBody
from secvault.api.declared import require_declared
from secvault.api.gate import Gate
from secvault.api.problem import too_large, too_slow
from secvault.api.transit.lean import LeanPath
from secvault.keyring.root import Root
from secvault.service import Service
from secvault.service.sealing.follower import Follower
from secvault.service.seals import Node
from secvault.service.transit.warm import warmed

PRIVATE = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"; ".join(
            (
                b"default-src 'none'",
                b"style-src 'unsafe-inline'",
                b"object-src 'none'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            )
        ),
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Browsers take it from https only, so it does no harm where TLS is not spoken.
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
_OURS = frozenset({b"x-request-id", *(name for name, _ in PRIVATE)})

DESCRIPTION = (
    "Guards a company's back office: field encryption for calling systems (compatible with Vault "
    "and OpenBao transit clients), records shown by need, proven backups, an audit log that "
    "cannot be altered unnoticed. Errors are RFC 9457 problem details; on /v1/ they are the "
    "transit engine's."
)


def application(
    open_service: Callable[[Root], AbstractContextManager[Service]],
    max_body_bytes: int,
    body_seconds: float,
    node: Node,
) -> ASGIApp:
    """The whole application, open and sealed at the word of the node's sealer; see `routes`.

    body_seconds: how long a body may take to arrive.
    """
    given: list[Root] = []
    app = routes(lambda: open_service(given.pop()), max_body_bytes, node)

    def lifespan(root: Root) -> AbstractAsyncContextManager[object]:
        given.append(root)
        return app.router.lifespan_context(app)

    def follow(gate: Gate) -> Follower:
        return Follower(
            node.settings.data_folder,
            "web",
            opened=gate.open,
            renewed=gate.renew,
            sealed=gate.close,
            log=structlog.get_logger("secvault.web").warning,
        )

    def renewed(root: Root) -> None:
        app.state.service.keyring.roots.adopt(root)

    return Answering(Gate(hastened(app, max_body_bytes), lifespan, follow, renewed), body_seconds)


def whole(app: FastAPI, max_body_bytes: int, body_seconds: float) -> ASGIApp:
    """The routes with what goes around them but the gate, for a service that is open already."""
    return Answering(hastened(app, max_body_bytes), body_seconds)


def hastened(app: FastAPI, max_body_bytes: int) -> ASGIApp:
    """The routes behind the lean path."""
    return LeanPath(app, lambda: app.state.warm, max_body_bytes)


def routes(
    open_service: Callable[[], AbstractContextManager[Service]],
    max_body_bytes: int,
    node: Node | None = None,
) -> FastAPI:
    """All routes over a service that is opened when they start and closed when they end.

    They may be started and ended again and again. node: for the routes that answer while the
    vault is sealed. Raises ConfigurationError for a route that declares no action.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_service() as service, warmed(service) as warm:
            app.state.service = service
            app.state.warm = warm
            try:
                yield
            finally:
                app.state.service = app.state.warm = None

    app = FastAPI(
        title="secvault",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        max_body_size=max_body_bytes,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.node = node
    problem.install(app)
    parts = (
        openapi,
        health,
        seal,
        session,
        passkey_sign_in,
        oidc,
        identities,
        factors,
        people,
        invitations,
        activation,
        own_factors,
        resets,
        approvals,
        hardware_tokens,
        tokens,
        leaked_tokens,
        notifications,
        auth_tokens,
        approle,
        approle_secrets,
        userpass,
        sign_in_methods,
        not_offered,
        capabilities,
        records,
        rewraps,
        scim,
        key_usage,
        backups,
        audit,
    )
    for router in (*(part.router for part in parts), *transit.routers()):
        app.include_router(router)
    require_declared(app)
    openapi.describe(app)
    return app


class Answering:
    """Around everything: a request id, and the headers that keep each answer private.

    A body over the limit is answered by the framework, outside of our errors, and one that does
    not come is a fault of its form to it; here both get the form of our errors.
    """

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid_utils.uuid7())
        # A copy: what a server hands over may be shared between requests.
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        replaced = answered = False
        body = PunctualBody(receive, self._body_seconds)
        finish = _finishing(request_id, send)

        async def answer(message: Message) -> None:
            nonlocal replaced, answered
            if not answered and body.late:
                replaced = True
                await too_slow(Request(scope))(scope, receive, finish)
            elif _is_bare_refusal(message):
                replaced = True
                await too_large(Request(scope))(scope, receive, finish)
            elif not replaced:
                await finish(message)
            answered = True

        try:
            await self._app(scope, body, answer)
        except Exception:
            # The framework raises once more what it has answered and logged; a server would log
            # it with its message, which may hold what nobody should read.
            if not (answered or body.late):
                raise
        if not answered and body.late:
            await too_slow(Request(scope))(scope, receive, finish)


def _finishing(request_id: str, send: Send) -> Send:
    ours = ((b"x-request-id", request_id.encode()), *PRIVATE)

    async def finish(message: Message) -> None:
        if message["type"] == "http.response.start":
            theirs = (each for each in message["headers"] if each[0] not in _OURS)
            message["headers"] = [*theirs, *ours]
        await send(message)

    return finish


def _operation_id(route: APIRoute) -> str:
    return route.name


def _is_bare_refusal(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    if message["status"] != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return False
    return Headers(scope=message).get("content-type", "").startswith("text/plain")

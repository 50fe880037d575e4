"""The HTTP application: all routes, and what goes around them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from secvault import __version__
from secvault.api import openapi, problem
from secvault.api.answering import Answering
from secvault.api.declared import require_declared
from secvault.api.entrance import HandingOver
from secvault.api.entrance_socket import socket_in
from secvault.api.following import Streams
from secvault.api.gate import Gate, Passage
from secvault.api.routing import Routes
from secvault.api.transit.lean import LeanPath
from secvault.keyring.root import Root
from secvault.service import Service
from secvault.service.sealing.follower import Follower
from secvault.service.seals import Node
from secvault.service.transit.warm import warmed

PARTS = (
    "openapi",
    "health",
    "seal",
    "unseal_page",
    "session",
    "passkey_sign_in",
    "oidc",
    "identities",
    "factors",
    "people",
    "eligibilities",
    "grants",
    "role_requests",
    "invitations",
    "activation",
    "own_factors",
    "resets",
    "access",
    "approvals",
    "separation",
    "authzen",
    # Before the routes that take an id in the same place.
    "idle",
    "reviews",
    "break_glass",
    "policy",
    "hardware_tokens",
    "tokens",
    "leaked_tokens",
    "notifications",
    "auth_tokens",
    "approle",
    "approle_secrets",
    "userpass",
    "sign_in_methods",
    "not_offered",
    "capabilities",
    "records",
    "attachments",
    "record_reveals",
    "record_history",
    "erasures",
    "holds",
    "retention_runs",
    "subjects",
    "record_exports",
    "record_search",
    "imports",
    "migrations",
    "rewraps",
    "scim",
    "key_usage",
    "backups",
    "drills",
    "drill_reports",
    "drill_scenarios",
    "backup_repositories",
    "backup_restores",
    "backup_programs",
    "backup_snapshots",
    "metrics",
    "backup_runs",
    "backup_checks",
    "backup_plans",
    "recovery_kits",
    "audit",
    "audit_archives",
    "audit_export",
    "audit_proofs",
    "audit_standing",
    "audit_questions",
    "audit_reports",
    "audit_publications",
    "audit_streams",
    "audit_witnesses",
    "transit.mounts",
    "transit.tools",
    "transit.settings",
    "transit.keys",
    "transit.exchange",
    "transit.outside",
    "transit.data",
    "transit.signatures",
)
"""The modules with the routes of the whole interface, in the order in which paths are tried."""

Furnish = Callable[[FastAPI], None]
"""Adds the routes of another face, such as the console's pages, before it is seen whether each
route declares what it does."""

SIGN_IN_PARTS = ("session", "passkey_sign_in", "oidc", "userpass")
"""Those that the entrance needs; it loads no others, and so starts in half the time."""

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
    program: str = "web",
    furnish: Furnish | None = None,
) -> Answering:
    """The application, open and sealed at the word of the node's sealer; see `routes`.

    body_seconds: how long a body may take to arrive. program: what this process is: a web worker,
    or the entrance, to which web workers hand the sign-ins over where the settings say so. furnish:
    see `Furnish`.
    """
    given: list[Root] = []
    parts = PARTS if program == "web" else SIGN_IN_PARTS
    app = routes(lambda: open_service(given.pop()), max_body_bytes, node, parts, furnish)

    def lifespan(root: Root) -> AbstractAsyncContextManager[object]:
        given.append(root)
        return app.router.lifespan_context(app)

    def follow(gate: Gate) -> Follower:
        return Follower(
            node.settings.data_folder,
            program,
            opened=gate.open,
            renewed=gate.renew,
            sealed=gate.close,
            log=structlog.get_logger(f"secvault.{program}").warning,
        )

    def renewed(root: Root) -> None:
        app.state.service.keyring.roots.adopt(root)

    passage = Passage()
    lean = LeanPath(lambda: app.state.warm, passage, max_body_bytes)
    inside: ASGIApp = app
    if program == "web" and node.settings.server.entrance:
        inside = HandingOver(app, socket_in(node.settings.data_folder))
    gate = Gate(inside, lifespan, follow, renewed, passage)
    return Answering(gate, body_seconds, lean if program == "web" else None)


def whole(app: FastAPI, max_body_bytes: int, body_seconds: float) -> ASGIApp:
    """The routes with what goes around them but the gate, for a service that is open already."""
    lean = LeanPath(lambda: app.state.warm, Passage(is_open=True), max_body_bytes)
    return Answering(app, body_seconds, lean)


def routes(
    open_service: Callable[[], AbstractContextManager[Service]],
    max_body_bytes: int,
    node: Node | None = None,
    parts: Sequence[str] = PARTS,
    furnish: Furnish | None = None,
) -> FastAPI:
    """The routes of these parts over a service that is opened when they start and closed when they
    end.

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
    app.state.streams = Streams()
    problem.install(app)
    for some in declared(parts):
        some.add_to(app)
    if furnish is not None:
        furnish(app)
    require_declared(app)
    openapi.describe(app)
    return app


def declared(parts: Sequence[str]) -> Iterator[Routes]:
    """The routes of these modules, which are loaded for it."""
    for part in parts:
        module = importlib.import_module(f"secvault.api.{part}")
        yield module.router


def _operation_id(route: APIRoute) -> str:
    return route.name

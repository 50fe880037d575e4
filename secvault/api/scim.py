"""SCIM 2.0 over HTTP: people and groups that identity providers bring.

Its own description is at `/scim/v2/Schemas` and beside it, as RFC 7644 has it; so it is no part of
the OpenAPI document.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.api.session import Authenticated

if TYPE_CHECKING:
    from scim2_server.service import ScimService

PATH = "/scim/v2"
MEDIA_TYPE = "application/scim+json"

router = Routes(prefix=PATH, include_in_schema=False, tags=["scim"])


async def _body(request: Request) -> bytes:
    return await request.body()


@router.route("/{path:path}", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@operation("it/people", "scim.provision")
def scim_serve(
    at: Authenticated, request: Request, path: str, body: Annotated[bytes, Depends(_body)]
) -> Response:
    """Whatever a provider asks for."""
    # Loaded only where a provider brings people: that takes a while.
    from secvault.service.scim import provisioning  # noqa: PLC0415

    service, who = at
    asked = provisioning.Asked(
        method=request.method,
        path=f"/{path}",
        query=dict(request.query_params),
        headers=tuple(request.headers.items()),
        body=body,
    )
    answer = provisioning.serve(service, _protocol(request), who, asked)
    content = b"" if answer.body is None else json.dumps(answer.body).encode()
    return Response(content, answer.status, dict(answer.headers))


def _protocol(request: Request) -> ScimService:
    """The protocol, described once: it holds nothing of any request."""
    from secvault.service.scim.description import describe  # noqa: PLC0415

    state = request.app.state
    if getattr(state, "scim", None) is None:
        state.scim = describe()
    protocol: ScimService = state.scim
    return protocol

"""Who calls: the credential of a request becomes a Caller, before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from secvault.api.browser import SessionCookie, principal_of_page
from secvault.api.declared import declaration_of
from secvault.errors import InvalidInput, NotAuthenticated, Sealed
from secvault.identity import Principal
from secvault.identity.csrf import HEADER_NAME
from secvault.service import Service, authentication
from secvault.service.seals import Node
from secvault.service.spine import Caller

_bearer = HTTPBearer(
    auto_error=False, description="A session token (svs_...) or a system's token (svt_...)."
)
_vault_token = APIKeyHeader(
    name="X-Vault-Token", auto_error=False, description="A system's token (svt_...)."
)

ApprovalReason = Annotated[
    str,
    Header(
        alias="X-Approval-Reason",
        max_length=2000,
        description="When this turns out to need a second person, ask for it with this reason "
        "(percent-encoded UTF-8, up to 200 characters). Once it is approved, the same request is "
        "carried out.",
    ),
]
Ticket = Annotated[
    str,
    Header(
        alias="X-Ticket",
        max_length=64,
        description="The ticket under which this is done, of a form that the company has set; "
        "recorded in the audit log. Some rights need one.",
    ),
]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
VaultToken = Annotated[str | None, Depends(_vault_token)]


@dataclass(frozen=True)
class Said:
    """What a request says beside its credential. reason, ticket: see `spine.Caller`."""

    reason: str = ""
    ticket: str = ""


def said(reason: ApprovalReason = "", ticket: Ticket = "") -> Said:
    """What the headers say."""
    return Said(reason, ticket)


Beside = Annotated[Said, Depends(said)]


def service_of(request: Request) -> Service:
    """The service that this application serves. Raises Sealed while it is not open."""
    service = open_service_of(request)
    if service is None:
        raise Sealed("the vault is sealed; whoever holds its key unseals it")
    return service


def open_service_of(request: Request) -> Service | None:
    """The service, or None while it is not open."""
    service: Service | None = getattr(request.app.state, "service", None)
    return service


def node_of(request: Request) -> Node | None:
    """What is known of the node, also while it is sealed; None where no sealer is used."""
    node: Node | None = getattr(request.app.state, "node", None)
    return node


def caller(
    request: Request, bearer: Bearer, cookie: SessionCookie, beside: Beside
) -> tuple[Service, Caller]:
    """The service and the authenticated caller, by header or by cookie.

    With both it is not clear who asks, and a page could borrow the other's rights: refused. Raises
    NotAuthenticated, ForeignPage.
    """
    authorization = request.headers.get("Authorization")
    if cookie is None:
        return _authenticated(request, bearer.credentials if bearer else None, beside)
    if authorization is not None:
        raise NotAuthenticated("send either the session's cookie or Authorization, not both")
    service = service_of(request)
    principal = principal_of_page(request, service, cookie, request.headers.get(HEADER_NAME))
    request.state.by_cookie = True
    return service, _declared(request, service, principal, beside)


def came_by_cookie(request: Request) -> bool:
    """Whether `caller` took the caller's word by cookie."""
    return getattr(request.state, "by_cookie", False) is True


def vault_caller(
    request: Request, bearer: Bearer, vault_token: VaultToken, beside: Beside
) -> tuple[Service, Caller]:
    """The same on the Vault-compatible paths, which know a header of their own."""
    refuse_wrapping(request)
    if vault_token and bearer and bearer.credentials != vault_token:
        raise NotAuthenticated("permission denied")
    try:
        return _authenticated(request, shown_credential(bearer, vault_token), beside)
    except NotAuthenticated:
        raise NotAuthenticated("permission denied") from None


def shown_credential(bearer: Bearer, vault_token: VaultToken) -> str:
    """The credential of the request as it came, for answers that repeat it to who holds it."""
    return vault_token or (bearer.credentials if bearer else "")


def refuse_wrapping(request: Request) -> None:
    """Return unless the answer is to be wrapped. Raises InvalidInput: it would leave unwrapped."""
    if request.headers.get("X-Vault-Wrap-TTL", "0") not in ("", "0", "0s"):
        raise InvalidInput(
            "response wrapping is not offered: ask without X-Vault-Wrap-TTL (-wrap-ttl), and give "
            "a secret id one use and a short ttl instead"
        )


def address_of(request: Request) -> str:
    """Where the request comes from, as the socket has it; empty when that is not known.

    Behind a proxy that is the proxy: headers that name somebody else are not believed.
    """
    return request.client.host if request.client else ""


def agent_of(request: Request) -> str:
    """What the program that asks calls itself; empty when it does not say."""
    return request.headers.get("User-Agent", "")


def _authenticated(
    request: Request, credential: str | None, beside: Said
) -> tuple[Service, Caller]:
    if not credential:
        raise NotAuthenticated("send a session or token as Authorization: Bearer")
    service = service_of(request)
    principal = authentication.authenticate(
        service, credential, address=address_of(request), request_id=request.state.request_id
    )
    return service, _declared(request, service, principal, beside)


def _declared(request: Request, service: Service, principal: Principal, beside: Said) -> Caller:
    declared = declaration_of(request.scope["endpoint"])
    return Caller(
        principal,
        request.state.request_id,
        declared.actions if declared else frozenset(),
        _plain(beside.reason),
        address_of(request),
        service.spine.ticket(beside.ticket, "X-Ticket"),
        agent=agent_of(request),
    )


def _plain(reason: str) -> str:
    try:
        return unquote(reason, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput.at("X-Approval-Reason", "must be percent-encoded UTF-8") from None

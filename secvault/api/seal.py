"""The vault's state and its sealing, on the paths of Vault: health, seal-status, unseal, seal."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from secvault import __version__
from secvault.api.caller import node_of, open_service_of, vault_caller
from secvault.api.declared import open_to_all, operation
from secvault.api.routing import Routes
from secvault.api.vault import body_of, read_body, vault_responses, writes
from secvault.crypto.secret import Secret
from secvault.service import Service, seals
from secvault.service.seals import SealState
from secvault.service.spine import Caller

router = Routes(tags=["health"])

# Vault's own names of the kinds, where it has them.
_TYPES = {"shares": "shamir", "vault": "transit", "aws-kms": "awskms"}


class VaultHealth(BaseModel):
    """Vault's health answer."""

    initialized: bool
    sealed: bool
    standby: bool
    performance_standby: bool
    replication_performance_mode: str
    replication_dr_mode: str
    server_time_utc: int
    version: str
    cluster_name: str
    cluster_id: str


class Initialized(BaseModel):
    """Whether there is a vault."""

    initialized: bool


class Leader(BaseModel):
    """Who leads."""

    ha_enabled: bool
    is_self: bool
    leader_address: str
    leader_cluster_address: str


class SealStatus(BaseModel):
    """Vault's seal answer. t, n: shares needed and made; progress: shares given so far."""

    type: str
    initialized: bool
    sealed: bool
    t: int
    n: int
    progress: int
    nonce: str
    version: str
    migration: bool
    recovery_seal: bool
    storage_type: str
    cluster_name: str
    cluster_id: str


class ToUnseal(msgspec.Struct, frozen=True):
    """key: the words of one share, or the passphrase. reset: forget the shares given so far."""

    key: str | None = None
    reset: bool = False

    def __repr__(self) -> str:
        return "ToUnseal(***)"


class HealthCodes(BaseModel):
    """The statuses that a load balancer wants instead of Vault's own."""

    activecode: int = Field(200, ge=200, le=599)
    sealedcode: int = Field(503, ge=200, le=599)
    uninitcode: int = Field(501, ge=200, le=599)
    # There is no standby here; taken, as the peer's clients send them.
    standbycode: int = Field(429, ge=200, le=599)
    standbyok: str = ""
    perfstandbyok: str = ""


_ERRORS = {status: it for status, it in vault_responses().items() if status != 200}
# RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5.
_WITHOUT_BODY = (204, 205, 304)


def _state(request: Request) -> SealState:
    return seals.state(open_service_of(request), node_of(request))


@router.head("/v1/sys/health", include_in_schema=False)
@router.get(
    "/v1/sys/health",
    responses={
        501: {"model": VaultHealth, "description": "There is no vault."},
        503: {"model": VaultHealth, "description": "The vault is sealed."},
        "default": {"model": VaultHealth, "description": "The status that was asked for."},
    },
    response_model=VaultHealth,
)
@open_to_all("Vault clients ask it before they sign in; it names no key and no person")
def vault_health(request: Request, codes: Annotated[HealthCodes, Query()]) -> Response:
    """Vault's health answer: 200 open, 503 sealed, 501 without a vault, or the codes asked for."""
    state = _state(request)
    status = codes.activecode
    if state.sealed:
        status = codes.sealedcode if state.initialized else codes.uninitcode
    answer = VaultHealth(
        initialized=state.initialized,
        sealed=state.sealed,
        standby=state.sealed,
        performance_standby=False,
        replication_performance_mode="disabled",
        replication_dr_mode="disabled",
        server_time_utc=state.seconds,
        version=__version__,
        cluster_name=state.organisation,
        cluster_id=state.vault_id,
    )
    if status in _WITHOUT_BODY:
        return Response(status_code=status)
    return JSONResponse(answer.model_dump(), status)


@router.get("/v1/sys/init")
@open_to_all("Vault clients ask it before they sign in; it says only whether there is a vault")
def vault_initialized(request: Request) -> Initialized:
    """Whether a vault was made."""
    return Initialized(initialized=_state(request).initialized)


@router.get("/v1/sys/leader")
@open_to_all("Vault clients ask it for the state of the vault; nodes here are all alike")
def vault_leader() -> Leader:
    """Vault's answer where there is no leader: every node takes every request."""
    return Leader(ha_enabled=False, is_self=False, leader_address="", leader_cluster_address="")


@router.get("/v1/sys/seal-status")
@open_to_all("Vault clients ask it before they sign in; it names no key and no person")
def vault_seal_status(request: Request) -> SealStatus:
    """Whether the vault is sealed, and how far its unsealing is."""
    return _shown(_state(request))


@writes(
    router,
    "/v1/sys/unseal",
    ToUnseal,
    response_model=SealStatus,
    responses=_ERRORS,
)
@open_to_all(
    "whoever gives shares or the passphrase proves by them that they may; guessing is slow"
)
def vault_unseal(request: Request, content: Annotated[bytes, Depends(body_of)]) -> SealStatus:
    """Give one share, or the passphrase; or start again."""
    body = read_body(content, ToUnseal).body
    key = None if body.key is None else Secret.of(body.key)
    return _shown(
        seals.unseal(
            lambda: open_service_of(request),
            node_of(request),
            key,
            reset=body.reset,
            request_id=request.state.request_id,
        )
    )


@writes(router, "/v1/sys/seal", status_code=204, response_class=Response, responses=_ERRORS)
@operation("it/vault/seal", "vault.seal")
def vault_seal(
    request: Request, at: Annotated[tuple[Service, Caller], Depends(vault_caller)]
) -> None:
    """Seal the vault on this node: when this answers, no process of it holds a key."""
    service, caller = at
    seals.seal(service, caller, node_of(request))


def _shown(state: SealState) -> SealStatus:
    return SealStatus(
        type=_TYPES.get(state.kind, state.kind),
        initialized=state.initialized,
        sealed=state.sealed,
        t=state.threshold,
        n=state.shares,
        progress=state.progress,
        nonce=state.nonce,
        version=__version__,
        migration=False,
        recovery_seal=False,
        storage_type=state.storage,
        cluster_name=state.organisation,
        cluster_id=state.vault_id,
    )

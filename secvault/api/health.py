"""Is it alive, is it ready, is it sealed: the paths that answer everybody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from secvault import __version__
from secvault.api.caller import service_of
from secvault.api.declared import open_to_all
from secvault.service import readiness

router = APIRouter(tags=["health"])


class Live(BaseModel):
    """The process answers."""

    live: bool


class Ready(BaseModel):
    """Whether each part that a request needs works."""

    ready: bool
    database: bool
    audit: bool
    unsealed: bool


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
    """Vault's seal answer."""

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


@router.get("/health/live")
@open_to_all("says only that the process answers")
def health_live() -> Live:
    """The process answers."""
    return Live(live=True)


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Not ready."}})
@open_to_all("tells a load balancer yes or no for each part, nothing else")
def health_ready(request: Request) -> Response:
    """Whether requests can be served now."""
    state = readiness.check(service_of(request))
    body = Ready(
        ready=state.ready, database=state.database, audit=state.audit, unsealed=state.unsealed
    )
    return JSONResponse(body.model_dump(), 200 if state.ready else 503)


@router.head("/v1/sys/health", include_in_schema=False)
@router.get("/v1/sys/health")
@open_to_all("Vault clients ask it before they sign in; it names no key and no person")
def vault_health(request: Request) -> VaultHealth:
    """Vault's health answer: initialized and unsealed, or this process would not answer."""
    service = service_of(request)
    return VaultHealth(
        initialized=True,
        sealed=False,
        standby=False,
        performance_standby=False,
        replication_performance_mode="disabled",
        replication_dr_mode="disabled",
        server_time_utc=service.clock.seconds(),
        version=__version__,
        cluster_name=service.settings.organisation,
        cluster_id=service.keyring.vault_id,
    )


@router.get("/v1/sys/init")
@open_to_all("Vault clients ask it before they sign in; it says only that there is a vault")
def vault_initialized() -> Initialized:
    """Whether a vault was made: always, or this process would not answer."""
    return Initialized(initialized=True)


@router.get("/v1/sys/leader")
@open_to_all("Vault clients ask it for the state of the vault; nodes here are all alike")
def vault_leader() -> Leader:
    """Vault's answer where there is no leader: every node takes every request."""
    return Leader(ha_enabled=False, is_self=False, leader_address="", leader_cluster_address="")


@router.get("/v1/sys/seal-status")
@open_to_all("Vault clients ask it before they sign in; it names no key and no person")
def vault_seal_status(request: Request) -> SealStatus:
    """Vault's seal answer."""
    service = service_of(request)
    return SealStatus(
        type=service.settings.seal.kind,
        initialized=True,
        sealed=False,
        t=0,
        n=0,
        progress=0,
        nonce="",
        version=__version__,
        migration=False,
        recovery_seal=False,
        storage_type=service.store.dialect,
        cluster_name=service.settings.organisation,
        cluster_id=service.keyring.vault_id,
    )

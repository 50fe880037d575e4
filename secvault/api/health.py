"""Is it alive, is it ready: for load balancers, also while the vault is sealed."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from secvault.api.caller import open_service_of
from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.service import readiness

router = Routes(tags=["health"])


class Live(BaseModel):
    """The process answers."""

    live: bool


class Ready(BaseModel):
    """Whether each part that a request needs works."""

    ready: bool
    database: bool
    audit: bool
    unsealed: bool
    notifications: bool = Field(
        description="Whether no notice was given up within a day; requests are served all the same."
    )
    streams: bool = Field(
        description="Whether no stream of the audit log stands still; see `secvault audit streams`."
    )
    policy_files: bool = Field(
        description="Whether the policies folder holds the policy that is in force; if not, see "
        "`secvault policy plan`. Requests are served by the one in force all the same."
    )
    publications: bool = Field(
        description="Whether no publication of the audit log is broken or lags for long; see "
        "`secvault audit publications`. Requests are served all the same."
    )
    witnesses: bool = Field(
        description="Whether every witness co-signs the audit log; if not, see `secvault audit "
        "witnesses`. Requests are served all the same."
    )


@router.get("/health/live")
@open_to_all("says only that the process answers")
def health_live() -> Live:
    """The process answers."""
    return Live(live=True)


@router.get("/health/ready", responses={503: {"model": Ready, "description": "Not ready."}})
@open_to_all("tells a load balancer yes or no for each part, nothing else")
def health_ready(request: Request) -> Response:
    """Whether requests can be served now."""
    service = open_service_of(request)
    state = readiness.SEALED if service is None else readiness.check(service)
    body = Ready(
        ready=state.ready,
        database=state.database,
        audit=state.audit,
        unsealed=state.unsealed,
        notifications=state.notifications,
        streams=state.streams,
        policy_files=state.policy_files,
        publications=state.publications,
        witnesses=state.witnesses,
    )
    return JSONResponse(body.model_dump(), 200 if state.ready else 503)

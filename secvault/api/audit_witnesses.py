"""The witnesses of the audit log over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service, audit_witnesses
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class WitnessAnswer(BaseModel):
    """A witness of the log. Times are microseconds since the epoch, UTC.

    size: of the largest checkpoint that it co-signed, 0 for none. lag: events of the newest
    checkpoint that it has not co-signed. failing_since, reason: since when, and why, it has not
    done what it was asked to.
    """

    name: str
    url: str
    vkey: str
    size: int
    lag: int
    asked_at: int | None
    cosigned_at: int | None
    failing_since: int | None
    reason: str | None


class WitnessesAnswer(BaseModel):
    """All declared witnesses, by name."""

    witnesses: list[WitnessAnswer]


@router.get("/witnesses")
@operation("it/audit", "audit.read")
def audit_witnesses_list(at: Authenticated) -> WitnessesAnswer:
    """Who co-signs the log's checkpoints, up to which size, and why one does not."""
    service, who = at
    return WitnessesAnswer(
        witnesses=[
            WitnessAnswer(
                name=view.name,
                url=view.url,
                vkey=view.vkey,
                size=view.state.size if view.state else 0,
                lag=view.lag,
                asked_at=view.state.asked_at if view.state else None,
                cosigned_at=view.state.cosigned_at if view.state else None,
                failing_since=view.state.failing_since if view.state else None,
                reason=view.state.reason if view.state else None,
            )
            for view in audit_witnesses.list_witnesses(service, who)
        ]
    )

"""What the audit log shows outside over HTTP: its publications, and the rotation of its key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, audit_keys, audit_publications
from secvault.service.audit_publications import PublicationState
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class PublicationAnswer(BaseModel):
    """How far a publication has come. lag: events of the log that are not published there.

    lock, locked_until, version: of the newest published checkpoint, as the place said when it was
    asked; empty where the place locks nothing. fault: a code, empty when all is well.
    """

    name: str
    location: str
    size: int
    lag: int
    published: str | None
    lock: str
    locked_until: str | None
    version: str
    fault: str
    detail: str
    failing_since: str | None


class PublicationList(BaseModel):
    """All publications that the settings name."""

    publications: list[PublicationAnswer]


class RotationRequest(BaseModel):
    """For how many days the old key signs as well."""

    overlap_days: int = Field(30, ge=0, le=audit_keys.MOST_DAYS)


class RotationAnswer(BaseModel):
    """The new key, and the one that it replaces (C2SP vkey texts)."""

    number: int
    audit: str
    former: str
    both_until: str


@router.get("/publications")
@operation("it/audit", "audit.verify")
def publication_list(at: Authenticated) -> PublicationList:
    """Where the log is published, how far each place has come, and what is wrong with it."""
    service, who = at
    found = audit_publications.list_publications(service, who)
    return PublicationList(publications=[_answer(each) for each in found])


@router.post("/publications/{name}")
@operation("it/audit/publications/{name}", "audit.publish")
def publication_publish(at: Authenticated, name: Name) -> PublicationAnswer:
    """Sign the log as it is and publish it now; how it went is in `fault`."""
    service, who = at
    return _answer(audit_publications.publish_now(service, who, name))


@router.post("/keys/rotation")
@operation("it/audit/keys", "audit.rotate_key")
def audit_key_rotate(at: Authenticated, body: RotationRequest) -> RotationAnswer:
    """Make another key that signs the log; the old one signs beside it for a while."""
    service, who = at
    done = audit_keys.rotate_key(service, who, body.overlap_days)
    return RotationAnswer(
        number=done.key.number,
        audit=done.key.vkey,
        former=done.former.vkey,
        both_until=timestamp(done.until),
    )


def _answer(found: PublicationState) -> PublicationAnswer:
    state, last = found.state, found.last
    return PublicationAnswer(
        name=state.name,
        location=found.settings.location,
        size=state.size,
        lag=found.lag,
        published=timestamp(state.published_at) if state.published_at else None,
        lock=last.mode.lower() if last else "",
        locked_until=timestamp(last.retain_until) if last and last.retain_until else None,
        version=last.version if last else "",
        fault=state.fault,
        detail=state.detail,
        failing_since=timestamp(state.failing_since) if state.failing_since else None,
    )

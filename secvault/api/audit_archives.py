"""The archives of the audit log over HTTP: what lies where. What is in them is read as all else."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, audit_archives
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class ArchiveAnswer(BaseModel):
    """An archive: entries `first` to `last`, recorded from `since` to `until`.

    sha256: of its file, called `name`. keep_until: how long it was to be kept when it was made.
    """

    first: int
    last: int
    since: str
    until: str
    bytes: int
    sha256: str
    made_at: str
    keep_until: str
    name: str


class ArchiveList(BaseModel):
    """All archives, the oldest first. live_from: the first entry that the store has itself."""

    archives: list[ArchiveAnswer]
    live_from: int


@router.get("/archives")
@operation("it/audit", "audit.verify")
def audit_archive_list(at: Authenticated) -> ArchiveList:
    """The archives that old entries of the log lie in."""
    service, who = at
    shelf = audit_archives.list_archives(service, who)
    return ArchiveList(
        archives=[
            ArchiveAnswer(
                first=each.first,
                last=each.stop - 1,
                since=timestamp(each.first_t),
                until=timestamp(each.last_t),
                bytes=each.bytes,
                sha256=each.digest.hex(),
                made_at=timestamp(each.made_at),
                keep_until=timestamp(each.keep_until),
                name=each.name,
            )
            for each in shelf.archives
        ],
        live_from=shelf.live_from,
    )

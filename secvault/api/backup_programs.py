"""Whether the programs that backups need are where the service runs, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service, backup_programs
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class ProgramAnswer(BaseModel):
    """A program that is needed. `path`: null where it was not found; `mend`: what to do then."""

    program: str
    wanted_by: str
    path: str | None
    version: str | None
    fault: str | None
    mend: str | None


class ProgramList(BaseModel):
    """All programs that the plans need, as the service's own account sees them.

    `cache_bytes`: what lies in restic's cache, null before there is one.
    """

    programs: list[ProgramAnswer]
    complete: bool
    cache: str
    cache_bytes: int | None


@router.get("/backups/programs")
@operation("it/backups", "backup.read")
def program_list(at: Authenticated) -> ProgramList:
    """Programs that backups need, restic first: where they were found, or what to do."""
    service, who = at
    found, cache = backup_programs.look_for_programs(service, who)
    return ProgramList(
        programs=[
            ProgramAnswer(
                program=one.name,
                wanted_by=one.wanted_by,
                path=None if one.path is None else str(one.path),
                version=one.version or None,
                fault=one.fault or None,
                mend=one.mend or None,
            )
            for one in found
        ],
        complete=not any(one.fault for one in found),
        cache=str(cache.folder),
        cache_bytes=cache.bytes,
    )

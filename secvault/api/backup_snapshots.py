"""How backups stand and what is in them, over HTTP: plans, snapshots, folders, names, differences.

Nothing here shows the content of a file, and nothing changes anything.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query

from secvault.api import backup_answers as answers
from secvault.api.backup_answers import (
    DifferenceAnswer,
    FolderAnswer,
    FoundAnswer,
    SnapshotList,
    StatusList,
)
from secvault.api.backups import PlanName
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service, backup_snapshots, backup_status
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/backups", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
SnapshotName = Annotated[
    str,
    Path(
        pattern=r"^(latest|[0-9a-f]{8,64})$",
        description="`latest`, or a snapshot's id or the beginning of it.",
        examples=["latest"],
    ),
]
RepositoryName = Annotated[
    str,
    Query(max_length=200, description="One of the plan's repositories; empty for its own."),
]


@router.get("/status")
@operation("it/backups", "backup.read")
def backup_status_read(at: Authenticated) -> StatusList:
    """How every plan stands, the worst first."""
    service, who = at
    return StatusList(
        plans=[answers.status(one) for one in backup_status.read_status(service, who)]
    )


@router.get("/plans/{plan}/snapshots")
@operation("it/backups/{plan}", "backup.read")
def snapshot_list(
    at: Authenticated,
    plan: PlanName,
    repository: RepositoryName = "",
    *,
    refresh: Annotated[bool, Query(description="Ask the repository in any case.")] = False,
) -> SnapshotList:
    """The plan's snapshots with their sizes."""
    service, who = at
    found = backup_snapshots.list_snapshots(
        service, who, plan, repository=repository, refresh=refresh
    )
    return SnapshotList(
        plan=found.plan,
        repository=found.repository,
        as_of=answers.time(found.as_of),
        trouble=found.trouble,
        snapshots=[answers.snapshot(row) for row in found.rows],
        measures=[answers.measure(one) for one in found.measures],
    )


@router.get("/plans/{plan}/snapshots/{snapshot}/entries")
@operation("it/backups/{plan}", "backup.read")
def snapshot_folder(
    at: Authenticated,
    plan: PlanName,
    snapshot: SnapshotName,
    folder: Annotated[str, Query(max_length=4096, examples=["/srv/documents"])] = "/",
    after: Annotated[str, Query(max_length=1024)] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    repository: RepositoryName = "",
) -> FolderAnswer:
    """What lies in a folder of a snapshot, page by page."""
    service, who = at
    chosen, page = backup_snapshots.list_folder(
        service,
        who,
        plan,
        snapshot=snapshot,
        repository=repository,
        folder=folder,
        after=after,
        limit=limit,
    )
    return FolderAnswer(
        snapshot=chosen.id,
        time=timestamp(chosen.taken_at),
        folder=page.folder,
        entries=[answers.entry(one) for one in page.entries],
        after=page.after,
    )


@router.get("/plans/{plan}/files")
@operation("it/backups/{plan}", "backup.read")
def snapshot_search(
    at: Authenticated,
    plan: PlanName,
    name: Annotated[str, Query(min_length=1, max_length=256, examples=["*.xlsx"])],
    snapshots: Annotated[int, Query(ge=1, le=20, description="How many of the newest.")] = 10,
    limit: Annotated[int, Query(ge=1, le=5_000)] = 500,
    repository: RepositoryName = "",
) -> FoundAnswer:
    """Look for files by name, with * and ?, in the newest snapshots."""
    service, who = at
    found = backup_snapshots.find(
        service, who, plan, name, repository=repository, snapshots=snapshots, limit=limit
    )
    return FoundAnswer(
        versions=[answers.version(one) for one in found.versions],
        more=found.more,
        snapshots_searched=found.looked_into,
    )


@router.get("/plans/{plan}/snapshots/{snapshot}/changes")
@operation("it/backups/{plan}", "backup.read")
def snapshot_changes(
    at: Authenticated,
    plan: PlanName,
    snapshot: SnapshotName,
    before: Annotated[
        str,
        Query(
            pattern=r"^([0-9a-f]{8,64})?$",
            description="The snapshot to compare with; empty for the one before.",
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    repository: RepositoryName = "",
) -> DifferenceAnswer:
    """How a snapshot differs from an earlier one."""
    service, who = at
    found = backup_snapshots.compare(
        service, who, plan, before=before, after=snapshot, repository=repository, limit=limit
    )
    return answers.difference(found)

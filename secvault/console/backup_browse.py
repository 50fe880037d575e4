"""Into a snapshot: its folders page by page, files looked for by name; never what is in them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.backup.restic_looking import modified_micros
from secvault.console.backups import PATH, PlanName, may
from secvault.console.figures import figures
from secvault.console.page import page
from secvault.console.visitor import Visiting
from secvault.service import backup_snapshots
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

ENTRIES = 200
"""Of a folder, on a page."""
FOUND = 200

SnapshotName = Annotated[str, Path(pattern=r"^(latest|[0-9a-f]{8,64})$")]
Repository = Annotated[str, Query(max_length=200)]
Folder = Annotated[str, Query(max_length=4096)]
After = Annotated[str, Query(max_length=1024)]
FileName = Annotated[str, Query(max_length=256)]


@router.get(PATH + "/{plan}/snapshots/{snapshot}")
@operation("it/backups/{plan}", "backup.read", "backup.restore")
def folder_page(
    request: Request,
    at: Visiting,
    plan: PlanName,
    snapshot: SnapshotName,
    repository: Repository = "",
    folder: Folder = "/",
    after: After = "",
) -> Response:
    """What lies in a folder. after: the last name of the page before."""
    chosen, found = backup_snapshots.list_folder(
        at.service,
        at.caller,
        plan,
        snapshot=snapshot,
        repository=repository,
        folder=folder,
        after=after,
        limit=ENTRIES,
    )
    return page(
        request,
        "backups/folder.html",
        visitor=at,
        plan=plan,
        snapshot=chosen,
        found=found,
        above=_above(found.folder),
        begins=chosen.paths if found.folder == "/" else (),
        entries=[(one, modified_micros(one)) for one in found.entries],
        may_restore=may(at, "backup.restore", plan),
        now=at.service.clock.micros(),
        **figures(request),
    )


@router.get(PATH + "/{plan}/files")
@operation("it/backups/{plan}", "backup.read", "backup.restore")
def search(
    request: Request,
    at: Visiting,
    plan: PlanName,
    name: FileName = "",
    repository: Repository = "",
) -> Response:
    """Files by name over the newest snapshots; without a name, the field for it."""
    found = None
    if not name:
        # Nothing is looked for: whoever may not look is told so before they type.
        reading = Operation("backup.read", "it", plan, f"it/backups/{plan}")
        at.service.spine.decide(at.caller, reading)
    else:
        found = backup_snapshots.find(
            at.service, at.caller, plan, name, repository=repository, limit=FOUND
        )
    return page(
        request,
        "backups/files.html",
        visitor=at,
        plan=plan,
        repository=repository,
        name=name,
        found=found,
        may_restore=may(at, "backup.restore", plan),
        now=at.service.clock.micros(),
        **figures(request),
    )


def _above(folder: str) -> list[tuple[str, str]]:
    """(name, path) of each folder that this one lies in, and of itself; the root is left out."""
    path = PurePosixPath(folder)
    return [(each.name, str(each)) for each in (*reversed(path.parents), path) if each.name]

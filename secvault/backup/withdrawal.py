"""Taking back snapshots that must not count."""

from __future__ import annotations

from collections.abc import Sequence

from secvault.backup import restic_faults
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import Repository


def withdraw(engine: BackupEngine, repository: Repository, snapshots: Sequence[str]) -> bool:
    """Forget these snapshots; False when the storage refuses to delete them."""
    if not snapshots:
        return True
    repository = repository.pruner()
    command = engine.restic.command
    status, _, complaints = command.run(repository, "forget", *snapshots)
    refused = restic_faults.refused_removals(complaints)
    if status != restic_faults.DONE and not refused:
        command.fail(status, complaints, "removing an incomplete snapshot", repository)
    return not refused

"""restic, between two repositories: one made like another, snapshots copied from it.

`restic copy` reads, decrypts and compares with its hash each blob that the other repository has
not, so damage in the first is found and is not copied. It takes one access to S3 for both; see
`repository.one_restic_reaches`.
"""

from __future__ import annotations

from collections.abc import Sequence

from secvault.backup import restic_arguments as arguments
from secvault.backup import restic_faults
from secvault.backup.repository import Repository
from secvault.backup.restic_command import ResticCommand
from secvault.backup.restic_process import SECOND_PASSWORD_FILE, Cancel
from secvault.errors import Conflict, InvalidInput


def init_like(command: ResticCommand, repository: Repository, source: Repository) -> None:
    """Make a repository that cuts files as `source` does, so that equal data is stored once.

    Raises Conflict where there is one already, and what the source is not opened for.
    """
    act = ("init", *_from(source), "--copy-chunker-params")
    status, _, complaints = command.run(repository, *act, other=source)
    if status != restic_faults.DONE:
        if any("already exists" in line for line in complaints):
            raise Conflict(f"there is a repository at {repository.location} already")
        command.fail(status, complaints, "making the repository", repository)


def copy_snapshots(
    command: ResticCommand,
    repository: Repository,
    source: Repository,
    snapshot_ids: Sequence[str],
    cancel: Cancel,
) -> None:
    """Copy these snapshots of `source` into `repository`, in this order; those there stay.

    A snapshot that is there was copied in whole: it is written after all that it names. Raises
    RepositoryDamaged for damage in the source, Cancelled and others.
    """
    if not snapshot_ids:
        raise InvalidInput.at("snapshot_ids", "name the snapshots to copy")
    ids = [arguments.snapshot_id(one) for one in snapshot_ids]
    act = ("copy", *_from(source), *ids)
    status, _, complaints = command.run(repository, *act, cancel=cancel, other=source)
    if restic_faults.tells_of_damage(complaints):
        raise restic_faults.damage(complaints, "copying the snapshot", source.location)
    if status != restic_faults.DONE:
        command.fail(status, complaints, "copying the snapshot", repository)


def _from(source: Repository) -> tuple[str, ...]:
    return (f"--from-repo={source.place}", f"--from-password-file={SECOND_PASSWORD_FILE}")

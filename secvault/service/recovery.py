"""What must be kept apart from the machine, so that a backup can be opened without it."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.crypto.secret import Secret
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class RepositoryAccess:
    """Where a plan's repository lies, and the restic password that opens it."""

    location: str
    password: Secret


def repository_access(service: Service, caller: Caller, plan: str) -> RepositoryAccess:
    """The password of the plan's repository, to be kept with the seal key.

    Whoever has it can read the backup's files; the fields in them stay encrypted under the vault's
    root. Asking is an audited operation of its own.
    """
    repository = service.backups.plan(plan).repository
    operation = Operation("backup.restore", "it", plan, f"it/backups/{plan}/password")

    def act(_: object) -> Outcome[RepositoryAccess]:
        opened = service.backups.repository(repository)
        return Outcome(RepositoryAccess(opened.location, opened.password))

    return service.spine.read(caller, operation, act)

"""What must be kept apart from the machine, so that a backup can be opened without it."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.backup.repository import KEYS
from secvault.crypto.secret import Secret
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

_TERMS: Terms = {"format": "password"}


@dataclass(frozen=True)
class RepositoryAccess:
    """Where a plan's repository lies, and the restic password that opens it."""

    location: str
    password: Secret


def repository_access(
    service: Service, caller: Caller, plan: str, *, data_keys: bool = False
) -> RepositoryAccess:
    """The password of the plan's repository, to be kept with the seal key.

    data_keys: of the one where its data keys lie.

    Whoever has it can read the backup's files; the fields in them stay encrypted under the vault's
    root. Asking is an audited operation of its own.
    """
    repository = service.backups.plan(plan).repository + (KEYS if data_keys else "")
    operation = Operation("backup.restore", "it", plan, f"it/backups/{plan}/password")

    # What it opens is a copy of everything: as weighty as an export of a key. The entry comes
    # first, because a password that is missing is made in a transaction of its own.
    terms = {**_TERMS, "target": "data-keys"} if data_keys else _TERMS
    service.spine.change(caller, operation, lambda _: Outcome(None), lambda _: terms)
    now = service.clock.micros()
    opened = service.backups.repository(repository)
    with service.store.write() as connection:
        service.backups.passwords.mark_escrowed(connection, [repository], now)
    return RepositoryAccess(opened.location, opened.password)

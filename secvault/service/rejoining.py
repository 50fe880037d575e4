"""Joining a restored copy of the vault with its data keys: before it serves anybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from secvault.backup import rejoin as joining
from secvault.backup.rejoin import Rejoined
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.record_rows import names_of_tables
from secvault.store.scrub import scrub

OPERATION = Operation("backup.restore", "it", "*", "it/backups/data-keys")


def rejoin(
    service: Service, caller: Caller, files: Sequence[Path], *, without_deleted: bool
) -> Rejoined:
    """Bring data keys back into this store, and erase what was erased since it was copied.

    service: opened with `apart`. Also for a store that has its keys: then only what the files say
    was erased. Raises Damaged, Conflict, InvalidInput; nothing is changed then.
    """

    def act(connection: Connection) -> Outcome[Rejoined]:
        done = joining.rejoin(
            connection,
            service.keyring,
            files,
            service.clock.micros(),
            without_deleted=without_deleted,
            random=service.random,
        )
        return Outcome(done, count=done.keys, detail={"reason": "data-keys", "files": len(files)})

    done = service.spine.change(caller, OPERATION, act)
    scrub(service.store, service.clock, names_of_tables())
    return done

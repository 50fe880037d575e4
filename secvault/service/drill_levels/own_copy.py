"""Secvault's own database out of a snapshot: opened in scratch, brought to this program's schema,
and joined with its data keys, as a recovery would.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from secvault.audit.entries import reaching
from secvault.backup import rejoin
from secvault.backup.database import SQLITE_COPY
from secvault.backup.drills.ground import Ground
from secvault.backup.rejoin import Keyless
from secvault.backup.repository_faults import (
    RepositoryDenied,
    RepositoryMissing,
    RepositoryUnreachable,
    WrongRepositoryPassword,
)
from secvault.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    Sealed,
    StoreVersion,
)
from secvault.keyring import Keyring
from secvault.keyring.root import Root, StoredRoot
from secvault.service.drill_levels.data_keys import Fetched
from secvault.service.drill_levels.escrow import Escrow, root_for, stored_root
from secvault.service.drill_levels.findings import Findings
from secvault.service.drill_levels.own_database import open_database
from secvault.service.service import Service
from secvault.store import Store, tables
from secvault.store.migrate import head, require_current, schema_revision, upgrade

DATABASE = "secvault's own database"


@dataclass(frozen=True)
class OwnCopy:
    """The opened copy. keyring: of the root in escrow, over the copy. folder: where it lies, with
    the files of its records. keyless: its records that had no key in any file of data keys.
    """

    store: Store
    keyring: Keyring
    root: Root
    folder: Path
    keyless: tuple[Keyless, ...]

    @property
    def url(self) -> str:
        """The database's address, which may hold a password."""
        return self.store.writer.url.set(drivername=self.store.dialect).render_as_string(
            hide_password=False
        )


def open_own_copy(
    service: Service,
    ground: Ground,
    escrow: Escrow,
    fetched: Callable[[], Fetched],
    closing: ExitStack,
    found: Findings,
) -> OwnCopy | None:
    """Open the copy, to be closed and dropped by `closing`; None, with faults, when it cannot be.

    fetched: gives the data keys, as `data_keys.fetch` does. Raises BackupFailed,
    Unavailable, Cancelled when it cannot be tried.
    """
    try:
        with ground.watch.running("load"):
            store = reaching(open_database(ground, closing, found), service.archives)
            if not _brought_up(ground, store, found):
                return None
            stored = stored_root(store)
    except (Damaged, StoreVersion, Sealed) as damage:
        found.fault("database-damaged", DATABASE, damage.detail)
        return None
    if not _is_of_this_vault(service, stored, found):
        return None
    opened = root_for(service, store, stored, escrow, found)
    if opened is None:
        return None
    found.fact("root-from", opened.source)
    ground.heed()
    keyring = Keyring(store, service.clock, opened.root, service.random)
    keyless = _rejoined(service, ground, store, keyring, fetched, found)
    if keyless is None:
        return None
    with store.read() as connection:
        records = connection.execute(select(func.count()).select_from(tables.record)).scalar_one()
    found.fact("records", records)
    return OwnCopy(store, keyring, opened.root, ground.staged, keyless)


def _brought_up(ground: Ground, store: Store, found: Findings) -> bool:
    before = schema_revision(store)
    if before is None:
        found.fault("database-damaged", DATABASE, "the restored database has no schema")
        return False
    found.fact("schema-before", before)
    copy = ground.staged / SQLITE_COPY
    if before != head() and copy.exists() and copy.stat().st_size > ground.may_use():
        # An upgrade keeps the file as it was beside it.
        found.fault("no-room", DATABASE, "there is no room to bring it to this program's schema")
        return False
    _, after = upgrade(store)
    require_current(store)
    found.fact("schema-after", after)
    return True


def _is_of_this_vault(service: Service, stored: StoredRoot, found: Findings) -> bool:
    if stored.vault_id == service.keyring.vault_id:
        return True
    found.fault(
        "audit-log-not-of-the-live-one",
        f"vault {stored.vault_id}",
        "the database is of another vault than the one that is running",
    )
    return False


def _rejoined(
    service: Service,
    ground: Ground,
    store: Store,
    keyring: Keyring,
    fetched: Callable[[], Fetched],
    found: Findings,
) -> tuple[Keyless, ...] | None:
    """The records that had no key; None, with a fault, where the copy does not get its keys."""
    with store.read() as connection:
        if rejoin.has_keys(connection):
            found.leave_open("data keys kept apart: this backup is of before they were")
            return ()
    where = f"data keys beside the repository {ground.repository.location}"
    try:
        brought = fetched()
        ground.watch.add("fetch", brought.seconds)
        with ground.watch.running("load"), store.write() as connection:
            joined = rejoin.rejoin(
                connection,
                keyring,
                brought.files,
                service.clock.micros(),
                without_deleted=True,
                random=service.random,
            )
    except (RepositoryMissing, RepositoryDenied, RepositoryUnreachable) as away:
        found.fault("repository-unreachable", where, away.detail)
        return None
    except (NotFound, Damaged, InvalidInput, Conflict, WrongRepositoryPassword) as lacking:
        found.fault("keys-missing", where, lacking.detail)
        return None
    found.fact("data-keys", joined.keys)
    found.fact("records-left-out-erased", joined.erased)
    found.fact("records-left-out-deleted", joined.left_out)
    return joined.keyless

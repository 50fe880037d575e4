"""What was deleted leaves the database's files, too.

SQLite overwrites what is deleted (`PRAGMA secure_delete`), but its write-ahead log keeps the pages
as they were until it is written over: so it is brought into the database and cut off. PostgreSQL
keeps dead rows until a vacuum, and the bytes of pages and of its own log until they are used again;
see docs/explanation/erasure-and-backups.md for what that means.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from secvault.clock import Clock
from secvault.store.engine import BUSY_SECONDS, Store

_TRIES, _PAUSE_SECONDS = 12, 0.25


def scrub(store: Store, clock: Clock, tables: Iterable[str]) -> bool:
    """Whether nothing that was deleted from these tables before is readable by the database.

    False when readers that began before the deletion kept the log in use for three seconds: what is
    left goes with a later call, and when the service stops. Raises Unavailable.
    """
    if store.dialect == "postgresql":
        _vacuum(store, tables)
        return True
    for _ in range(_TRIES):
        if _truncated(store):
            return True
        clock.sleep(_PAUSE_SECONDS)
    return False


def _truncated(store: Store) -> bool:
    with store.aside() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - narrows Any
        # Nobody else writes meanwhile: it waits between its tries, not in them.
        driver.execute("PRAGMA busy_timeout=0")
        try:
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        return bool(busy == 0)


def _vacuum(store: Store, tables: Iterable[str]) -> None:
    quote = store.writer.dialect.identifier_preparer.quote_identifier
    with store.aside() as connection:
        for name in sorted(set(tables)):
            connection.exec_driver_sql(f"VACUUM {quote(name)}")

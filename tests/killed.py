"""What a program that was killed still had under way on a server."""

from __future__ import annotations

import time

from secvault.store import Store

PATIENCE_SECONDS = 120
_UNDER_WAY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"""


def wait_until_settled(store: Store) -> None:
    """Return when PostgreSQL has ended what killed programs asked of it: done, or undone."""
    if store.dialect != "postgresql":
        return
    end = time.monotonic() + PATIENCE_SECONDS
    while _under_way(store):
        assert time.monotonic() < end, "a transaction of a killed program does not end"
        time.sleep(0.01)


def _under_way(store: Store) -> bool:
    with store.read() as connection:
        return bool(connection.exec_driver_sql(_UNDER_WAY).scalar_one())

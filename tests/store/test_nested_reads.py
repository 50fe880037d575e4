"""Readers that read once more while they hold a connection never wait for one another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from secvault.store import Store

READERS = 24
"""More than the connections that are kept, and few enough for a server that others test with."""


def test_more_readers_than_kept_connections_may_each_read_once_more(any_store: Store) -> None:
    all_hold = threading.Barrier(READERS, timeout=60)

    def read(number: int) -> int:
        with any_store.read() as outer:
            all_hold.wait()
            with any_store.read() as inner:
                first, second = (one.scalar(text(f"SELECT {number}")) for one in (outer, inner))
        assert first == second
        return number

    with ThreadPoolExecutor(READERS) as pool:
        assert list(pool.map(read, range(READERS))) == list(range(READERS))

"""Which records of a file are there already."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from secvault.store.tables import record

_AT_ONCE = 1000


def ids_there(connection: Connection, collection: str, ids: Iterable[str]) -> frozenset[str]:
    """Those of the ids that records of the collection have."""
    wanted = sorted(set(ids))
    there: set[str] = set()
    for begin in range(0, len(wanted), _AT_ONCE):
        question = select(record.c.id).where(
            record.c.collection == collection, record.c.id.in_(wanted[begin : begin + _AT_ONCE])
        )
        there.update(connection.execute(question).scalars())
    return frozenset(there)

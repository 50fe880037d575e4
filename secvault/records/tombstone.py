"""What is left of an erased record: that it was, and which erasure took it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from secvault.errors import Erased, NotFound
from secvault.store.tables import erased_record


def missing(connection: Connection, collection: str, record_id: str) -> NotFound:
    """Why there is no such record: that it was erased, or that nothing is known of it."""
    row = connection.execute(
        select(erased_record.c.erasure)
        .where(erased_record.c.collection == collection, erased_record.c.id == record_id)
        .order_by(erased_record.c.erased_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return NotFound(f"there is no {collection}/{record_id}")
    return Erased(f"{collection}/{record_id} was erased; evidence: {row.erasure}")

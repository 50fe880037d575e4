"""How much scratch space the levels take beside what is restored."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from secvault.backup.manifest import Manifest
from secvault.backup.staging import NO_DATABASE
from secvault.service.service import Service

_ALWAYS = 64 << 20
"""Files of data keys, and what the restored service writes."""
_SERVER = 448 << 20
"""A new PostgreSQL, with its log of changes at its largest."""


def room_for(service: Service, manifest: Manifest) -> int:
    """Bytes, by the size of the live database, which is seldom smaller than its copy.

    SQLite keeps the file as it was while it is brought to this program's schema; PostgreSQL is
    loaded into a server whose files are larger than the dump. Raises Unavailable.
    """
    if manifest.database == NO_DATABASE:
        return 0
    store = service.store
    if store.dialect == "sqlite":
        return _ALWAYS + Path(str(store.writer.url.database)).stat().st_size
    with store.read() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return _ALWAYS + _SERVER + int(size)

"""Restores that the worker does; the state of one is that of its job."""

from __future__ import annotations

from sqlalchemy import Column, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, LargeBinary, Text

backup_restore = Table(
    "backup_restore",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    # In words: `original`, a folder, or `into` and a name.
    Column("target", Text, nullable=False),
    Column("production", Boolean, nullable=False),
    # The order and who gave it, sealed: whoever can write rows restores nothing by them.
    Column("sealed_terms", LargeBinary, nullable=False),
    Column("phase", Text, nullable=False),
    Column("files_done", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes_done", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes_total", BigInteger),
    # What it came to, as JSON.
    Column("result", Text),
    # When somebody asked that it stop.
    Column("stopped_at", BigInteger),
)

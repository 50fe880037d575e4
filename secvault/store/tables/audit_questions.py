"""Questions about the audit log that an installation saved by name."""

from __future__ import annotations

from sqlalchemy import Column, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

audit_question = Table(
    "audit_question",
    metadata,
    Column("name", Text, primary_key=True),
    # Canonical JSON of what is asked, its title and its columns.
    Column("document", LargeBinary, nullable=False),
    Column("kept_by", Text, nullable=False),
    Column("kept_at", BigInteger, nullable=False),
)

"""What is personal in the audit log, sealed beside its leaves, and the keys that seal it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

audit_personal = Table(
    "audit_personal",
    metadata,
    # The id of the event; not a foreign key, for old events go elsewhere and keep theirs.
    Column("event", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    # Empty for one whose key was destroyed before the event entered the log.
    Column("envelope", LargeBinary, nullable=False),
    # What is there of this subject?
    Index(None, "subject"),
)

# In no copy of the database that a backup holds.
audit_subject_key = Table(
    "audit_subject_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The newest key of this subject.
    Index(None, "subject", "created_at"),
)

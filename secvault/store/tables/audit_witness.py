"""What witnesses say of the audit log's checkpoints, and how asking them goes."""

from __future__ import annotations

from sqlalchemy import Column, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

# By the checkpoint's size: which witness co-signed it, and its line of the note.
audit_cosignature = Table(
    "audit_cosignature",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True),
    Column("line", LargeBinary, nullable=False),
    # When the witness says that it signed, microseconds.
    Column("t", BigInteger, nullable=False),
)

# One row for each witness that was ever asked.
audit_witness = Table(
    "audit_witness",
    metadata,
    Column("name", Text, primary_key=True),
    # Of the largest checkpoint that it co-signed, as far as is known here.
    Column("size", BigInteger, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("cosigned_at", BigInteger),
    # Since when, and for what reason, it has not done what it was asked to.
    Column("failing_since", BigInteger),
    Column("reason", Text),
    # The reason that people have been told of.
    Column("told", Text),
)

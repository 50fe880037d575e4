"""What belongs to requests about records: why values were revealed, and what was made once."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

record_reveal = Table(
    "record_reveal",
    metadata,
    # As the audit log names it.
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("record", Text, nullable=False),
    # Whoever revealed: user:<person id>
    Column("revealer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    # The reason, sealed as a field of the record is.
    Column("envelope", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
    # Which reasons are kept with this record?
    Index(None, "collection", "record"),
    # How much has this person revealed of late?
    Index(None, "revealer", "at"),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    # Whose it is: user:<person id> or svc:<service account id>
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # What was made. No foreign key: a record that is gone is not made again.
    Column("collection", Text, nullable=False),
    Column("record", Text, nullable=False),
    # What was asked for, sealed as a field of the record is.
    Column("envelope", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Which belong to this record?
    Index(None, "collection", "record"),
    # Which are too old to be kept?
    Index(None, "created_at"),
)

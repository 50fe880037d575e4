"""What belongs to requests about records: why values were revealed, and what was done once."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

record_reveal = Table(
    "record_reveal",
    metadata,
    # As the audit log names it; who, when and which field is there.
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("record", Text, nullable=False),
    # The reason, sealed as a field of the record is.
    Column("envelope", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
    # Which reasons are kept with this record?
    Index(None, "collection", "record"),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    # Whose it is: user:<person id> or svc:<service account id>
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # HMAC-SHA-256 of what was asked for.
    Column("digest", LargeBinary, nullable=False),
    # What was made: <collection>/<record>
    Column("object", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Which are too old to be kept?
    Index(None, "created_at"),
)

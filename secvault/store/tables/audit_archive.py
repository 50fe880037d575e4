"""What of the audit log lies in archives, and the leaf hashes that stay here for every proof."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

# Archives follow each other without a gap: entries below the largest `stop` lie in them.
audit_archive = Table(
    "audit_archive",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("stop", BigInteger, nullable=False),
    # What it is called where archives lie.
    Column("name", Text, nullable=False),
    # SHA-256 and length of the whole file as it was read back.
    Column("digest", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # Times of its first and last entry, for questions about a period.
    Column("first_t", BigInteger, nullable=False),
    Column("last_t", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("keep_until", BigInteger, nullable=False),
    CheckConstraint("stop > first AND stop % 256 = 0 AND first % 256 = 0", name="whole_bundles"),
)

# The leaf hashes of a whole bundle of 256 archived entries, one after the other: 32 bytes an entry.
audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

# The archive that is being written; after a kill exactly this one is written on. One row at most.
audit_archiving = Table(
    "audit_archiving",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("stop", BigInteger, nullable=False),
)

"""What the log is signed with, and where it is published."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

# The public halves of the keys that signed checkpoints, and those that still do. The private
# halves are keys of the vault, named by `purpose`. Rows are never removed: old checkpoints stay.
audit_signing_key = Table(
    "audit_signing_key",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Key name, key id and key (C2SP vkey). The key's name is the origin of what it signs.
    Column("vkey", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    # Until when it signs beside its successor, microseconds UTC; null for the newest.
    Column("until", BigInteger, nullable=True),
    # Why the log goes on under another origin; empty for a rotation.
    Column("reason", Text, nullable=False),
)

# How far each place has come, and what keeps it from coming further.
audit_publication = Table(
    "audit_publication",
    metadata,
    Column("name", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    # Up to where full tiles lie there; a long catching-up goes on from it.
    Column("tiles", BigInteger, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("tried_at", BigInteger, nullable=False),
    Column("fault", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # Since when it fails; 0 while it does not.
    Column("failing_since", BigInteger, nullable=False),
    # When the log was told that it is broken; 0 while it is not.
    Column("told_at", BigInteger, nullable=False),
)

# Each checkpoint that was published, with what the place said of its lock when it was read back.
audit_published = Table(
    "audit_published",
    metadata,
    Column("publication", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("retain_until", BigInteger, nullable=False),
    Column("t", BigInteger, nullable=False),
    PrimaryKeyConstraint("publication", "origin", "size"),
)

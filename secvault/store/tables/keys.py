"""What the keyring keeps: the vault, its mounts, named keys and their versions."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

vault = Table(
    "vault",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seal", Text, nullable=False),
    Column("wrapped_root", LargeBinary, nullable=False),
    # There is one vault in a store, also when two programs make it at the same moment.
    Column(
        "one",
        Integer,
        CheckConstraint("one = 1", name="one"),
        unique=True,
        default=1,
        nullable=False,
    ),
)

mount = Table(
    "mount",
    metadata,
    Column("path", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

named_key = Table(
    "named_key",
    metadata,
    Column("mount", Text, ForeignKey("mount.path"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("min_decryption_version", Integer, nullable=False),
    Column("min_encryption_version", Integer, nullable=False),
    Column("exportable", Boolean, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

named_key_version = Table(
    "named_key_version",
    metadata,
    Column("mount", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["mount", "name"], ["named_key.mount", "named_key.name"]),
)

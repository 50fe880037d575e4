"""Tokens of blind indexes, and which of the indexes hold every record."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

record_index = Table(
    "record_index",
    metadata,
    # Which records have this token? The key in this order is the index that answers.
    Column("collection", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("token", LargeBinary, primary_key=True),
    Column("record", Text, primary_key=True),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
    # Which tokens has this record?
    Index(None, "collection", "record"),
    # The row is all key: kept once, in its tree.
    sqlite_with_rowid=False,
)

# definition: the index as the schema declared it (canonical JSON). position: the record after which
# a run of indexing goes on. built_at: since when every record of the collection has its tokens;
# null while records from before it have none yet.
record_index_version = Table(
    "record_index_version",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("definition", LargeBinary, nullable=False),
    Column("position", Text, nullable=False),
    Column("built_at", BigInteger),
)

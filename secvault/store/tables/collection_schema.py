"""The schemas of collections, one row a version, and how far moving records to a newer one is."""

from __future__ import annotations

from sqlalchemy import Column, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

# Added with the publication that first had it, and never changed: a version stands for one schema.
collection_schema = Table(
    "collection_schema",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    # Canonical JSON, see `records.schema_description`.
    Column("described", LargeBinary, nullable=False),
    # The number of the policy.
    Column("publication", BigInteger, nullable=False),
)

# How far a job of the kind `migrate` is; its state is the job's.
migration_run = Table(
    "migration_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    # Of the schema that the records come to; none before it has begun.
    Column("version", BigInteger),
    Column("migrated", BigInteger, nullable=False, server_default=text("0")),
    Column("remaining", BigInteger),
    Column("damaged", BigInteger, nullable=False, server_default=text("0")),
    # When somebody asked that it stop.
    Column("stopped_at", BigInteger),
)

"""Exports of records, and what departments disclose to others, de-identified."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

disclosure = Table(
    "disclosure",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    # The department whose people may have it.
    Column("recipient", Text, nullable=False),
    # Pseudonyms are the same within a project.
    Column("project", Text, nullable=False),
    Column("k", Integer, nullable=False),
    # The fields by which a person might be known again, JSON; an empty list for the usual ones.
    Column("quasi", Text, nullable=False),
    # suppress or refuse
    Column("small_groups", Text, nullable=False),
    # What was done to each field when it was made: SHA-256, hexadecimal.
    Column("treatment", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    CheckConstraint("k >= 2", name="k"),
    # What is disclosed of this collection?
    Index(None, "collection", "made_at"),
)

record_export = Table(
    "record_export",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    # Null when it shows what its requester may see in clear or masked.
    Column("disclosure", Text, ForeignKey("disclosure.id")),
    Column("format", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # begun, then done or failed, once
    Column("state", Text, nullable=False),
    Column("ended_at", BigInteger),
    # Of a finished one: records, and the signed manifest.
    Column("records", BigInteger),
    Column("manifest", LargeBinary),
    Column("note", LargeBinary),
    # Which were the newest? Which are under way?
    Index(None, "started_at"),
    Index(None, "state", "started_at"),
)

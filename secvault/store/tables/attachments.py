"""Attachments: which contents lie beside the database, and the keys that open them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

# A row is there before anything of the content is stored, and until everything of it is removed.
# `uploading`: on its way in; `kept`: the field of the record names it; `unused`: to be removed.
# It refers to no record: what a deleted record leaves behind must still be found.
attachment = Table(
    "attachment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("state", Text, nullable=False),
    # Null until it is kept.
    Column("wrapped_key", LargeBinary),
    # When it came into its state; of one that is uploading, when it was last heard of.
    Column("changed_at", BigInteger, nullable=False),
    # Which attachments does a record, or a field of it, have?
    Index(None, "collection", "record", "field"),
    # Which are to be removed, or were heard of too long ago?
    Index(None, "state", "changed_at"),
)

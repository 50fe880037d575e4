"""Erasures and what is left of what was erased, legal holds, runs of retention, and whether a store
has its data keys.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

erasure = Table(
    "erasure",
    metadata,
    Column("id", Text, primary_key=True),
    # What was asked for: one record, one subject of a collection, a person, or a run of retention.
    Column("kind", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("keys", Integer, nullable=False),
    # Canonical JSON of what was done, and the signed note over its SHA-256.
    Column("document", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    # The newest erasures, newest first.
    Index(None, "at", "id"),
)

# What is left of an erased record. A record of the same id may come again, and be erased again.
erased_record = Table(
    "erased_record",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("erasure", Text, primary_key=True),
    Column("erased_at", BigInteger, nullable=False),
    # Which records did this erasure take?
    Index(None, "erasure"),
)

# A data key that was destroyed: what it sealed is lost in every backup, too.
erased_subject = Table(
    "erased_subject",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("erasure", Text, primary_key=True),
    # SHA-256 of the wrapped key as it was, which no one can turn back; empty for a subject that had
    # none here, and may have one in copies.
    Column("reference", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger, nullable=False),
    Index(None, "erasure"),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("id", Text, primary_key=True),
    # `person` over all collections, a `subject` or a `record` of one, or a `collection`.
    Column("kind", Text, nullable=False),
    # Empty for a person.
    Column("collection", Text, nullable=False),
    # Empty for a collection.
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", BigInteger),
    Column("lift_reason", Text),
    # Which holds are in force?
    Index(None, "lifted_at"),
)

retention_run = Table(
    "retention_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    # SHA-256 over the canonical JSON of the list: what is approved is this list and no other.
    Column("digest", Text, nullable=False),
    Column("records", Integer, nullable=False),
    # Records that do not open, which nothing can be said of.
    Column("damaged", Integer, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", BigInteger),
    Column("finished_at", BigInteger),
    # The erasure that it ends with; its evidence lies there.
    Column("erasure", Text),
    # The job that proposed it, so that a job which is done twice proposes once.
    Column("job", Text, unique=True),
    # Subjects of those who approved it, with a space between them.
    Column("approvals", Text, nullable=False),
    Index(None, "proposed_at"),
)

retention_item = Table(
    "retention_item",
    metadata,
    Column("run", Text, ForeignKey("retention_run.id"), primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    # The day with which the period began, and the first day after it: `2016-11-30`.
    Column("since", Text, nullable=False),
    Column("due", Text, nullable=False),
    # The period as the collection stated it: `10y`, `1y6m`.
    Column("period", Text, nullable=False),
    # due, held; then erased, kept (no longer due), held, gone or damaged.
    Column("state", Text, nullable=False),
    # Of those that were erased, whether the data key went, too: 1, or 0 where others share it.
    Column("keys", Integer),
    Column("decided_at", BigInteger),
    # What a run has still to do, in order.
    Index(None, "run", "state", "collection", "id"),
)

# One row in a store that has its data keys. The copy in a backup has none: its keys lie apart, and
# it opens when they are back, without those of whoever was erased since.
keys_here = Table(
    "keys_here",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", BigInteger, nullable=False),
)

"""Exports of records: who took how many away, to hold the next one against."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Text

record_export = Table(
    "record_export",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    # Of a de-identified one, else empty.
    Column("project", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # begun, then done or broken_off, once
    Column("state", Text, nullable=False),
    Column("ended_at", BigInteger),
    # As many as were counted before; once it has ended, as many as left.
    Column("records", BigInteger, nullable=False),
    # How many did somebody take away since?
    Index(None, "requested_by", "started_at"),
)

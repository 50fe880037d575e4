"""Repositories that were added while the service runs, and the copies of each run."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

stored_repository = Table(
    "stored_repository",
    metadata,
    Column("name", Text, primary_key=True),
    # The settings as JSON, without secrets; those as JSON too, sealed for this name.
    Column("settings", Text, nullable=False),
    Column("sealed_secrets", LargeBinary, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

backup_copy = Table(
    "backup_copy",
    metadata,
    Column("run", Text, primary_key=True),
    Column("repository", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    # copy: from the plan's first repository. run: saved a second time.
    Column("way", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("snapshot", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("error", Text),
    # The newest of a plan in a repository.
    Index(None, "plan", "repository", "started_at"),
)

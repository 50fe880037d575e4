"""Backup plans that were made by the service or by command, and their secrets, apart."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

backup_plan = Table(
    "backup_plan",
    metadata,
    Column("name", Text, primary_key=True),
    # Canonical JSON of `PlanSettings`, every field, the secrets left out.
    Column("settings", Text, nullable=False),
    Column("version", Integer, nullable=False),
    # Since when its schedule stands still; none while it runs.
    Column("paused_at", BigInteger),
    Column("made_by", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

backup_plan_secret = Table(
    "backup_plan_secret",
    metadata,
    Column("plan", Text, ForeignKey("backup_plan.name"), primary_key=True),
    # The dotted key in the settings: sources.erp.password.
    Column("place", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

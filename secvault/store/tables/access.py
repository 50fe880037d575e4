"""Who was granted which role, and the epoch of the policy."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, Text

role_grant = Table(
    "role_grant",
    metadata,
    Column("id", Text, primary_key=True),
    # user:<person id> or svc:<service account id>
    Column("subject", Text, nullable=False),
    # role:<department>.<role>
    Column("role", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("granted_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    # Casbin leaves a right standing when one of two equal rows is removed, so there are no two.
    Index(
        "uq_role_grant_live",
        "subject",
        "role",
        "department",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

policy_epoch = Table(
    "policy_epoch",
    metadata,
    Column("id", Integer, primary_key=True),
    # Grows with every change that can alter a decision; each process compares it.
    Column("epoch", BigInteger, nullable=False),
)

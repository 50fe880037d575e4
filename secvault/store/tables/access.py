"""Who was granted which role."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Text

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
    # Empty for what people granted here; else the provider whose group it comes from, such as
    # oidc:corp or scim:corp, and only that provider's word ends it.
    Column("source", Text, nullable=False, server_default=text("''")),
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

"""Who was granted which role, and who may activate one."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Integer, Text

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
    # oidc:corp or scim:corp, and only that provider's word ends it; or `activation:<id>` of an
    # eligibility, `request:<id>` of what was asked for and approved.
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

# Each end that a grant had before it was put off or brought forward, so that the past can be told.
role_grant_end = Table(
    "role_grant_end",
    metadata,
    Column("grant_id", Text, ForeignKey("role_grant.id"), primary_key=True),
    # From 1 on, in the order of the changes.
    Column("number", Integer, primary_key=True),
    # Until when this was the end.
    Column("changed_at", BigInteger, nullable=False),
    # The end; NULL for none.
    Column("expires_at", BigInteger),
)

role_grant_warning = Table(
    "role_grant_warning",
    metadata,
    Column("grant_id", Text, ForeignKey("role_grant.id"), primary_key=True),
    # The smallest number of days before its end that was told of; -1 for one without an end.
    Column("days", Integer, nullable=False),
)

role_eligibility = Table(
    "role_eligibility",
    metadata,
    Column("id", Text, primary_key=True),
    # user:<person id>
    Column("subject", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    # Lapses at this moment unless it was activated before.
    Column("claim_by", BigInteger),
    Column("most_seconds", Integer, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("needs_ticket", Boolean, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # When it was activated for the first time.
    Column("claimed_at", BigInteger),
    Column("revoked_at", BigInteger),
    CheckConstraint("granted_by <> subject", name="nobody_for_themselves"),
    Index(
        "uq_role_eligibility_live",
        "subject",
        "role",
        "department",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

role_activation = Table(
    "role_activation",
    metadata,
    Column("grant_id", Text, ForeignKey("role_grant.id"), primary_key=True),
    Column("eligibility", Text, ForeignKey("role_eligibility.id"), nullable=False),
    Column("reason", Text, nullable=False),
    # Empty for none.
    Column("ticket", Text, nullable=False),
    # The request for approval that was used up by it; null where none was needed.
    Column("request", Text, ForeignKey("approval_request.id"), unique=True),
    Column("created_at", BigInteger, nullable=False),
    # Which activations did an eligibility have?
    Index(None, "eligibility"),
)

"""AppRoles, by which systems sign in; and the sign-ins of people that wait for their code."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, LargeBinary, Text

approle = Table(
    "approle",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("account", Text, ForeignKey("service_account.id"), nullable=False),
    # What a system shows beside its secret id; no secret.
    Column("role_id", Text, nullable=False, unique=True),
    # Names of roles, JSON; empty for all that the account has.
    Column("policies", Text, nullable=False),
    Column("no_default_policy", Boolean, nullable=False),
    # What its tokens are narrowed to: layers of roles, JSON; null for not at all.
    Column("narrowing", Text),
    Column("bind_secret_id", Boolean, nullable=False),
    Column("secret_id_bound_cidrs", Text, nullable=False),
    Column("token_bound_cidrs", Text, nullable=False),
    # Seconds; numbers of uses are 0 for as many as wanted.
    Column("secret_id_ttl", BigInteger, nullable=False),
    Column("secret_id_num_uses", BigInteger, nullable=False),
    Column("token_ttl", BigInteger, nullable=False),
    Column("token_max_ttl", BigInteger, nullable=False),
    Column("token_explicit_max_ttl", BigInteger, nullable=False),
    Column("token_period", BigInteger, nullable=False),
    Column("token_num_uses", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

secret_id = Table(
    "secret_id",
    metadata,
    Column("accessor", Text, primary_key=True),
    Column("approle", Text, ForeignKey("approle.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # Null for as many uses as wanted; a row whose uses are spent is gone.
    Column("uses_left", BigInteger),
    Column("meta", Text, nullable=False),
    Column("cidr_list", Text, nullable=False),
    Column("token_bound_cidrs", Text, nullable=False),
    # Which secret id of this AppRole was shown?
    UniqueConstraint("approle", "digest"),
)

mfa_request = Table(
    "mfa_request",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    # A password that was changed since then is no longer shown by this request.
    Column("password_changed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # Which requests are over?
    Index(None, "expires_at"),
)

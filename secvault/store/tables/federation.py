"""People as identity providers know them: where they come from, and sign-ins on their way."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, false

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

external_identity = Table(
    "external_identity",
    metadata,
    # The name of the provider in the settings.
    Column("provider", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    # `sub` of OpenID Connect; null while the provider has not said how it will be.
    Column("subject", Text),
    # linked (by themselves), created (at the first sign-in), provisioned (by SCIM).
    Column("origin", Text, nullable=False),
    # How the provider names the person in SCIM.
    Column("external_id", Text),
    # Whether it was the provider that disabled the person, so that it may enable them again.
    Column("suspended", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("last_sign_in_at", BigInteger),
    # When the provider let go of the person; the row stays, so that nobody else takes it over.
    Column("deprovisioned_at", BigInteger),
    # Which providers know this person?
    Index(None, "person"),
    UniqueConstraint("provider", "subject"),
    UniqueConstraint("provider", "external_id"),
)

federation_step = Table(
    "federation_step",
    metadata,
    # Of `state`, or of what the second step shows.
    Column("digest", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("provider", Text, nullable=False),
    # SHA-256 of what the browser keeps in a cookie; null for a second step.
    Column("browser", LargeBinary),
    Column("redirect_uri", Text, nullable=False),
    # Longest time since the provider last saw the person, in seconds; null for any.
    Column("max_age", Integer),
    # Who links, or whose second factor is missing; null for a sign-in.
    Column("person", Text, ForeignKey("person.id")),
    # The session that asked to link, or that the browser had when a sign-in began.
    Column("session", Text),
    # Of a second step: who the provider said it was, and its own session.
    Column("subject", Text),
    Column("sid", Text),
    # What the token of the session will travel in.
    Column("carrier", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # Which steps are over?
    Index(None, "expires_at"),
)

federated_session = Table(
    "federated_session",
    metadata,
    Column("session", Text, ForeignKey("session.key_id"), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # The provider's own session, where it names one.
    Column("sid", Text),
    # Which sessions end when the provider signs somebody out?
    Index(None, "provider", "subject"),
    Index(None, "provider", "sid"),
)

spent_logout_token = Table(
    "spent_logout_token",
    metadata,
    # SHA-256 of provider and `jti`.
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    # Which rows can be forgotten?
    Index(None, "expires_at"),
)

scim_group = Table(
    "scim_group",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("external_id", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    UniqueConstraint("provider", "display_name"),
)

scim_group_member = Table(
    "scim_group_member",
    metadata,
    Column("scim_group", Text, ForeignKey("scim_group.id"), primary_key=True),
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    # Which groups is this person in?
    Index(None, "person"),
)

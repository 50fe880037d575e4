"""What somebody asked for that needs a second person, who approved it, and what came of it."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    UniqueConstraint,
    text,
)

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

approval_request = Table(
    "approval_request",
    metadata,
    Column("id", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("resource", Text, nullable=False),
    # What exactly is to be done, canonical JSON.
    Column("terms", Text, nullable=False),
    # Of action, department, resource and terms: what an approval is bound to.
    Column("digest", Text, nullable=False),
    # user:<id>, svc:<id> or local:operator
    Column("requester", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # open; then used, refused or withdrawn, once and for ever
    Column("state", Text, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    # What an approval refers to, so that neither can change under it.
    UniqueConstraint("id", "requester", "digest"),
    # Who asks for the same twice gets the same request.
    Index(
        "uq_approval_request_open",
        "digest",
        "requester",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    # Which requests are there, the newest first?
    Index(None, "created_at"),
)

approval = Table(
    "approval",
    metadata,
    Column("request", Text, primary_key=True),
    # user:<id>
    Column("approver", Text, primary_key=True),
    Column("requester", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("given_at", BigInteger, nullable=False),
    # Digest of the part of a reset's code that was shown to the approver.
    Column("part", LargeBinary),
    ForeignKeyConstraint(
        ["request", "requester", "digest"],
        ["approval_request.id", "approval_request.requester", "approval_request.digest"],
    ),
    CheckConstraint("approver <> requester", name="nobody_approves_their_own"),
)

approval_latch = Table(
    "approval_latch",
    metadata,
    # Always 1: written once, when there are two who can approve, and never taken away.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("latched_at", BigInteger, nullable=False),
)

reset_code = Table(
    "reset_code",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    # factor or password
    Column("kind", Text, nullable=False),
    # The request that was used up by it; null when there was no second person yet.
    Column("request", Text, ForeignKey("approval_request.id"), unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # Used once: from null to a moment, never back.
    Column("used_at", BigInteger),
    # Which codes has this person?
    Index(None, "person"),
)

reset_code_part = Table(
    "reset_code_part",
    metadata,
    Column("code", Text, ForeignKey("reset_code.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
)

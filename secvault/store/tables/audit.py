"""The audit log: its head, its leaves, what waits for it, its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Column, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

audit_head = Table(
    "audit_head",
    metadata,
    Column("log", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    # Compact range: one 32-byte hash for each set bit of size, largest subtree first.
    Column("frontier", LargeBinary, nullable=False),
    Column("last_t", BigInteger, nullable=False),
)

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "sqlite": "substr(resource, 1, instr(resource || '/', '/') - 1) <> department",
        "postgresql": "split_part(resource, '/', 1) <> department",
    }
)
"""That the resource does not lie in the event's department, as each engine's index says it."""

audit_event = Table(
    "audit_event",
    metadata,
    Column(
        "seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    Column("id", Text, nullable=False, unique=True),
    Column("t", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("department", Text, nullable=False),
    # The exact leaf bytes; the columns before it only serve queries and are checked against it.
    Column("body", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    # What did this person or system do?
    Index(None, "actor", "seq"),
    # Who touched this resource?
    Index(None, "resource", "seq"),
    # All events of one kind, refused ones for instance.
    Index(None, "kind", "outcome", "seq"),
    # What happened between two moments?
    Index(None, "t"),
    # Did this person or system do this? Both may be frequent, and never together.
    Index(None, "actor", "kind", "seq"),
    # What happened in this department?
    Index(None, "department", "seq"),
    # What did not go well? What did is nearly everything, and needs no index.
    Index(
        "ix_audit_event_not_ok",
        "outcome",
        "seq",
        sqlite_where=text("outcome <> 'ok'"),
        postgresql_where=text("outcome <> 'ok'"),
    ),
    # What did this department have to do with things of another?
    Index(
        "ix_audit_event_elsewhere",
        "department",
        "seq",
        sqlite_where=text(ELSEWHERE["sqlite"]),
        postgresql_where=text(ELSEWHERE["postgresql"]),
    ),
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    # UUIDv7 of the event: the order of the outbox is the order of these.
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# Up to where the log has taken each journal that lies beside a SQLite database.
audit_journal = Table(
    "audit_journal",
    metadata,
    Column("name", Text, primary_key=True),
    Column("taken", BigInteger, nullable=False),
)

# Hashes of whole subtrees; level 1 is over 256 events, each further one over 256 of the one below.
audit_node = Table(
    "audit_node",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("t", BigInteger, nullable=False),
)

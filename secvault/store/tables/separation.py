"""Separation of duties: who may break a rule for a while, what was found, who made which object."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

separation_exception = Table(
    "separation_exception",
    metadata,
    Column("id", Text, primary_key=True),
    # user:<person id> or svc:<service account id>
    Column("subject", Text, nullable=False),
    # The id of a rule of separation.toml
    Column("rule", Text, nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    # What is done instead, for people to read.
    Column("note", Text, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Once, when somebody ends it before its time.
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    CheckConstraint("granted_by <> subject", name="nobody_excepts_themselves"),
    CheckConstraint("ends_at > begins_at", name="ends_after_its_start"),
    # Which exceptions has this subject?
    Index(None, "subject"),
)

separation_finding = Table(
    "separation_finding",
    metadata,
    Column("rule", Text, primary_key=True),
    # Empty for too many holders of a role.
    Column("subject", Text, primary_key=True),
    Column("first_seen_at", BigInteger, nullable=False),
)

object_actor = Table(
    "object_actor",
    metadata,
    # <collection>/<record id>
    Column("object", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    # The person who answered for the subject then, user:<id>; null for a person.
    Column("owner", Text),
    Column("at", BigInteger, nullable=False),
)

record_release = Table(
    "record_release",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    # Of the record, when it was approved; another version is not.
    Column("version", Integer, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", BigInteger, nullable=False),
    # Under the record's data key, so that no row can be made up in the database.
    Column("tag", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
)

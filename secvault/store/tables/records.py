"""Records, their encrypted fields, and the data keys that open them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

data_key = Table(
    "data_key",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

record = Table(
    "record",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("plain", LargeBinary, nullable=False),
    Column("tag", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # The version of the collection's schema that wrote it; 0 from before schemas had versions.
    Column("schema_version", Integer, nullable=False, server_default=text("0")),
    # Whom and which team it is about, out of the plain fields, to be asked for; what is in `plain`
    # and under the tag decides. Null when the record does not say.
    Column("person", Text),
    Column("team", Text),
    # Which records of a collection are about somebody, or belong to a team, in order?
    Index(None, "collection", "person", "id"),
    Index(None, "collection", "team", "id"),
    # Which records share the data key of a subject that is not the record itself?
    Index(
        None,
        "collection",
        "subject",
        "id",
        sqlite_where=text("subject <> id"),
        postgresql_where=text("subject <> id"),
    ),
)

# The fields that the two columns of `record` were filled from.
record_facts = Table(
    "record_facts",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("person_field", Text, nullable=False),
    Column("team_field", Text, nullable=False),
)

record_field = Table(
    "record_field",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
)

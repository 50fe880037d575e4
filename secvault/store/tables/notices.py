"""Notices: where people want to be told, what of, and how far the log was read for it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

person_contact = Table(
    "person_contact",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    # An e-mail address, sealed for this person; null when there is only a language.
    Column("sealed_address", LargeBinary),
    # The one before, which is told of the change, too.
    Column("sealed_former", LargeBinary),
    # null for the installation's.
    Column("language", Text),
    Column("changed_at", BigInteger, nullable=False),
)

notice = Table(
    "notice",
    metadata,
    Column("id", Text, primary_key=True),
    # The event and the recipient: what was noted once is not noted again.
    Column("cause", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    # `person:<id>`, `former:<id>` or `channel:<name>`.
    Column("recipient", Text, nullable=False),
    # Ids and numbers that the words are filled with, JSON; names are looked up when it is sent.
    Column("facts", Text, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # A code: why the last attempt failed.
    Column("reason", Text),
    # Which are to be sent now, and which ended when?
    Index(None, "state", "next_try_at"),
    # Which can be forgotten?
    Index(None, "made_at"),
)

notice_cursor = Table(
    "notice_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    # The last event of the audit log that was looked at.
    Column("seq", BigInteger, nullable=False),
)

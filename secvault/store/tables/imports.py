"""Imports of records from files: how far each is, the sealed parts of its file, what was wrong."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

SUBJECT = "IMPORT/"
"""With the id of an import, the subject of its data key. Subjects of records are folded to lower
case, so none of them is ever the same.
"""

record_import = Table(
    "record_import",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # receiving, checking, checked, importing, stopped; ended: faulty, done, cancelled, expired
    Column("state", Text, nullable=False),
    # check or import: what is to come of it.
    Column("goal", Text, nullable=False),
    # csv, xlsx or jsonl
    Column("format", Text, nullable=False),
    # What becomes of records that are there already: refuse, skip or update.
    Column("on_conflict", Text, nullable=False),
    # Who asked, with which rights, and how the file is to be read: sealed under the import's key,
    # null when that is destroyed.
    Column("terms", LargeBinary),
    Column("parts", Integer, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    # Rows with a record; known when the file has been checked.
    Column("total", BigInteger),
    # The number of the last row of the file that is done with.
    Column("position", BigInteger, nullable=False, server_default=text("0")),
    Column("created", BigInteger, nullable=False, server_default=text("0")),
    Column("updated", BigInteger, nullable=False, server_default=text("0")),
    Column("skipped", BigInteger, nullable=False, server_default=text("0")),
    Column("faults", BigInteger, nullable=False, server_default=text("0")),
    # Why it stopped or failed, one sentence without values.
    Column("reason", Text),
    # Who works on it: only whoever holds the newest claim can write down progress.
    Column("claim", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # Which wait, and since when? Which were the newest?
    Index(None, "state", "changed_at"),
    Index(None, "created_at"),
)

record_import_part = Table(
    "record_import_part",
    metadata,
    Column("import_id", Text, ForeignKey("record_import.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

record_import_fault = Table(
    "record_import_fault",
    metadata,
    Column("import_id", Text, ForeignKey("record_import.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Of the file; 0 for the file as a whole.
    Column("line", BigInteger, nullable=False),
    Column("field", Text, nullable=False),
    # Never with what stands in the file.
    Column("detail", Text, nullable=False),
)

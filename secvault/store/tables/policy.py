"""The policies that were published, each whole, in the order in which they came into force."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

policy_version = Table(
    "policy_version",
    metadata,
    # Without gaps from 1 on; the highest is in force. Rows are added and never changed.
    Column("number", Integer, primary_key=True, autoincrement=False),
    # SHA-256 in hexadecimal of the body.
    Column("digest", Text, nullable=False),
    # Canonical JSON: names of files to their texts; see `access.bundle`.
    Column("body", LargeBinary, nullable=False),
    # The epoch of the policy that the publication raised.
    Column("epoch", BigInteger, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    # The subject who applied it.
    Column("published_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    # What an approval of it was bound to: the digest of the proposal, as in approval_request and
    # in the audit entry. None for the first, which came with the program.
    Column("proposal", Text),
    CheckConstraint("number > 0", name="numbered"),
)

"""The recovery kit: the sets of shares that were made, the kits, and where they were written."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, LargeBinary, Text

recovery_shares = Table(
    "recovery_shares",
    metadata,
    Column("id", Text, primary_key=True),
    # Of SLIP-39: 15 random bits, which each share begins with.
    Column("identifier", BigInteger, nullable=False),
    Column("threshold", BigInteger, nullable=False),
    Column("shares", BigInteger, nullable=False),
    # JSON: what each share can be known by without telling anything of it.
    Column("checks", Text, nullable=False),
    # What the shares give, so that kits are issued anew without them; gone when others are made.
    Column("sealed_secret", LargeBinary),
    Column("root_generation", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
)

recovery_kit = Table(
    "recovery_kit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("shares_id", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("issued_by", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # JSON: each part that the kit is about, and a digest of it; tells what changed since.
    Column("parts", Text, nullable=False),
    # The file, and what of it lies beside the repositories; of the newest kit only.
    Column("document", LargeBinary),
    Column("outside", LargeBinary),
    # When somebody last took the file or its pages out, and who.
    Column("taken_at", BigInteger),
    Column("taken_by", Text),
    # The newest kit.
    Index(None, "issued_at"),
)

recovery_place = Table(
    "recovery_place",
    metadata,
    Column("place", Text, primary_key=True),
    # The kit that was last written there, and when; none while that never succeeded.
    Column("kit", Text),
    Column("written_at", BigInteger),
    # The code of what kept the newest kit from being written there.
    Column("fault", Text),
)

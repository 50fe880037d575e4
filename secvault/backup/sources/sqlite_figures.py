"""Rows, sums and the digest of one table of an SQLite database."""

from __future__ import annotations

import hashlib
import re
import sqlite3

from secvault.backup.sources.figures import DIGEST_HEX, TableFigures

# Columns that are declared to hold texts or bytes are not summed; others may hold anything.
_NO_NUMBER = re.compile(r"CHAR|CLOB|TEXT|BLOB", re.IGNORECASE)
_SHIFT = 256 - 4 * DIGEST_HEX


def look(
    connection: sqlite3.Connection, table: str, into: TableFigures, *, with_sums: bool
) -> None:
    """Add the table's figures. Raises sqlite3.Error."""
    quoted = '"' + table.replace('"', '""') + '"'
    if not with_sums:
        found = connection.execute(f"SELECT count(*) FROM {quoted}")  # noqa: S608 - quoted
        into.rows[table] = int(found.fetchone()[0])
        return
    # Hidden columns are computed from others.
    columns = [
        (str(name), str(declared))
        for _, name, declared, *_ in connection.execute(f"PRAGMA table_info({quoted})")
    ]
    numbers = [n for n, (_, declared) in enumerate(columns) if not _NO_NUMBER.search(declared)]
    whole, broken = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0.0)
    count = digest = 0
    cursor = connection.cursor()
    # Texts as their bytes: what is no UTF-8 is content, too.
    connection.text_factory = _Text
    try:
        for row in cursor.execute(f"SELECT * FROM {quoted}"):  # noqa: S608 - quoted
            count += 1
            share = hashlib.sha256(repr(row).encode()).digest()
            digest += int.from_bytes(share) >> _SHIFT
            for n in numbers:
                value = row[n]
                if isinstance(value, int):
                    whole[n] += value
                elif isinstance(value, float):
                    broken[n] += value
    finally:
        connection.text_factory = str
    into.rows[table] = count
    into.digests[table] = str(digest)
    into.sums[table] = {
        columns[n][0]: str(whole[n] + broken[n] if broken[n] else whole[n]) for n in numbers
    }


class _Text(bytes):
    """The bytes of a text; written otherwise than those of a blob."""

    def __repr__(self) -> str:
        return f"t{super().__repr__()}"

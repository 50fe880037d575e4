"""What is recorded of tables when they are saved: rows, sums of columns, a digest of the content.

A digest is a number to which each row adds its share, in whatever order rows come: the first 60
bits of the SHA-256 of the row. It tells a row that was changed, lost, doubled or added from none;
it is no protection from forgers, who could write the manifest that it stands in as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.crypto.canonical import JsonValue

TABLES, SUMS, DIGESTS = "tables", "sums", "digests"
"""Under which each stands in the facts of a database; in the last two, table by table."""
DIGEST_HEX = 15
"""Hexadecimal digits of a row's SHA-256 that are its share of the digest."""


@dataclass
class TableFigures:
    """Of the tables of one database, by their names as the source writes them.

    rows: how many. sums: of each column that holds numbers, in decimal, by the column's name;
    empty columns sum up to 0. digests: of the whole rows, in decimal. Sums are values of their
    database: they are kept beside it, in the manifest, and shown to nobody.
    """

    rows: dict[str, int] = field(default_factory=dict)
    sums: dict[str, dict[str, str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, JsonValue]:
        """As they stand in the facts of a database."""
        facts: dict[str, JsonValue] = {TABLES: dict[str, JsonValue](self.rows)}
        if self.digests or self.sums:
            facts[SUMS] = {
                table: dict[str, JsonValue](columns)
                for table, columns in self.sums.items()
                if columns
            }
            facts[DIGESTS] = dict[str, JsonValue](self.digests)
        return facts


def between(before: TableFigures, after: TableFigures) -> dict[str, JsonValue]:
    """The facts of tables that were looked at before and after they were saved.

    What was the same is one number, and what changed meanwhile the one and the other; a digest
    that changed tells nothing, and is left out.
    """
    facts: dict[str, JsonValue] = {
        TABLES: {
            table: _both(rows, after.rows[table])
            for table, rows in before.rows.items()
            if table in after.rows
        }
    }
    if before.digests or before.sums:
        facts[SUMS] = {
            table: {
                name: _both(total, _of(after.sums, table)[name])
                for name, total in columns.items()
                if name in _of(after.sums, table)
            }
            for table, columns in before.sums.items()
            if columns and table in after.sums
        }
        facts[DIGESTS] = {
            table: digest
            for table, digest in before.digests.items()
            if after.digests.get(table) == digest
            and before.rows.get(table) == after.rows.get(table)
        }
    return facts


def _both(one: int | str, other: int | str) -> JsonValue:
    if one == other:
        return one
    if isinstance(one, int) and isinstance(other, int):
        return [min(one, other), max(one, other)]
    return [one, other]


def _of(sums: Mapping[str, dict[str, str]], table: str) -> dict[str, str]:
    return sums.get(table, {})

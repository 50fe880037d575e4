"""Rows, sums and digests of a PostgreSQL database, in the moment that the session sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secvault.backup.sources.figures import DIGEST_HEX, TableFigures
from secvault.backup.sources.postgresql_server import own_tables

if TYPE_CHECKING:
    from psycopg import Connection

# How rows are written as text must not depend on the server, its settings or the user's.
_AS_TEXT = {
    "search_path": "pg_catalog",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
}
_SET = "SELECT pg_catalog.set_config(%s, %s, true)"
# The type under a domain; a domain over a domain counts as no number.
_COLUMNS = """
SELECT a.attrelid::bigint, a.attname,
    (CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END)::bigint
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped"""
_EXACT = frozenset({20, 21, 23, 1700})
_FLOATING = frozenset({700, 701})
# Before 12, floating numbers were written otherwise.
_OLDEST_DIGESTED = 120000
# A select list has at most 1664 entries.
_MOST_SUMS = 1600


def look(connection: Connection[Any], only: frozenset[int] | None) -> TableFigures:
    """The figures of each table, by `schema.table` as SQL writes it, in the session's transaction.

    The settings of how values are written stay changed to the end of the transaction. only: object
    identifiers of the tables to look at; None: all. Rows that policies hide from the
    session's user raise what psycopg raises.
    """
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - not loaded without such a source

    for name, value in _AS_TEXT.items():
        connection.execute(_SET, [name, value])
    tables = [
        (oid, schema, name, written)
        for oid, schema, name, written in own_tables(connection)
        if only is None or oid in only
    ]
    columns = _columns(connection, [oid for oid, *_ in tables])
    figures = TableFigures()
    for oid, schema, name, written in tables:
        there = columns.get(oid, [])
        numbers = [one for one in there if one[1] in _EXACT | _FLOATING][:_MOST_SUMS]
        asked = [SQL("count(*)"), _digest(connection, [column for column, _ in there])]
        asked += [_sum(column, kind) for column, kind in numbers]
        question = SQL("SELECT {} FROM ONLY {}").format(
            SQL(", ").join(asked), Identifier(schema, name)
        )
        rows, digest, *sums = connection.execute(question).fetchone() or (0, None)
        figures.rows[written] = int(rows)
        figures.sums[written] = {
            column: str(total) for (column, _), total in zip(numbers, sums, strict=True)
        }
        if digest is not None:
            figures.digests[written] = str(digest)
    return figures


def _columns(connection: Any, oids: list[int]) -> dict[int, list[tuple[str, int]]]:
    """Of each table its columns with their types, in the order of the names: that of the table is
    another after a load where tables inherit."""
    found: dict[int, list[tuple[str, int]]] = {}
    for oid, name, kind in connection.execute(_COLUMNS, [oids]).fetchall():
        found.setdefault(int(oid), []).append((str(name), int(kind)))
    return {oid: sorted(columns) for oid, columns in found.items()}


def _digest(connection: Any, columns: list[str]) -> Any:
    from psycopg.sql import SQL, Identifier, Literal  # noqa: PLC0415

    if connection.info.server_version < _OLDEST_DIGESTED:
        return SQL("NULL")
    row = SQL("ROW({})").format(SQL(", ").join(map(Identifier, columns)))
    # Without a change of the encoding, which a database with none of its own would refuse.
    digest = SQL("encode(sha256(convert_to({}::text, getdatabaseencoding())), 'hex')").format(row)
    return SQL("coalesce(sum(('x' || left({}, {}))::bit({})::bigint), 0)::text").format(
        digest, Literal(DIGEST_HEX), SQL(str(DIGEST_HEX * 4))
    )


def _sum(column: str, kind: int) -> Any:
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415

    name = Identifier(column)
    if kind in _EXACT:
        return SQL("coalesce(sum({}::numeric), 0)::text").format(name)
    # As decimals the order of the rows does not matter; what is no finite number is in the digest.
    finite = SQL("{0} > '-Infinity' AND {0} < 'Infinity'").format(name)
    return SQL("coalesce(sum(CASE WHEN {} THEN {}::numeric END), 0)::text").format(finite, name)

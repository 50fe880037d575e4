"""Rows, sums and digests of tables of a MariaDB or MySQL database, as of one moment."""

from __future__ import annotations

from collections.abc import Sequence

from secvault.backup.sources.figures import DIGEST_HEX, TableFigures
from secvault.backup.sources.mariadb_client import ONE_MOMENT, MariadbClient, literal, quoted

_COLUMNS = """
SELECT JSON_ARRAY(table_name, column_name, data_type) FROM information_schema.columns
WHERE CAST(table_schema AS BINARY) = {name}
AND COALESCE(generation_expression, '') NOT IN ('ROW START', 'ROW END')"""
# How values are written as text must not depend on the server's settings.
_AS_TEXT = "SET SESSION sql_mode = '', time_zone = '+00:00'"
# Not FLOAT, which dumps write with six digits.
_SUMMED = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double"})
# Each hashed by itself: together they may be more than the server lets a text be.
_LARGE = frozenset(
    {"tinytext", "text", "mediumtext", "longtext", "json"}
    | {"tinyblob", "blob", "mediumblob", "longblob"}
)
_SHAPES = frozenset(
    {"geometry", "point", "linestring", "polygon", "geometrycollection", "geomcollection"}
    | {"multipoint", "multilinestring", "multipolygon"}
)
_Columns = list[tuple[str, str]]


def look(
    client: MariadbClient, database: str, tables: Sequence[str], *, with_sums: bool
) -> TableFigures:
    """The figures of tables as of one moment, of those that are still there. Raises as
    `MariadbClient.ask`."""
    if not tables:
        return TableFigures()
    if not with_sums:
        return TableFigures(rows=client.rows(database, tables))
    columns: dict[str, _Columns] = {}
    for table, column, kind in client.ask(_COLUMNS.format(name=literal(database))):
        columns.setdefault(str(table), []).append((str(column), str(kind).lower()))
    there = {table: sorted(columns.get(table, [])) for table in tables}
    questions = (
        f"SELECT JSON_ARRAY({', '.join([str(number), *_asked(there[table])])}) "  # noqa: S608 - quoted
        f"FROM {quoted(database)}.{quoted(table)}"
        for number, table in enumerate(tables)
    )
    figures = TableFigures()
    for number, rows, digest, *sums in client.ask(
        _AS_TEXT, ONE_MOMENT, *questions, "COMMIT", some_may_fail=True
    ):
        table = tables[int(number or 0)]
        figures.rows[table] = int(rows or 0)
        figures.digests[table] = str(digest or 0)
        figures.sums[table] = {
            column: str(total or 0)
            for column, total in zip(_summed(there[table]), sums, strict=True)
        }
    if left := [table for table in tables if table not in figures.rows]:
        # A kind of column that this server cannot hash, or a table that is gone.
        figures.rows |= client.rows(database, left)
    return figures


def _asked(columns: _Columns) -> list[str]:
    row = ", ".join(_as_text(quoted(column), kind) for column, kind in columns)
    share = f"CONV(LEFT(SHA2(CONCAT_WS(',', '', {row}), 256), {DIGEST_HEX}), 16, 10)"
    return [
        "COUNT(*)",
        f"CAST(SUM(CAST({share} AS UNSIGNED)) AS CHAR)",
        *(f"CAST(SUM({quoted(column)}) AS CHAR)" for column in _summed(columns)),
    ]


def _summed(columns: _Columns) -> list[str]:
    return [column for column, kind in columns if kind in _SUMMED]


def _as_text(column: str, kind: str) -> str:
    """A column without its character set, so that several can be put together."""
    if kind in _LARGE:
        return f"IFNULL(SHA2({column}, 256), '-')"
    if kind in _SHAPES:
        return f"IFNULL(SHA2(ST_AsBinary({column}), 256), '-')"
    return f"IFNULL(HEX(CAST({column} AS BINARY)), '-')"

"""Many rows with one statement, where SQLAlchemy would take more time than the database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table

from secvault.store.straight import copied_in, straight
from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

_MOST_VALUES = 4000
"""Of one statement on SQLite, which takes 32,766; more of them at once is not faster."""

_COPIED = 16
"""From so many rows on, COPY is faster on PostgreSQL than a statement with arrays."""

_ARRAYS: dict[type, str] = {
    Text: "text[]",
    LargeBinary: "bytea[]",
    Integer: "integer[]",
    BigInteger: "bigint[]",
    Boolean: "boolean[]",
}


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[object]]
) -> None:
    """Insert rows, each with its values in the order of `columns`.

    Values must be such as fit: exact str, bytes, int, bool or None. Raises what SQLAlchemy raises
    when a row is there already.
    """
    if len(rows) >= _COPIED and connection.dialect.name == "postgresql":
        copied_in(connection, f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", rows)
    else:
        _insert(connection, table, columns, rows, "")


def insert_rows_unless_there(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[object]],
    told: str,
) -> set[Any]:
    """As `insert_rows`; a row with the same key as one that is there is left out.

    Waits for other transactions that insert or delete such a row. Returns what the column `told`
    holds in the rows that were inserted.
    """
    ending = f" ON CONFLICT DO NOTHING RETURNING {told}"
    return {value for (value,) in _insert(connection, table, columns, rows, ending)}


def _insert(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[object]],
    ending: str,
) -> list[tuple[Any, ...]]:
    if not rows:
        return []
    if connection.dialect.name == "postgresql":
        values = [list(column) for column in zip(*rows, strict=True)]
        return straight(connection, _of_arrays(table, columns) + ending, values)
    answers = []
    size = max(1, _MOST_VALUES // len(columns))
    for at in range(0, len(rows), size):
        some = rows[at : at + size]
        statement = _of_rows(table, columns, len(some)) + ending
        answers += straight(connection, statement, [value for row in some for value in row])
    return answers


@lru_cache(maxsize=64)
def _of_arrays(table: Table, columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"?::{_ARRAYS[type(table.c[name].type)]}" for name in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608


@lru_cache(maxsize=64)
def _of_rows(table: Table, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608

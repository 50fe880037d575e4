"""Statements straight to the driver, for the paths where SQLAlchemy takes most of the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVarTuple

from sqlalchemy import Connection, Select
from sqlalchemy.exc import DBAPIError

from secvault.store.engine import AS_BINARY
from secvault.store.faults import unfit

Columns = TypeVarTuple("Columns")


def straight(
    connection: Connection, statement: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Run one statement in the connection's transaction; its rows, if it gives any.

    statement: with `?` for each value, on both engines. values: such as fit their columns. Raises
    what SQLAlchemy raises for the same fault of the database, so that the store names it alike.
    """
    native = statement if connection.dialect.name == "sqlite" else statement.replace("?", "%s")
    with _cursor(connection, statement) as cursor:
        cursor.execute(native, values)
        return list(cursor.fetchall()) if cursor.description else []


def fetched(connection: Connection, statement: Select[*Columns]) -> list[tuple[*Columns]]:
    """The rows of a statement as the driver gives them, which takes a quarter of the time: for
    columns whose type is the database's own.
    """
    result = connection.execute(statement, execution_options={AS_BINARY: True})
    with closing(result), _named(connection, str(statement)):
        return list(result.cursor.fetchall())


def copied_in(connection: Connection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Send rows by a `COPY ... FROM STDIN` of PostgreSQL, as `straight` runs a statement."""
    with _cursor(connection, statement) as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _cursor(connection: Connection, statement: str) -> Iterator[Any]:
    is_binary = {"binary": True} if connection.dialect.name == "postgresql" else {}
    with (
        closing(connection.connection.cursor(**is_binary)) as cursor,
        _named(connection, statement),
    ):
        yield cursor


@contextmanager
def _named(connection: Connection, statement: str) -> Iterator[None]:
    dialect = connection.dialect
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            statement, None, error, dialect.loaded_dbapi.Error, hide_parameters=True
        ) from error
    except (OverflowError, UnicodeEncodeError):
        raise unfit() from None

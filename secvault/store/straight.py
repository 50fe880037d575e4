"""Statements straight to the driver, for the one path where SQLAlchemy takes most of the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from secvault.store.engine import unfit


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


def copied_in(connection: Connection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Send rows by a `COPY ... FROM STDIN` of PostgreSQL, as `straight` runs a statement."""
    with _cursor(connection, statement) as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _cursor(connection: Connection, statement: str) -> Iterator[Any]:
    dialect = connection.dialect
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            statement, None, error, dialect.loaded_dbapi.Error, hide_parameters=True
        ) from error
    except (OverflowError, UnicodeEncodeError):
        raise unfit() from None
    finally:
        cursor.close()

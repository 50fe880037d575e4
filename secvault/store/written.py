"""Column types that give back only what could have been written.

SQLite keeps any type of value in any column, so one changed bit in its file can turn bytes into
text or a number. These types name that as damage before anything works with the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from secvault.errors import Damaged

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

T = TypeVar("T")


class _Written(TypeDecorator[T]):
    """Gives back `expected` or NULL. Raises Damaged for a value of another type."""

    expected: ClassVar[type]

    def result_processor(
        self,
        dialect: Dialect,  # noqa: ARG002 - the same on both
        coltype: object,  # noqa: ARG002
    ) -> Callable[[Any], Any]:
        """Takes the place of the implementation's own."""
        expected = self.expected

        def process(value: object) -> object:
            if type(value) is expected or value is None:
                return value
            if expected is bool and type(value) is int and value in (0, 1):
                return value == 1
            raise Damaged(
                "the database is damaged: a value has not the type that was written; restore it "
                "from a backup"
            )

        return process


class LargeBinary(_Written[bytes]):
    """BLOB on SQLite, BYTEA on PostgreSQL."""

    impl = sa.LargeBinary
    cache_ok = True
    expected = bytes


class Text(_Written[str]):
    """TEXT, in the order of its UTF-8 bytes on both engines, whatever the database's locale."""

    impl = sa.Text
    cache_ok = True
    expected = str

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite's own order is already that of the bytes."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(sa.Text(collation=collation))


class Integer(_Written[int]):
    """INTEGER: 64 bits on SQLite, 32 on PostgreSQL."""

    impl = sa.Integer
    cache_ok = True
    expected = int


class BigInteger(_Written[int]):
    """BIGINT: 64 bits on both engines."""

    impl = sa.BigInteger
    cache_ok = True
    expected = int


class Boolean(_Written[bool]):
    """BOOLEAN, on SQLite 0 and 1."""

    impl = sa.Boolean
    cache_ok = True
    expected = bool


def type_differs(
    context: MigrationContext,
    found_column: object,  # noqa: ARG001 - the five that Alembic's compare_type hands over
    our_column: object,  # noqa: ARG001
    found: TypeEngine[Any],
    ours: TypeEngine[Any],
) -> bool | None:
    """Whether a column of the database has another type than ours; None leaves it to Alembic.

    Alembic does not see the collation that `Text` takes on PostgreSQL.
    """
    if not isinstance(ours, Text):
        return None
    wanted = ours.load_dialect_impl(context.dialect)
    return not isinstance(found, sa.Text) or found.collation != getattr(wanted, "collation", None)

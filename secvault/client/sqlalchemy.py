"""Columns for SQLAlchemy 2 that are encrypted on their way to the database.

    vault = Client()

    class Employee(Base):
        __tablename__ = "employees"
        id: Mapped[int] = mapped_column(primary_key=True)
        tax_number: Mapped[str] = mapped_column(EncryptedString(vault, "payroll"))
        tax_number_index: Mapped[str] = mapped_column(BlindIndex(vault, "lookup"), index=True)

The column holds text of about 70 characters and 4/3 of the value's bytes. Values are opened as rows
are fetched, one request each; `opened_in_bulk` and `sealed_in_bulk` make that one request for many.
Requests block: with an asynchronous engine they hold up the event loop, so use the bulk helpers in
`run_sync`. Needs SQLAlchemy: `pip install secvault[client-sqlalchemy]`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, NoReturn, Self, TypeAlias, TypeVar

from sqlalchemy import Column, Connection, Dialect, Select, String, Table, Text, event, type_coerce
from sqlalchemy.exc import ArgumentError, DontWrapMixin
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from secvault.client.client import Client
from secvault.client.column import Sealing, opened_ahead, sealed_ahead
from secvault.client.errors import ClientError, Unexpected, WrongUse
from secvault.client.paths import to_bytes
from secvault.client.transit import MOUNT, text_of

T = TypeVar("T")

ClientSource: TypeAlias = "Client | Callable[[], Client]"
"""A client, or a function that gives it, for models that are declared before it can be made."""

_LONGEST_HMAC = 120
_IS = frozenset({operators.is_, operators.is_not, operators.eq, operators.ne})
_LOOKUPS = frozenset({operators.eq, operators.ne, operators.in_op, operators.not_in_op})


class _Refusing(TypeEngine.Comparator[Any]):
    """A comparator that lets through what the column can answer."""

    allowed: frozenset[Any] = frozenset()
    mend = ""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op in self.allowed or (op in _IS and other and other[0] is None):
            return super().operate(op, *other, **kwargs)
        raise ArgumentError(f"{self.expr}: {op.__name__} cannot be answered: {self.mend}")

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        raise ArgumentError(f"{self.expr}: {op.__name__} cannot be answered: {self.mend}")


class _OfEncrypted(_Refusing):
    mend = "an encrypted column is compared with None only; look up by a BlindIndex beside it"


class _OfIndex(_Refusing):
    allowed = _LOOKUPS
    mend = "a blind index finds equal values only (==, !=, in_)"


class _Placed(TypeDecorator[T], Generic[T]):
    """A type that belongs to one column, whose table and name it is bound to.

    place: instead of `<table>.<column>`, if the column was renamed after data was written.
    """

    cache_ok = True

    def __init__(
        self, client: ClientSource, key: str, *, mount: str = MOUNT, place: str | None = None
    ) -> None:
        super().__init__()
        self.client = client
        self.key = key
        self.mount = mount
        self.place = place
        self._stated = place is not None
        self._column: Column[Any] | None = None

    def copy(self, **kwargs: Any) -> Self:
        """A copy: for a dialect with this place, or for another column, which gives it its own."""
        made: Self = super().copy(**kwargs)
        made._column = None
        return made

    def sealing(self) -> Sealing:
        """How the column is encrypted. Raises WrongUse for a type without a column."""
        if self.place is None:
            raise WrongUse(f"{type(self).__name__}: belongs to no column yet, and names no place")
        client = self.client() if callable(self.client) else self.client
        return Sealing(client, self.key, self.mount, self.place)

    def belong(self, table: Table, column: Column[Any]) -> None:
        """Be bound to this column. Raises WrongUse when bound to another already."""
        place = f"{table.name}.{column.name}"
        if self._column is not None and self._column is not column:
            raise WrongUse(f"{place} shares its type with {self.place}: make one for each")
        self._column = column
        if not self._stated:
            self.place = place


@event.listens_for(_Placed, "after_parent_attach", propagate=True)
def _attached(kind: _Placed[Any], column: Column[Any]) -> None:
    table: Table | None = getattr(column, "table", None)
    if table is not None:
        kind.belong(table, column)
        return

    def in_table(of: Column[Any], parent: Table) -> None:
        kind.belong(parent, of)

    event.listen(column, "after_parent_attach", in_table)


@functools.cache
def _passing(kind: type[ClientError]) -> type[ClientError]:
    """The same error as one that SQLAlchemy lets through; it is pickled as what it was."""

    def reduce(error: ClientError) -> tuple[Any, ...]:
        return kind, error.args

    return type(
        kind.__name__, (kind, DontWrapMixin), {"__module__": kind.__module__, "__reduce__": reduce}
    )


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Let an error out as it is: SQLAlchemy's own would show the statement's values in clear."""
    try:
        yield
    except ClientError as error:
        error.__class__ = _passing(type(error))  # type: ignore[arg-type]  # a class is hashable
        raise
    except Exception as error:
        raise _passing(Unexpected)(f"{type(error).__name__} in an encrypted column") from error


class EncryptedBytes(_Placed[bytes]):
    """Bytes, encrypted by the transit engine. None stays NULL."""

    impl = Text
    comparator_factory = _OfEncrypted
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The ciphertext."""
        if value is None:
            return None
        with _as_it_is():
            return self.sealing().seal(to_bytes(value, "the value"))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """The value."""
        if value is None:
            return None
        with _as_it_is():
            return self.sealing().open(value)


class EncryptedString(_Placed[str]):
    """Text, encrypted by the transit engine as its UTF-8 bytes. None stays NULL."""

    impl = Text
    comparator_factory = _OfEncrypted
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The ciphertext."""
        if value is None:
            return None
        with _as_it_is():
            return self.sealing().seal(to_bytes(value, "the value"))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The value."""
        if value is None:
            return None
        with _as_it_is():
            return text_of(self.sealing().open(value))


class BlindIndex(_Placed[str]):
    """The HMAC of a value, by which rows with an equal value are found: `index == "0312345678"`.

    Write the value itself to it; what is read back is the HMAC. Whoever sees the column sees which
    rows are equal, and no more; of few possible values even that tells much. key_version: stays
    the same for ever, or what was written before is no longer found. normalise: what makes values
    count as equal, such as str.casefold.
    """

    impl = String(_LONGEST_HMAC)
    comparator_factory = _OfIndex
    cache_ok = True

    def __init__(
        self,
        client: ClientSource,
        key: str,
        *,
        mount: str = MOUNT,
        place: str | None = None,
        key_version: int = 1,
        normalise: Callable[[str], str] = str,
    ) -> None:
        super().__init__(client, key, mount=mount, place=place)
        self.key_version = key_version
        self.normalise = normalise

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The HMAC."""
        if value is None:
            return None
        with _as_it_is():
            return self.sealing().seal(self.normalised(value))

    def sealing(self) -> Sealing:
        """How the column is indexed. Raises WrongUse for a type without a column."""
        return replace(super().sealing(), index_version=self.key_version)

    def normalised(self, value: str | bytes) -> bytes:
        """The bytes that stand for all values that count as equal. Raises WrongUse."""
        if not isinstance(value, str):
            raise WrongUse(f"a blind index is of str, not {type(value).__name__}")
        return to_bytes(self.normalise(value), "the value")


Encrypted: TypeAlias = "InstrumentedAttribute[Any] | Column[Any]"


@contextmanager
def opened_in_bulk(source: Session | Connection, statement: Select[Any]) -> Iterator[None]:
    """Inside, the rows of this statement are opened with a request for each encrypted column.

    The ciphertexts are selected beforehand, by the same statement, and opened in batches; then run
    the statement as ever:

        with opened_in_bulk(session, everyone):
            employees = session.scalars(everyone).all()

    A row that changed in between is opened on its own. The plaintexts are held to the block's end.
    """
    encrypted = [
        column
        for column in statement.selected_columns
        if isinstance(column.type, EncryptedString | EncryptedBytes)
    ]
    if not encrypted:
        yield
        return
    raw = statement.with_only_columns(
        *(type_coerce(column, Text) for column in encrypted), maintain_column_froms=True
    )
    rows: Sequence[Sequence[str | None]] = source.execute(raw).all()
    found = [
        (_sealing(column), [each for row in rows if (each := row[place]) is not None])
        for place, column in enumerate(encrypted)
    ]
    with opened_ahead(found):
        yield


@contextmanager
def sealed_in_bulk(values: Mapping[Encrypted, Iterable[str | bytes | None]]) -> Iterator[None]:
    """Inside, these values are written to their columns with a request for each column.

    numbers = [employee.tax_number for employee in employees]
    with sealed_in_bulk({Employee.tax_number: numbers, Employee.tax_number_index: numbers}):
        session.add_all(employees)
        session.flush()
    """
    with sealed_ahead(_ahead(column, given) for column, given in values.items()):
        yield


def _ahead(column: Any, values: Iterable[str | bytes | None]) -> tuple[Sealing, list[bytes]]:
    kind = column.type
    present = [each for each in values if each is not None]
    if isinstance(kind, BlindIndex):
        return kind.sealing(), [kind.normalised(each) for each in present]
    return _sealing(column), [to_bytes(each, "a value") for each in present]


def _sealing(column: Any) -> Sealing:
    kind = column.type
    if not isinstance(kind, EncryptedString | EncryptedBytes):
        raise WrongUse(f"{column} is not an encrypted column")
    return kind.sealing()

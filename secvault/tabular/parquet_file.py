"""Parquet by pyarrow, an extra (`secvault[parquet]`): typed columns that pandas and DuckDB read.

Decimals are decimal128, moments are microseconds in UTC. Values are as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from secvault.errors import ConfigurationError, InvalidInput
from secvault.tabular.column import Cell, Column, Kind
from secvault.tabular.outflow import Outflow
from secvault.tabular.writer import Rows, Style

GROUP_ROWS = 20_000
"""Rows that are written together, which is what the file can be read by."""

_WHOLE_DIGITS = 18


class ParquetFile:
    """One Parquet file. arrow: the library, loaded when the first file is written."""

    def __init__(self, columns: Sequence[Column], arrow: Any, parquet: Any) -> None:
        self._arrow = arrow
        self._columns = tuple(columns)
        self._schema = arrow.schema([_field(arrow, column) for column in columns])
        self._out = Outflow()
        self._written = parquet.ParquetWriter(self._out, self._schema, compression="zstd")
        self._waiting: list[Sequence[Cell]] = []

    def add(self, rows: Rows) -> bytes:
        """Keep the rows until there are enough for a group."""
        self._waiting += rows
        while len(self._waiting) >= GROUP_ROWS:
            group, self._waiting = self._waiting[:GROUP_ROWS], self._waiting[GROUP_ROWS:]
            self._write(group)
        return self._out.take()

    def end(self) -> Iterator[bytes]:
        """The last group, and the footer."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = []
        self._written.close()
        yield self._out.take()

    def _write(self, rows: Rows) -> None:
        arrays = [
            self._array(column, [row[at] for row in rows], self._schema.field(at).type)
            for at, column in enumerate(self._columns)
        ]
        self._written.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def _array(self, column: Column, cells: list[Cell], type_: Any) -> Any:
        try:
            return self._arrow.array(cells, type=type_)
        except (self._arrow.ArrowInvalid, self._arrow.ArrowTypeError):
            # Not chained: the library's own words hold the value.
            raise InvalidInput.at(
                column.name,
                "holds a value that does not fit the column (a number with more digits than the "
                "schema allows now); export it as jsonl",
            ) from None


def open_file(columns: Sequence[Column], style: Style) -> ParquetFile:
    """An empty file. Raises ConfigurationError when pyarrow is not installed."""
    del style
    try:
        import pyarrow  # noqa: PLC0415 - an extra, and loading it takes a quarter of a second
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed here: install secvault[parquet] "
            "(requirements/parquet.txt), or choose csv, xlsx or jsonl"
        ) from error
    return ParquetFile(columns, pyarrow, parquet)


def _field(arrow: Any, column: Column) -> Any:
    types = {
        Kind.TEXT: arrow.string(),
        Kind.INTEGER: arrow.int64(),
        Kind.BOOLEAN: arrow.bool_(),
        Kind.DATE: arrow.date32(),
        Kind.DATETIME: arrow.timestamp("us", tz="UTC"),
        Kind.DECIMAL: arrow.decimal128(_WHOLE_DIGITS + column.scale, column.scale),
    }
    return arrow.field(column.name, types[column.kind], metadata={"title": column.title})

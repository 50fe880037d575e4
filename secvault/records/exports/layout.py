"""How records are laid out as rows, as far as somebody may see them.

A field that is shown in clear has its columns; a field that is shown masked has a column of its
own, `<field>_masked`, so that nobody takes a mask for a value. A field that is clear in some
records and masked in others has both. A field that is shown in none has no column.
"""

from __future__ import annotations

from collections.abc import Collection as Set
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secvault.clock import moment
from secvault.crypto.canonical import JsonValue
from secvault.records.collection import Collection
from secvault.records.exports.column import (
    cells_of,
    columns_of,
    distinct,
    text_column,
    titled,
)
from secvault.tabular.column import Cell, Column, Kind

MASKED = "_masked"

_OWN: Mapping[str, tuple[Kind, Mapping[str, str]]] = {
    "id": (Kind.TEXT, {"en": "Id", "vi": "Mã bản ghi"}),
    "version": (Kind.INTEGER, {"en": "Version", "vi": "Phiên bản"}),
    "created_at": (Kind.DATETIME, {"en": "Created (UTC)", "vi": "Tạo lúc (UTC)"}),
    "updated_at": (Kind.DATETIME, {"en": "Changed (UTC)", "vi": "Sửa lúc (UTC)"}),
}
_APPROVED: Mapping[str, tuple[Kind, Mapping[str, str]]] = {
    "approved_by": (Kind.TEXT, {"en": "Approved by", "vi": "Người phê duyệt"}),
    "approved_at": (Kind.DATETIME, {"en": "Approved (UTC)", "vi": "Phê duyệt lúc (UTC)"}),
}


@dataclass(frozen=True)
class Seen:
    """One record as somebody may see it. Times in micros."""

    id: str
    version: int
    fields: Mapping[str, JsonValue]
    masked: Mapping[str, str]
    created_at: int
    updated_at: int
    approved_by: str | None = None
    approved_at: int | None = None


@dataclass(frozen=True)
class Layout:
    """columns: of the file. own: how many of them are about the record itself. clear, masked: the
    fields that have columns, in the order of the columns, the masked ones last.
    """

    collection: Collection
    columns: tuple[Column, ...]
    clear: tuple[str, ...]
    masked: tuple[str, ...]

    def row(self, seen: Seen) -> Sequence[Cell]:
        """The cells of a record. Raises Damaged."""
        cells: list[Cell] = [
            seen.id,
            seen.version,
            moment(seen.created_at),
            moment(seen.updated_at),
        ]
        if self.collection.release is not None:
            at = seen.approved_at
            cells += [seen.approved_by, None if at is None else moment(at)]
        for name in self.clear:
            cells += cells_of(self.collection.fields[name], seen.fields.get(name))
        cells += [seen.masked.get(name) for name in self.masked]
        return cells


def layout_of(collection: Collection, clear: Set[str], masked: Set[str], language: str) -> Layout:
    """The layout for somebody who sees these fields in clear, and these masked, in some record."""
    own = {**_OWN, **_APPROVED} if collection.release is not None else _OWN
    columns = [Column(name, titled(title, language), kind) for name, (kind, title) in own.items()]
    in_clear = tuple(name for name in collection.fields if name in clear)
    in_masks = tuple(name for name in collection.fields if name in masked)
    for name in in_clear:
        columns += columns_of(collection.fields[name], language)
    columns += [text_column(collection.fields[name], language, MASKED) for name in in_masks]
    return Layout(collection, distinct(columns), in_clear, in_masks)

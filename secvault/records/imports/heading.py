"""Which column of a file goes to which field: by name or title, or as the mapping says."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from secvault.errors import FieldError, InvalidInput
from secvault.records.collection import Collection
from secvault.records.imports.row import Bad, Cell, Number
from secvault.records.imports.spec import ID, LEAVE_OUT, heading
from secvault.records.value import FieldType

_CURRENCY = ".currency"
_MOST_NAMED = 20
# Written by their own operations, not by values in a table.
_NOT_IMPORTED = frozenset({"attachment"})


@dataclass(frozen=True)
class Known:
    """A field that a column may go to. titles: in all languages."""

    name: str
    type: FieldType
    titles: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """Where the cells of a column go. field: empty to be left out. currency: of a money field.

    known: the field; None for the id, and where it is left out. headed: whether it has a heading.
    """

    field: str
    known: Known | None = None
    currency: bool = False
    headed: bool = True


class Headings:
    """Finds the column of each heading, for one collection and mapping."""

    def __init__(self, fields: Iterable[Known], mapping: Mapping[str, str]) -> None:
        """Raises InvalidInput at `mapping` when it names what is no field."""
        self._fields = {each.name: each for each in fields}
        self._titles: dict[str, list[Known]] = {}
        for each in self._fields.values():
            for title in {heading(one) for one in each.titles}:
                self._titles.setdefault(title, []).append(each)
        self._mapping = mapping
        for target in mapping.values():
            if target not in (LEAVE_OUT, ID):
                self._field(target, "mapping")

    def column(self, text: str, at: str) -> Column:
        """The column under this heading. at: names the column, for the error.

        Raises InvalidInput there. The heading is not repeated: in a file without headings it would
        be somebody's data.
        """
        name = heading(text)
        if name in self._mapping:
            target = self._mapping[name]
            return Column(target) if target in (LEAVE_OUT, ID) else self._field(target, at)
        if name == ID:
            return Column(ID)
        base = name.removesuffix(_CURRENCY)
        if base in self._fields:
            return self._field(name, at)
        titled = self._titles.get(name, [])
        if len(titled) > 1:
            names = " and ".join(each.name for each in titled)
            raise InvalidInput.at(at, f"its heading is the title of {names}; map it to one of them")
        if titled:
            return self._field(titled[0].name, at)
        raise InvalidInput.at(at, f"its heading is no field; {self._mend(name)}")

    def columns(self, cells: Sequence[Cell]) -> tuple[Column, ...]:
        """The columns of a table by its heading. Raises one InvalidInput with all at fault."""
        faults: list[FieldError] = []
        found: list[Column] = []
        seen: dict[tuple[str, bool], int] = {}
        for place, cell in enumerate(cells, 1):
            at = f"column {place}"
            text = _text(cell)
            try:
                column = self.column(text, at) if text else Column(LEAVE_OUT, headed=False)
            except InvalidInput as error:
                faults.extend(error.fields)
                continue
            found.append(column)
            if column.field == LEAVE_OUT:
                continue
            before = seen.setdefault((column.field, column.currency), place)
            if before != place:
                detail = f"goes to {column.field}, as column {before} does; leave one of them out"
                faults.append(FieldError(at, detail))
        unused = sum(name not in {heading(_text(cell)) for cell in cells} for name in self._mapping)
        if unused and not faults:
            detail = f"names {unused} columns that the file does not have"
            faults.append(FieldError("mapping", detail))
        if not faults and not any(column.known for column in found):
            faults.append(
                FieldError("heading", "no column goes to a field; is it in the first row?")
            )
        if faults:
            said = "; ".join(f"{each.field}: {each.detail}" for each in faults[:_MOST_NAMED])
            raise InvalidInput(said, fields=tuple(faults[:_MOST_NAMED]))
        return tuple(found)

    def _field(self, target: str, at: str) -> Column:
        currency = target.endswith(_CURRENCY)
        name = target.removesuffix(_CURRENCY)
        known = self._fields.get(name)
        if known is None:
            raise InvalidInput.at(at, f"goes to what is no field; {self._mend(name)}")
        if known.type in _NOT_IMPORTED:
            raise InvalidInput.at(at, f"{name} holds files, which are uploaded one by one")
        if currency and known.type is not FieldType.MONEY:
            raise InvalidInput.at(at, f"{name} is not money and has no currency")
        return Column(name, known, currency)

    def _mend(self, name: str) -> str:
        """What may have been meant, in the schema's words, never in the file's."""
        plain = _without_accents(name)
        titles = [title for field in self._fields.values() for title in field.titles]
        words = {_without_accents(each): each for each in (*self._fields, *titles)}
        close = difflib.get_close_matches(plain, words, 1)
        meant = f'did you mean "{words[close[0]]}"? Else ' if close else ""
        return f"{meant}map it to a field, or to nothing to leave it out"


def known_fields(collection: Collection) -> tuple[Known, ...]:
    """The fields of a collection that a file may fill. Raises InvalidInput where `id` is one."""
    if ID in collection.fields:
        raise InvalidInput.at(ID, f"{collection.name} has a field of this name; it takes no import")
    return tuple(
        Known(field.name, field.type, tuple(field.title.values()))
        for field in collection.fields.values()
        if not getattr(field, "retired", False)
    )


def _text(cell: Cell) -> str:
    if isinstance(cell, Number):
        return cell.digits
    if isinstance(cell, Bad) or cell is None:
        return ""
    return heading(cell) if isinstance(cell, str) else str(cell)


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFD", text.casefold()[:200].replace("đ", "d"))
    return "".join(each for each in apart if not unicodedata.combining(each))

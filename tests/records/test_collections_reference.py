"""docs/reference/collections.md says what the files may say, and what the shipped ones do say.

Run as a program, this writes the part about the shipped collections.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.config import shipped_policies
from secvault.records.collection import Collection, Field, Sensitivity
from secvault.records.collection_files import (
    _COLLECTION_KEYS,
    _FIELD_KEYS,
    _LIMIT_KEYS,
    load_departments,
)
from secvault.records.mask import Mask
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.schema_index import DAYS, INDEX_TYPES, Index
from secvault.records.schema_retention import OWN_TIMES, Retention
from secvault.records.value import FieldType

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "collections.md"
BEGIN, END = "<!-- shipped: ", "<!-- /shipped -->\n"


def shipped() -> str:
    """The part about the shipped collections."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for department in load_departments(shipped_policies() / "collections").values():
        yield f"### {department.title['en']} ({department.title['vi']})"
        for collection in department.collections.values():
            yield ""
            yield from _collection(collection)
        yield ""


def _collection(collection: Collection) -> Iterator[str]:
    facts = [
        f"version {collection.version}",
        *(f"about the employee in `{one}`" for one in (collection.person_field,) if one),
        *(f"subject `{one}`" for one in (collection.subject_field,) if one),
        *(f"team `{one}`" for one in (collection.team_field,) if one),
        *(["approved by a second person"] if collection.release else []),
        _kept(collection.retention),
    ]
    titles = f"{collection.title['en']} ({collection.title['vi']})"
    yield f"**`{collection.name}`** {titles}: {', '.join(facts)}."
    yield ""
    yield "| field | type | class | mask | found by | de-identified |"
    yield "|---|---|---|---|---|---|"
    for field in collection.fields.values():
        yield f"| {' | '.join(_cells(field))} |"


def _cells(field: Field) -> tuple[str, ...]:
    marks = "".join(
        mark
        for mark, here in ((" (required)", field.required), (" (retired)", field.retired))
        if here
    )
    return (
        f"`{field.name}`{marks}",
        field.type,
        field.sensitivity,
        field.mask or "",
        _found_by(field.index) if field.sensitive else "in clear",
        _shown(field.deidentified),
    )


def _kept(retention: Retention | None) -> str:
    if retention is None:
        return "kept without a stated end"
    parts = [(retention.years, "years"), (retention.months, "months")]
    period = " ".join(f"{count} {unit}" for count, unit in parts if count)
    return f"kept {period} from `{retention.from_field}`"


def _found_by(index: Index | None) -> str:
    if index is None:
        return ""
    parts = [
        f"exact {index.exact}" if index.exact else "",
        f"prefix {index.prefix.length}: {index.prefix.bits}" if index.prefix else "",
        f"last {index.last.length}: {index.last.bits}" if index.last else "",
        f"range {index.range.by}: {index.range.bits}" if index.range else "",
    ]
    return ", ".join(part for part in parts if part)


def _shown(how: Deidentify) -> str:
    return " ".join(part for part in (how.how, how.domain or how.step) if part)


def test_the_page_says_what_the_shipped_files_say() -> None:
    text = PAGE.read_text("utf-8")
    _, begin, rest = text.partition(BEGIN)
    assert begin
    written, end, _ = rest.partition("\n")[2].partition(END)
    assert end
    assert written == shipped(), "run: python -m tests.records.test_collections_reference"


def test_the_page_names_every_key_type_class_mask_and_way() -> None:
    text = PAGE.read_text("utf-8")
    named: set[str] = {*_FIELD_KEYS, *_COLLECTION_KEYS, *OWN_TIMES, *How, *Mask, *Sensitivity}
    named |= {*FieldType, *(key for keys in _LIMIT_KEYS.values() for key in keys)}
    missing = {one for one in named if f"`{one}`" not in text}
    assert not missing
    assert not {one for one in (*INDEX_TYPES, *DAYS) if one not in text}


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (shipped_policies() / "collections").glob("*.toml"))
)
def test_a_file_that_is_edited_is_told_where_every_key_is_described(name: str) -> None:
    head = (shipped_policies() / "collections" / name).read_text("utf-8").split("\n\n")[0]
    assert "docs/reference/collections.md" in head
    assert "raises its version" in " ".join(head.replace("#", "").split())


if __name__ == "__main__":
    before, mark, rest = PAGE.read_text("utf-8").partition(BEGIN)
    head, _, old = rest.partition("\n")
    after = old.partition(END)[2]
    PAGE.write_text(f"{before}{mark}{head}\n{shipped()}{END}{after}", "utf-8")

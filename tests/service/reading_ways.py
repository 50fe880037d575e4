"""The ways in which a service shows records, each for all of a collection's.

A new way of reading belongs into `WAYS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secvault.errors import Refused
from secvault.records.collection import Collection
from secvault.records.exports.column import cells_of, columns_of
from secvault.records.value import FieldType
from secvault.service import Service, attachments, record_search, records
from secvault.service.erasing import subject_report
from secvault.service.record_exports.as_shown import export_records
from secvault.service.record_exports.asked import Wanted
from secvault.service.record_views import RecordView, about_of
from secvault.service.spine import Caller
from secvault.tabular.jsonl_file import JsonLinesFile
from secvault.tabular.writer import Format
from tests.service.reading_house import CONTENTS, Masked, Shown, is_mask, record_of
from tests.service.test_record_exports import lines, whole

OWN_COLUMNS = ("id", "version", "created_at", "updated_at")
RELEASE_COLUMNS = ("approved_by", "approved_at")

Seen = Mapping[str, Mapping[str, Any]]
"""By record, what is shown of it; what is not shown at all is missing."""
Ids = tuple[str, ...]


def _as_shown(_collection: Collection, expected: Shown) -> Mapping[str, Any]:
    return expected


def _any_collection(_collection: Collection) -> bool:
    return True


@dataclass(frozen=True)
class Way:
    """A way to read the records of a collection, which raises Refused when it shows none.

    actions: what must be allowed for a record to be shown by it. form: what a record looks like by
    it of which that much may be seen. covers: the collections that it is for.
    """

    read: Callable[[Service, Caller, Collection, Ids], Seen]
    actions: tuple[str, ...] = ("record.list",)
    form: Callable[[Collection, Shown], Mapping[str, Any]] = _as_shown
    covers: Callable[[Collection], bool] = _any_collection


def _of_view(view: RecordView) -> Shown:
    return {**view.fields, **{name: Masked(text) for name, text in view.masked.items()}}


def _by_reading(service: Service, who: Caller, collection: Collection, ids: Ids) -> Seen:
    seen = {}
    for one in ids:
        try:
            seen[one] = _of_view(records.read_record(service, who, collection.name, one))
        except Refused:
            continue
    return seen


def _by_listing(service: Service, who: Caller, collection: Collection, _ids: Ids) -> Seen:
    page = records.list_records(service, who, collection.name, "", records.PAGE_LIMIT)
    return {view.id: _of_view(view) for view in page.records}


def _by_searching(service: Service, who: Caller, collection: Collection, _ids: Ids) -> Seen:
    found = record_search.search_records(service, who, collection.name, {}, "-id", limit=500)
    return {view.id: _of_view(view) for view in found.records}


def _field_by_field(service: Service, who: Caller, collection: Collection, ids: Ids) -> Seen:
    seen: dict[str, dict[str, Any]] = {one: {} for one in ids}
    for one in ids:
        for name in record_of(service, collection, one).field_names:
            try:
                seen[one][name] = records.read_field(service, who, collection.name, one, name)
            except Refused:
                continue
    return seen


def _in_clear(_collection: Collection, expected: Shown) -> Shown:
    return {name: value for name, value in expected.items() if not is_mask(value)}


def _by_attachments(service: Service, who: Caller, collection: Collection, ids: Ids) -> Seen:
    seen: dict[str, dict[str, Any]] = {one: {} for one in ids}
    for one in ids:
        for name in record_of(service, collection, one).field_names:
            if collection.fields[name].type is not FieldType.ATTACHMENT:
                continue
            try:
                opened = attachments.open_attachment(service, who, collection.name, one, name)
            except Refused:
                continue
            assert b"".join(opened.read()) == CONTENTS[opened.attached.type]
            seen[one][name] = opened.attached.value()
    return seen


def _attachments_in_clear(collection: Collection, expected: Shown) -> Shown:
    return {
        name: value
        for name, value in _in_clear(collection, expected).items()
        if collection.fields[name].type is FieldType.ATTACHMENT
    }


def _by_exporting(service: Service, who: Caller, collection: Collection, _ids: Ids) -> Seen:
    wanted = Wanted(collection.name, Format.JSONL, reason="a property test")
    content, _ = whole(export_records(service, who, wanted))
    own = {*OWN_COLUMNS, *(RELEASE_COLUMNS if collection.release is not None else ())}
    return {
        row["id"]: {name: it for name, it in row.items() if name not in own and it is not None}
        for row in lines(content)
    }


def _as_a_row(collection: Collection, expected: Shown) -> Mapping[str, Any]:
    """The cells of an exported row that are about fields."""
    own = {*OWN_COLUMNS, *(RELEASE_COLUMNS if collection.release is not None else ())}
    row: dict[str, Any] = {}
    for name, value in expected.items():
        if isinstance(value, Masked):
            row[f"{name}_masked"] = value.text
            continue
        field = collection.fields[name]
        columns = [column.name for column in columns_of(field, "en")]
        # A column of a field that is named like one about the record itself.
        columns = [f"{column}_" if column in own else column for column in columns]
        written = JsonLinesFile(columns).add([cells_of(field, value)])
        row.update(json.loads(written))
    return row


def _by_reporting(service: Service, who: Caller, collection: Collection, ids: Ids) -> Seen:
    seen: dict[str, dict[str, Any]] = {}
    for one in ids:
        record = record_of(service, collection, one)
        person = about_of(record, collection).person or record.subject
        told: Any = subject_report.report(service, who, person)
        for section in told["sections"]:
            if section["collection"] == collection.name:
                seen.update({each["id"]: _of_report(each["fields"]) for each in section["records"]})
    return seen


def _of_report(fields: list[dict[str, Any]]) -> Shown:
    shown: dict[str, Any] = {}
    for one in fields:
        if one["shown"] == "withheld":
            assert one["reason"]
            assert "value" not in one
        else:
            shown[one["name"]] = one["value"] if one["shown"] == "clear" else Masked(one["value"])
    return shown


def _is_about_people(collection: Collection) -> bool:
    return bool(collection.person_field or collection.subject_field)


WAYS: Mapping[str, Way] = {
    "get": Way(_by_reading),
    "list": Way(_by_listing),
    "search": Way(_by_searching),
    "field": Way(_field_by_field, (), _in_clear),
    "attachment": Way(_by_attachments, (), _attachments_in_clear),
    "export": Way(_by_exporting, ("record.list", "record.export"), _as_a_row),
    "report": Way(_by_reporting, ("record.list", "subject.report"), covers=_is_about_people),
}

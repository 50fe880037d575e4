"""From rows of a file to what is to be stored, with everything that keeps a row from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import uuid_utils

from secvault.access import About
from secvault.crypto.canonical import JsonValue
from secvault.errors import FieldError, InvalidInput
from secvault.records import facts
from secvault.records import record as records
from secvault.records.collection import Collection, parse_record
from secvault.records.imports.import_row import FaultOfRow
from secvault.records.imports.present import ids_there
from secvault.records.imports.row import Row
from secvault.records.imports.spec import ID, OnConflict
from secvault.service.asking import asker_of
from secvault.service.record_asking import known, operation_on
from secvault.service.record_views import about_of
from secvault.service.records import require_same_person
from secvault.service.service import Service
from secvault.service.spine import Caller

Values = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Prepared:
    """What is to become of some rows that follow one another.

    last: the number of the last of them. creates, updates: parsed values by record. there: the
    records that were there when it was looked. skipped: how many rows leave a record as it is.
    """

    last: int
    creates: Mapping[str, Values]
    updates: Mapping[str, Values]
    there: frozenset[str]
    asked: frozenset[str]
    skipped: int
    faults: tuple[FaultOfRow, ...]


@dataclass
class _Sorting:
    """The same while it is put together."""

    creates: dict[str, Values] = field(default_factory=dict)
    updates: dict[str, Values] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    faults: list[FaultOfRow] = field(default_factory=list)


class Preparer:
    """Prepares the rows of one file, in order."""

    def __init__(
        self, service: Service, caller: Caller, collection: Collection, on_conflict: OnConflict
    ) -> None:
        self._service = service
        self._collection = collection
        self._on_conflict = on_conflict
        self._rights = _Rights(service, caller, collection)
        self._seen: dict[str, int] = {}

    def prepare(self, rows: Sequence[Row]) -> Prepared:
        """What is to become of these rows by the schema, the rights and the records of now.

        Raises Damaged.
        """
        asked = frozenset(row.id for row in rows if row.id is not None)
        with self._service.store.read() as connection:
            there = ids_there(connection, self._collection.name, asked)
        done = _Sorting()
        for row in rows:
            done.faults.extend(
                FaultOfRow(row.number, each.field, each.detail) for each in row.faults
            )
            if not row.faults:
                self._sort(row, there, done)
        self._require_rights(done)
        return Prepared(
            rows[-1].number,
            done.creates,
            done.updates,
            there,
            asked,
            done.skipped,
            tuple(sorted(done.faults, key=lambda fault: fault.line)),
        )

    def _sort(self, row: Row, there: frozenset[str], done: _Sorting) -> None:
        exists = row.id in there
        if exists and (self._on_conflict is OnConflict.SKIP or not row.values):
            done.skipped += 1
            return
        faults: list[FieldError] = []
        record_id, values = "", dict[str, JsonValue]()
        try:
            record_id = self._record_id(row, exists=exists)
        except InvalidInput as error:
            faults.extend(error.fields)
        try:
            values = parse_record(self._collection, row.values, partial=exists)
        except InvalidInput as error:
            faults.extend(error.fields)
        if faults:
            done.faults.extend(FaultOfRow(row.number, each.field, each.detail) for each in faults)
            return
        (done.updates if exists else done.creates)[record_id] = values
        done.lines[record_id] = row.number

    def _record_id(self, row: Row, *, exists: bool) -> str:
        """The id of the row's record, made where it names none. Raises InvalidInput."""
        if row.id is None:
            return uuid_utils.uuid7().hex
        record_id = records.check_id(row.id)
        before = self._seen.setdefault(record_id, row.number)
        if before != row.number:
            raise InvalidInput.at(ID, f"is that of row {before}, too")
        if exists and self._on_conflict is OnConflict.REFUSE:
            raise InvalidInput.at(
                ID,
                "is that of a record which is there already; leave it out, or say that such "
                "records are to be skipped or updated",
            )
        return record_id

    def _require_rights(self, done: _Sorting) -> None:
        for record_id, values in done.creates.items():
            about = facts.about(self._collection, record_id, values)
            refused = self._rights.refused("record.create", about, values)
            done.faults.extend(FaultOfRow(done.lines[record_id], *each) for each in refused)
        if not done.updates:
            return
        with self._service.store.read() as connection:
            present = records.read_records(
                connection, self._service.keyring, self._collection, done.updates
            )
            for record in present:
                line, values = done.lines[record.id], done.updates[record.id]
                about = about_of(record, self._collection)
                refused = self._rights.refused("record.update", about, values)
                done.faults.extend(FaultOfRow(line, *each) for each in refused)
                try:
                    require_same_person(record, self._collection, values)
                except InvalidInput as error:
                    done.faults.extend(
                        FaultOfRow(line, each.field, each.detail) for each in error.fields
                    )


class _Rights:
    """What the caller may write. Records that conditions see alike are decided once, and each
    refusal is told once: with its first row.
    """

    def __init__(self, service: Service, caller: Caller, collection: Collection) -> None:
        self._service = service
        self._caller = caller
        self._collection = collection
        self._asker = asker_of(caller.principal)
        self._asked: set[tuple[str, About, str]] = set()

    def refused(
        self, action: str, about: About, fields: Iterable[str]
    ) -> Iterator[tuple[str, str]]:
        """The fields that may not be written, with the reason; empty for the record as a whole."""
        sort = facts.sort_of(about, self._asker)
        operation = replace(operation_on(action, self._collection), about=known(sort))
        for name in ("", *fields):
            question = (action, sort, name)
            if question in self._asked:
                continue
            self._asked.add(question)
            path = f"{operation.resource}/{name}"
            asked = replace(operation, field=name, resource=path) if name else operation
            decision = self._service.spine.ask(self._caller, asked)
            if not decision.allowed:
                yield name, decision.reason_user

"""Operations on records: what is shown is what the access decision allows, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import uuid_utils
from sqlalchemy import Connection

from secvault.access import Access, FieldAccess
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, InvalidInput, NotFound, VersionMismatch
from secvault.records import history, release
from secvault.records import record as rows
from secvault.records.collection import Collection, parse_record
from secvault.records.mask import masked
from secvault.records.release import Approved
from secvault.service.service import Service
from secvault.service.spine import Caller, Made, Operation, Outcome

PAGE_LIMIT = 500
_SOMEBODY = "user:somebody"


@dataclass(frozen=True)
class RecordView:
    """A record as one caller may see it.

    fields: values in clear. masked: what is shown instead of the value. withheld: why a field
    that has a value is not shown at all. released: whether its collection has records approved.
    approved: who approved it as it is; None for a draft. Times in micros.
    """

    collection: str
    id: str
    version: int
    fields: Mapping[str, JsonValue]
    masked: Mapping[str, str]
    withheld: Mapping[str, str]
    created_at: int
    updated_at: int
    released: bool = False
    approved: Approved | None = None


@dataclass(frozen=True)
class Page:
    """Some records in order of their ids; `next_after` continues, empty at the end."""

    records: tuple[RecordView, ...]
    next_after: str


def collections(service: Service, caller: Caller) -> tuple[Collection, ...]:
    """The collections that the caller may work with."""
    return tuple(
        collection
        for collection in service.collections.values()
        if service.spine.ask(caller, _operation("collection.read", collection)).allowed
    )


def create_record(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str | None,
    values: Mapping[str, JsonValue],
) -> RecordView:
    """Store a new record. record_id: chosen by the caller, or made when None."""
    collection = _collection(service, collection_name)
    chosen = record_id if record_id is not None else uuid_utils.uuid7().hex
    made = create_records(service, caller, collection_name, {chosen: values})
    return _view(made[0], collection, _access(service, caller, collection))


def create_records(
    service: Service,
    caller: Caller,
    collection_name: str,
    batch: Mapping[str, Mapping[str, JsonValue]],
) -> tuple[rows.Record, ...]:
    """Store new records, id to values, all of them or none. Raises InvalidInput, Conflict."""
    collection = _collection(service, collection_name)
    only = next(iter(batch), "") if len(batch) == 1 else ""
    operation = _operation("record.create", collection, rows.check_id(only) if only else "")
    service.spine.decide(caller, operation)
    parsed = {
        rows.check_id(record_id): parse_record(collection, values, partial=False)
        for record_id, values in batch.items()
    }
    written = sorted({field for values in parsed.values() for field in values})
    _require_writable(service, caller, operation, written)

    def act(connection: Connection) -> Outcome[tuple[rows.Record, ...]]:
        at = service.clock.micros()
        made = tuple(
            rows.create_record(
                connection, service.keyring, collection, record_id, values, at, service.random
            )
            for record_id, values in parsed.items()
        )
        objects = [history.object_of(collection.name, record.id) for record in made]
        history.note(connection, objects, 1, history.CREATE, caller.principal.subject, at)
        return Outcome(made, fields=tuple(written), count=len(made))

    return service.spine.change(caller, operation, act)


def read_record(
    service: Service, caller: Caller, collection_name: str, record_id: str
) -> RecordView:
    """One record, as far as the caller may see it."""
    collection = _collection(service, collection_name)
    operation = _operation("record.list", collection, rows.check_id(record_id))
    access = _access(service, caller, collection)

    def act(connection: Connection) -> Outcome[RecordView]:
        record = rows.read_record(connection, service.keyring, collection, record_id)
        view = _view(record, collection, access, _approved(connection, collection, (record,)))
        return Outcome(view, fields=(*view.fields, *view.masked))

    return service.spine.read(caller, operation, act)


def read_field(
    service: Service, caller: Caller, collection_name: str, record_id: str, field: str
) -> JsonValue:
    """One field in clear. Raises Refused with the reason when the caller may not see it."""
    collection = _collection(service, collection_name)
    rows.check_id(record_id)
    if field not in collection.fields:
        raise NotFound(f"{collection.name} has no field {field[:64]}")
    operation = _operation("record.read", collection, record_id, field)

    def act(connection: Connection) -> Outcome[JsonValue]:
        record = rows.read_record(connection, service.keyring, collection, record_id)
        return Outcome(record.value(field), fields=(field,))

    return service.spine.read(caller, operation, act)


def list_records(
    service: Service, caller: Caller, collection_name: str, after: str, limit: int
) -> Page:
    """A page of records after the id `after`, each as far as the caller may see it."""
    collection = _collection(service, collection_name)
    if after and not rows.RECORD_ID.fullmatch(after):
        raise InvalidInput.at("after", "give what the page before ended with")
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInput.at("limit", f"use 1 to {PAGE_LIMIT}")
    operation = _operation("record.list", collection)
    access = _access(service, caller, collection)

    def act(connection: Connection) -> Outcome[Page]:
        ids = rows.record_ids(connection, collection, after, limit + 1)
        found = rows.read_records(connection, service.keyring, collection, ids[:limit])
        approved = _approved(connection, collection, found)
        views = tuple(_view(record, collection, access, approved) for record in found)
        shown = sorted({name for view in views for name in (*view.fields, *view.masked)})
        more = ids[limit - 1] if len(ids) > limit else ""
        return Outcome(Page(views, more), fields=tuple(shown), count=len(views))

    return service.spine.read(caller, operation, act)


def update_record(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    changes: Mapping[str, JsonValue],
    expected_version: int,
) -> RecordView:
    """Change the named fields of the version that the caller saw; null removes a value."""
    collection = _collection(service, collection_name)
    operation = _operation("record.update", collection, rows.check_id(record_id))
    service.spine.decide(caller, operation)
    if not changes:
        raise InvalidInput.at("fields", "name at least one field to change")
    parsed = parse_record(collection, changes, partial=True)
    _require_writable(service, caller, operation, parsed)

    def act(connection: Connection) -> Outcome[rows.Record]:
        at = service.clock.micros()
        changed = rows.update_record(
            connection,
            service.keyring,
            collection,
            record_id,
            parsed,
            expected_version,
            at,
            service.random,
        )
        release.void(connection, collection.name, record_id)
        name, who = history.object_of(collection.name, record_id), caller.principal.subject
        history.note(connection, [name], changed.version, history.UPDATE, who, at)
        return Outcome(changed, fields=tuple(parsed))

    changed = service.spine.change(caller, operation, act)
    return _view(changed, collection, _access(service, caller, collection))


def delete_record(
    service: Service, caller: Caller, collection_name: str, record_id: str, expected_version: int
) -> None:
    """Delete the version that the caller saw, and its data key."""
    collection = _collection(service, collection_name)
    operation = _operation("record.delete", collection, rows.check_id(record_id))

    def act(connection: Connection) -> Outcome[None]:
        rows.delete_record(connection, collection, record_id, expected_version)
        history.forget(connection, history.object_of(collection.name, record_id))
        return Outcome(None)

    service.spine.change(caller, operation, act)


def approve_record(
    service: Service, caller: Caller, collection_name: str, record_id: str, expected_version: int
) -> RecordView:
    """Approve the version that the caller saw; a later change makes the record a draft again.

    Raises Conflict for records that are not approved, or are already; VersionMismatch; Refused,
    also for whoever entered or changed the record, and where nobody knows who did.
    """
    collection = _collection(service, collection_name)
    listing = _operation("record.list", collection, rows.check_id(record_id))
    # Whoever may not know of the record learns nothing of it here.
    service.spine.decide(caller, listing)
    name, who = history.object_of(collection.name, record_id), caller.principal.subject

    def made(connection: Connection, hold: bool) -> Made:  # noqa: FBT001 - as `Operation` says
        if hold:
            # Before its makers are looked at, so that nobody becomes one in between.
            rows.hold_record(connection, collection, record_id)
        makers = history.makers_of(connection, name)
        # What is missing, the record or its history, is said in the act, which is put on record.
        known = makers if makers or hold else frozenset({_SOMEBODY})
        return Made(known, history.with_owner(connection, who))

    def act(connection: Connection) -> Outcome[tuple[rows.Record, Approved]]:
        if collection.release is None:
            raise Conflict(f"records of {collection.name} are not approved")
        record = rows.read_record(connection, service.keyring, collection, record_id)
        if record.version != expected_version:
            raise VersionMismatch(
                f"{name} is at version {record.version}, not {expected_version}: look at it "
                "again, then approve it"
            )
        at = service.clock.micros()
        given = release.approve(connection, record, who, at)
        history.note(connection, [name], record.version, history.APPROVE, who, at)
        return Outcome((record, given), detail={"version": record.version})

    operation = replace(_operation("record.approve", collection, record_id), made=made)
    record, given = service.spine.change(caller, operation, act)
    return _view(record, collection, _access(service, caller, collection), {record_id: given})


def _collection(service: Service, name: str) -> Collection:
    found = service.collections.get(name)
    if found is None:
        raise NotFound(f"there is no collection {name[:64]}")
    return found


def _operation(
    action: str, collection: Collection, record_id: str = "", field: str = ""
) -> Operation:
    path = (collection.department, collection.name, record_id, field)
    resource = "/".join(part for part in path if part)
    if field:
        return Operation(action, collection.department, collection.name, resource, field)
    return Operation(action, collection.department, collection.name, resource)


def _require_writable(
    service: Service, caller: Caller, operation: Operation, fields: Iterable[str]
) -> None:
    for field in fields:
        service.spine.decide(
            caller, replace(operation, field=field, resource=f"{operation.resource}/{field}")
        )


def _access(service: Service, caller: Caller, collection: Collection) -> Mapping[str, FieldAccess]:
    return service.spine.field_access(
        caller, collection.department, collection.name, collection.fields
    )


def _approved(
    connection: Connection, collection: Collection, found: Iterable[rows.Record]
) -> Mapping[str, Approved]:
    return {} if collection.release is None else release.releases_of(connection, found)


def _view(
    record: rows.Record,
    collection: Collection,
    access: Mapping[str, FieldAccess],
    approved: Mapping[str, Approved] = MappingProxyType({}),
) -> RecordView:
    fields: dict[str, JsonValue] = {}
    hidden: dict[str, str] = {}
    withheld: dict[str, str] = {}
    for name in record.field_names:
        field = collection.fields.get(name)
        allowed = access.get(name)
        if field is None or allowed is None or allowed.access is Access.WITHHELD:
            withheld[name] = allowed.reason if allowed else "This field is no longer in use."
        elif allowed.access is Access.CLEAR:
            fields[name] = record.value(name)
        elif field.mask is not None:
            hidden[name] = masked(field.mask, record.value(name))
    return RecordView(
        record.collection,
        record.id,
        record.version,
        fields,
        hidden,
        withheld,
        record.created_at,
        record.updated_at,
        collection.release is not None,
        approved.get(record.id),
    )

"""Operations on records: what is shown is what the access decision allows, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import uuid_utils
from sqlalchemy import Connection

from secvault.access import About
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, InvalidInput, NotFound, VersionMismatch
from secvault.identity.names import compared
from secvault.records import facts, history, once, release
from secvault.records import record as rows
from secvault.records.beside import move_beside
from secvault.records.collection import Collection, parse_record
from secvault.records.once import DoneAlready, Once
from secvault.records.release import Approved
from secvault.service.asking import asker_of
from secvault.service.operation import Made
from secvault.service.record_asking import collection_of as _collection
from secvault.service.record_asking import known as _known
from secvault.service.record_asking import of_record as _of_record
from secvault.service.record_asking import operation_on as _operation
from secvault.service.record_asking import require_still as _require_still
from secvault.service.record_asking import sorts_of as _sorts
from secvault.service.record_views import RecordView, Shown, about_of, approved_in
from secvault.service.record_writing import require_no_masks, require_writable
from secvault.service.records_made_once import answered
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

PAGE_LIMIT = 500
_SOMEBODY = "user:somebody"


@dataclass(frozen=True)
class Page:
    """Some records in order of their ids; `next_after` continues, empty at the end."""

    records: tuple[RecordView, ...]
    next_after: str


def collections(service: Service, caller: Caller) -> tuple[Collection, ...]:
    """The collections that the caller may work with, if only with some of the records."""
    return tuple(
        collection
        for collection in service.collections.values()
        if service.spine.may_some(
            caller, _operation("collection.read", collection), _sorts(caller, collection)
        )
    )


def create_record(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str | None,
    values: Mapping[str, JsonValue],
    key: str = "",
) -> RecordView:
    """Store a new record. record_id: chosen by the caller, or made when None.

    key: the caller's own word for this request, for a day: the same request under the same key
    makes nothing again, and is answered in the same way. Raises Conflict, Refused; InvalidInput,
    also for another request under the same key.
    """
    collection = _collection(service, collection_name)
    chosen = record_id if record_id is not None else uuid_utils.uuid7().hex
    if not key:
        made = create_records(service, caller, collection_name, {chosen: values})
        return Shown(service, caller, collection).view(made[0])
    said = Once(caller.principal.subject, once.check_key(key), collection.name, record_id)
    before = answered(service, caller, collection, said, values)
    if before is not None:
        return before
    try:
        made = create_records(service, caller, collection_name, {chosen: values}, said)
    except DoneAlready:
        done = answered(service, caller, collection, said, values)
        if done is None:
            raise
        return done
    return Shown(service, caller, collection).view(made[0])


def create_records(
    service: Service,
    caller: Caller,
    collection_name: str,
    batch: Mapping[str, Mapping[str, JsonValue]],
    said: Once | None = None,
) -> tuple[rows.Record, ...]:
    """Store new records, id to values, all of them or none. Raises InvalidInput, Conflict.

    said: the key under which a single one is made.
    """
    collection = _collection(service, collection_name)
    only = next(iter(batch), "") if len(batch) == 1 else ""
    operation = _operation("record.create", collection, rows.check_id(only) if only else "")
    # Whoever may create none of any kind is not told what would be wrong with it.
    service.spine.some(caller, operation, _sorts(caller, collection))
    parsed = {
        rows.check_id(record_id): parse_record(collection, values, partial=False)
        for record_id, values in batch.items()
    }
    asker = asker_of(caller.principal)
    of_about = {name: facts.about(collection, name, values) for name, values in parsed.items()}
    # What conditions see alike is decided once.
    of_sort: dict[About, set[str]] = {}
    for name, values in parsed.items():
        of_sort.setdefault(facts.sort_of(of_about[name], asker), set()).update(values)
    for about, names in of_sort.items():
        of_these = replace(operation, about=_known(about))
        service.spine.decide(caller, of_these)
        require_writable(service, caller, of_these, sorted(names))
    written = sorted({name for names in of_sort.values() for name in names})

    def act(connection: Connection) -> Outcome[tuple[rows.Record, ...]]:
        if service.spine.looks_at_objects("record.create"):
            for name, values in parsed.items():
                of_this = replace(operation, about=_known(of_about[name]))
                service.spine.require(caller, of_this, connection)
                service.spine.require_fields(caller, of_this, values, connection)
        else:
            service.spine.require_fields(caller, operation, written, connection)
        at = service.clock.micros()
        if said is not None:
            once.claim(connection, said, only, at)
        made = rows.create_records(
            connection, service.keyring, collection, parsed, at, service.random
        )
        objects = [history.object_of(collection.name, record.id) for record in made]
        history.note(connection, objects, 1, history.CREATE, caller.principal.subject, at)
        if said is not None:
            once.keep(connection, said, made[0], parsed[only], service.random)
        detail = {"version": made[0].version} if only else {}
        return Outcome(made, fields=tuple(written), count=len(made), detail=detail)

    first = next(iter(of_about.values()), None)
    return service.spine.change(caller, replace(operation, about=_known(first)), act)


def read_record(
    service: Service, caller: Caller, collection_name: str, record_id: str
) -> RecordView:
    """One record, as far as the caller may see it."""
    collection = _collection(service, collection_name)
    operation = _operation("record.list", collection, rows.check_id(record_id))
    operation = _of_record(service, operation, collection, record_id)
    shown = Shown(service, caller, collection)

    def act(connection: Connection) -> Outcome[RecordView]:
        record = rows.read_record(connection, service.keyring, collection, record_id)
        _require_still(service, caller, operation, connection, record, collection)
        view = shown.view(record, approved_in(connection, collection, (record,)))
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
    operation = _of_record(service, operation, collection, record_id)

    def act(connection: Connection) -> Outcome[JsonValue]:
        record = rows.read_record(connection, service.keyring, collection, record_id)
        _require_still(service, caller, operation, connection, record, collection)
        return Outcome(record.value(field), fields=(field,))

    return service.spine.read(caller, operation, act)


def list_records(
    service: Service, caller: Caller, collection_name: str, after: str, limit: int
) -> Page:
    """A page of the records that the caller may see, after the id `after`, each as far as they may.

    How many others there are, and where, shows in nothing.
    """
    collection = _collection(service, collection_name)
    if after and not rows.RECORD_ID.fullmatch(after):
        raise InvalidInput.at("after", "give what the page before ended with")
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInput.at("limit", f"use 1 to {PAGE_LIMIT}")
    operation = _operation("record.list", collection)
    asker = asker_of(caller.principal)
    sorts = _sorts(caller, collection)
    allowed = service.spine.some(caller, operation, sorts)
    seen = [sort for sort in facts.sorts_of(collection, asker) if sort.about in allowed]
    among = facts.any_of(seen) if len(seen) < len(sorts) else None
    shown = Shown(service, caller, collection)

    def act(connection: Connection) -> Outcome[Page]:
        ids = rows.record_ids(connection, collection, after, limit + 1, among)
        found = rows.read_records(connection, service.keyring, collection, ids[:limit])
        approved = approved_in(connection, collection, found)
        views = tuple(
            shown.view(record, approved)
            for record in found
            # The columns that were asked by are not under the tag; what is there decides.
            if facts.sort_of(about_of(record, collection), asker) in allowed
        )
        names = sorted({name for view in views for name in (*view.fields, *view.masked)})
        more = ids[limit - 1] if len(ids) > limit else ""
        return Outcome(Page(views, more), fields=tuple(names), count=len(views))

    return service.spine.read(caller, operation, act, next(iter(allowed.values())))


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
    operation = _of_record(service, operation, collection, record_id)
    service.spine.decide(caller, operation)
    if not changes:
        raise InvalidInput.at("fields", "name at least one field to change")
    parsed = parse_record(collection, changes, partial=True)
    require_writable(service, caller, operation, parsed)

    def act(connection: Connection) -> Outcome[rows.Record]:
        changed = change_in(
            service, caller, connection, operation, collection, record_id, parsed, expected_version
        )
        detail = {"from_version": changed.version - 1, "version": changed.version}
        return Outcome(changed, fields=tuple(parsed), detail=detail)

    changed = service.spine.change(caller, operation, act)
    return Shown(service, caller, collection).view(changed)


def change_in(
    service: Service,
    caller: Caller,
    connection: Connection,
    operation: Operation,
    collection: Collection,
    record_id: str,
    parsed: Mapping[str, JsonValue],
    expected_version: int | None,
) -> rows.Record:
    """Change a record in the caller's transaction, as far as they may, with all that goes with it.

    parsed: by the schema, for a change. expected_version: None for whichever is there. Raises
    Refused, NotFound, VersionMismatch, InvalidInput.
    """
    at = service.clock.micros()
    before = rows.read_to_change(connection, service.keyring, collection, record_id)
    _require_still(service, caller, operation, connection, before, collection, tuple(parsed))
    require_same_person(before, collection, parsed)
    require_no_masks(service, caller, collection, before, parsed)
    changed = rows.update_record(
        connection,
        service.keyring,
        collection,
        record_id,
        parsed,
        before.version if expected_version is None else expected_version,
        at,
        service.random,
    )
    # Nobody hands a record to where they could not have changed it.
    _require_still(service, caller, operation, connection, changed, collection, tuple(parsed))
    release.void(connection, collection.name, record_id)
    move_beside(connection, before, changed, service.random)
    name, who = history.object_of(collection.name, record_id), caller.principal.subject
    history.note(connection, [name], changed.version, history.UPDATE, who, at)
    return changed


def delete_record(
    service: Service, caller: Caller, collection_name: str, record_id: str, expected_version: int
) -> None:
    """Delete the version that the caller saw, and its data key."""
    collection = _collection(service, collection_name)
    operation = _operation("record.delete", collection, rows.check_id(record_id))
    operation = _of_record(service, operation, collection, record_id)

    def act(connection: Connection) -> Outcome[None]:
        if service.spine.looks_at_objects(operation.action):
            before = rows.read_to_change(connection, service.keyring, collection, record_id)
            _require_still(service, caller, operation, connection, before, collection)
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

    operation = approving(service, caller, collection, record_id)
    record, given = service.spine.change(caller, operation, act)
    return Shown(service, caller, collection).view(record, {record_id: given})


def approving(
    service: Service, caller: Caller, collection: Collection, record_id: str
) -> Operation:
    """The operation of approving the record, with where it is found who made that."""
    name, who = history.object_of(collection.name, record_id), caller.principal.subject

    def made(connection: Connection, hold: bool) -> Made:  # noqa: FBT001 - as `Operation` says
        if hold:
            # Before its makers are looked at, so that nobody becomes one in between.
            rows.read_to_change(connection, service.keyring, collection, record_id)
        makers = history.makers_of(connection, name)
        # What is missing, the record or its history, is said in the act, which is put on record.
        known = makers if makers or hold else frozenset({_SOMEBODY})
        return Made(known, history.with_owner(connection, who))

    operation = _operation("record.approve", collection, record_id)
    return replace(_of_record(service, operation, collection, record_id), made=made)


def require_same_person(
    before: rows.Record, collection: Collection, changes: Mapping[str, JsonValue]
) -> None:
    """Return unless the record would be about somebody else.

    Else whoever may change that field, but not see the rest, could make the record their own.
    """
    field = collection.person_field
    if field not in changes or field not in before.field_names:
        return
    old, new = before.value(field), changes[field]
    if not (isinstance(old, str) and isinstance(new, str) and compared(old) == compared(new)):
        raise InvalidInput.at(
            field, "says whom the record is about, which stays; store a new record for another"
        )

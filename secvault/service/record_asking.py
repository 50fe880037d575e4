"""From a record to the question that is asked about it: where operations on records begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from secvault.access import About
from secvault.errors import NotFound
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.service.asking import asker_of
from secvault.service.record_views import about_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation


def collection_of(service: Service, name: str) -> Collection:
    """The collection of this name. Raises NotFound."""
    found = service.collections.get(name)
    if found is None:
        raise NotFound(f"there is no collection {name[:64]}")
    return found


def operation_on(
    action: str, collection: Collection, record_id: str = "", field: str = ""
) -> Operation:
    """What is to be done to the collection, to one record of it, or to one field of that."""
    path = (collection.department, collection.name, record_id, field)
    resource = "/".join(part for part in path if part)
    if field:
        return Operation(action, collection.department, collection.name, resource, field)
    return Operation(action, collection.department, collection.name, resource)


def sorts_of(caller: Caller, collection: Collection) -> tuple[About, ...]:
    """The sorts of records that conditions tell apart for the caller; see `facts`."""
    sorts = facts.sorts_of(collection, asker_of(caller.principal))
    return tuple(sort.about for sort in sorts)


def known(about: About | None) -> Callable[[Connection], About] | None:
    """What the record is about, where it is known already."""
    return None if about is None else lambda _connection: about


def of_record(
    service: Service, operation: Operation, collection: Collection, record_id: str
) -> Operation:
    """The operation with where its record's facts are found.

    A record that is not there is about nobody known: whoever may see only some records learns
    nothing of it.
    """

    def about(connection: Connection) -> About:
        found = rows.read_records(connection, service.keyring, collection, (record_id,))
        return about_of(found[0], collection) if found else About()

    return replace(operation, about=about)


def require_still(
    service: Service,
    caller: Caller,
    operation: Operation,
    connection: Connection,
    record: rows.Record,
    collection: Collection,
    written: Sequence[str] = (),
) -> None:
    """Return when it is allowed to this record, and its fields, as it is in this transaction."""
    of_this = replace(operation, about=known(about_of(record, collection)))
    if service.spine.looks_at_objects(operation.action):
        service.spine.require(caller, of_this, connection)
    if written:
        service.spine.require_fields(caller, of_this, written, connection)

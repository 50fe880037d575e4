"""Operations on the attachments of records: look, open, and empty a field.

What may be done to an attachment is what may be done to the field that names it: reading its
content is reading the field in clear, taking one in or emptying the field is writing it. Taking one
in is in `attachment_upload`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import Decision
from secvault.crypto.canonical import JsonValue
from secvault.crypto.content_key import ContentAddress
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotFound, VersionMismatch
from secvault.records import attachment_rows, history, release
from secvault.records import record as rows
from secvault.records.attachment import Attached
from secvault.records.attachment_content import Content
from secvault.records.attachment_storage import Pieces
from secvault.records.beside import move_beside
from secvault.records.collection import Collection, Field
from secvault.records.value import FieldType
from secvault.service import reveals
from secvault.service.record_asking import collection_of, of_record, operation_on, require_still
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

Expected = str | None
"""What is expected to be in a field: the id of an attachment, or one of these two; None: anything,
also nothing."""
NONE_YET, WHATEVER = "", "*"
"""Nothing; or an attachment, whichever it is."""


@dataclass(frozen=True)
class Place:
    """A field of a record that may hold an attachment."""

    collection: Collection
    record: str
    field: Field

    def address(self, attachment: str) -> ContentAddress:
        """Where alone the content of the attachment opens."""
        return ContentAddress(self.collection.name, self.record, self.field.name, attachment)

    def operation(self, service: Service, action: str, *, of_field: bool = True) -> Operation:
        """What is to be done to the field, or to its record."""
        field = self.field.name if of_field else ""
        asked = operation_on(action, self.collection, self.record, field)
        return of_record(service, asked, self.collection, self.record)


def place_of(service: Service, collection_name: str, record_id: str, field: str) -> Place:
    """The field of the record. Raises NotFound, also for a field that holds no attachments."""
    collection = collection_of(service, collection_name)
    rows.check_id(record_id)
    known = collection.fields.get(field)
    if known is None:
        raise NotFound(f"{collection.name} has no field {field[:64]}")
    if known.type is not FieldType.ATTACHMENT:
        raise NotFound(f"{collection.name}.{field} holds no attachments")
    return Place(collection, record_id, known)


class Opened:
    """An attachment that the caller may read; that they do is on record.

    attached: what the record says of it.
    """

    def __init__(
        self,
        service: Service,
        caller: Caller,
        operation: Operation,
        decision: Decision,
        attached: Attached,
        address: ContentAddress,
        key: Secret,
    ) -> None:
        self.attached = attached
        self._service, self._caller = service, caller
        self._operation, self._decision = operation, decision
        self._address, self._key = address, key

    def read(self, start: int = 0, stop: int | None = None) -> Pieces:
        """The bytes from `start` to before `stop`, or the end, each piece verified before it is
        given.

        Damage may be found after earlier pieces were given: what came is then not the content.
        Raises Damaged, Unavailable, which are put on record; InvalidInput.
        """
        spine, size = self._service.spine, self.attached.size
        with spine.concerning(self._caller, self._operation, self._decision):
            content = Content(self._service.attachments, self._address, self._key, size)
            with closing(content.read(start, size if stop is None else stop)) as pieces:
                yield from pieces


def open_attachment(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    field: str,
    reason: str = "",
) -> Opened:
    """The attachment that a field names, to be read. reason: why, to reveal one that is shown
    masked; see `reveals`. Raises NotFound, Refused, Damaged, and what revealing raises.
    """
    place = place_of(service, collection_name, record_id, field)
    if reason:
        return _revealed(service, caller, place, reason)
    operation = place.operation(service, "record.read")
    decision = service.spine.decide(caller, operation)

    def act(connection: Connection) -> Outcome[Opened]:
        record = rows.read_record(connection, service.keyring, place.collection, record_id)
        require_still(service, caller, operation, connection, record, place.collection)
        attached = Attached.of(record.value(field))
        address = place.address(attached.id)
        key = attachment_rows.content_key(connection, record.data_key, address)
        opened = Opened(service, caller, operation, decision, attached, address, key)
        return Outcome(opened, fields=(field,))

    return service.spine.read(caller, operation, act, decision)


def _revealed(service: Service, caller: Caller, place: Place, reason: str) -> Opened:
    name, record_id, field = place.collection.name, place.record, place.field.name
    shown = reveals.reveal_field(service, caller, name, record_id, field, reason)
    attached = Attached.of(shown.value)
    address = place.address(attached.id)
    operation = place.operation(service, reveals.REVEAL)
    # Recorded already; what comes of it is put on record beside it when it fails.
    decision = service.spine.ask(caller, operation)
    with service.store.read() as connection:
        record = rows.read_record(connection, service.keyring, place.collection, record_id)
        key = attachment_rows.content_key(connection, record.data_key, address)
    return Opened(service, caller, operation, decision, attached, address, key)


def remove_attachment(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    field: str,
    expected: Expected,
) -> int:
    """Empty a field that names an attachment; the record's new version.

    expected: the attachment that the caller saw, or `WHATEVER`. Raises NotFound, VersionMismatch.
    """
    place = place_of(service, collection_name, record_id, field)
    operation = place.operation(service, "record.update", of_field=False)
    require_writable(service, caller, place, operation)

    def act(connection: Connection) -> Outcome[int]:
        before, after = exchange(
            service, caller, place, operation, connection, expected=expected, value=None
        )
        attachment_rows.unuse(
            connection, place.collection.name, record_id, field, service.clock.micros()
        )
        return written(place, before, after)

    return service.spine.change(caller, operation, act)


def require_writable(
    service: Service, caller: Caller, place: Place, operation: Operation
) -> Decision:
    """The decision when the caller may write the field of the record. Raises Refused."""
    service.spine.decide(caller, operation)
    name = place.field.name
    of_field = replace(operation, field=name, resource=f"{operation.resource}/{name}")
    return service.spine.decide(caller, of_field)


def exchange(
    service: Service,
    caller: Caller,
    place: Place,
    operation: Operation,
    connection: Connection,
    *,
    expected: Expected,
    value: JsonValue,
) -> tuple[rows.Record, rows.Record]:
    """Put the value in the place of what is expected in the field; the record before and after.

    Raises Refused as everything stands in this transaction, VersionMismatch, NotFound.
    """
    collection, name = place.collection, place.field.name
    at = service.clock.micros()
    before = rows.read_to_change(connection, service.keyring, collection, place.record)
    require_still(service, caller, operation, connection, before, collection, (name,))
    require_expected(place, before, expected)
    after = rows.update_record(
        connection,
        service.keyring,
        collection,
        place.record,
        {name: value},
        before.version,
        at,
        service.random,
    )
    # Nobody hands a record to where they could not have changed it.
    require_still(service, caller, operation, connection, after, collection, (name,))
    release.void(connection, collection.name, place.record)
    move_beside(connection, before, after, service.random)
    of = history.object_of(collection.name, place.record)
    who = caller.principal.subject
    history.note(connection, [of], after.version, history.UPDATE, who, at)
    return before, after


def require_expected(place: Place, record: rows.Record, expected: Expected) -> None:
    """Return when the field of the record holds what is expected.

    Raises NotFound when it holds nothing, Conflict when it should, VersionMismatch.
    """
    if expected is None:
        return
    name = place.field.name
    where = f"{place.collection.name}/{place.record}/{name}"
    if name not in record.field_names:
        if expected != NONE_YET:
            raise NotFound(f"{where} holds no attachment")
        return
    if expected == NONE_YET:
        raise Conflict(f"{where} holds an attachment already; say that it is to be replaced")
    if expected not in (WHATEVER, Attached.of(record.value(name)).id):
        raise VersionMismatch(f"{where} holds another attachment by now: look at it again")


def written(place: Place, before: rows.Record, after: rows.Record) -> Outcome[int]:
    """What is recorded of the change."""
    detail: dict[str, str | int | bool] = {
        "from_version": before.version,
        "version": after.version,
    }
    return Outcome(after.version, fields=(place.field.name,), detail=detail)


def require_in_use(field: Field) -> None:
    """Return when something may be written into the field. Raises InvalidInput."""
    if field.retired:
        raise InvalidInput.at(
            field.name, "is retired: what records hold in it stays, but nothing new is written"
        )

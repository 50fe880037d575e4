"""Storing a batch of rows, in one transaction with the progress and the audit entry."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from secvault.errors import Conflict
from secvault.records import facts, history
from secvault.records import record as records
from secvault.records.collection import Collection
from secvault.records.imports import import_row
from secvault.records.imports.import_row import Import
from secvault.records.imports.present import ids_there
from secvault.service.record_asking import known, operation_on
from secvault.service.record_imports.preparing import Prepared
from secvault.service.records import change_in
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome


class Moved(Conflict):
    """Records came or went since the batch was prepared; prepare it anew."""


def store_batch(
    service: Service,
    caller: Caller,
    collection: Collection,
    found: Import,
    claim: str,
    batch: Prepared,
) -> Import:
    """Store what was prepared, as far as the caller may do it in this very transaction.

    Raises Refused, NotAuthenticated, Superseded, Moved, Conflict; nothing is stored then.
    """

    def act(connection: Connection) -> Outcome[Import]:
        at = service.clock.micros()
        moved = import_row.advance(
            connection,
            found,
            claim,
            position=batch.last,
            created=len(batch.creates),
            updated=len(batch.updates),
            skipped=batch.skipped,
            at=at,
        )
        if ids_there(connection, collection.name, batch.asked) != batch.there:
            raise Moved("records of the file came or went at the same moment")
        # The records that are there before any data key, as whoever changes or erases one does.
        updating = operation_on("record.update", collection)
        for record_id, values in sorted(batch.updates.items()):
            if not service.spine.looks_at_objects("record.update"):
                service.spine.require(caller, updating, connection)
            change_in(service, caller, connection, updating, collection, record_id, values, None)
        _create(service, caller, connection, collection, batch, at)
        written = {name for values in batch.creates.values() for name in values}
        written |= {name for values in batch.updates.values() for name in values}
        return Outcome(
            moved,
            fields=tuple(sorted(written)),
            count=len(batch.creates) + len(batch.updates),
            detail={"run": found.id, "state": "importing"},
        )

    return service.spine.change(caller, operation_on("record.import", collection), act)


def _create(
    service: Service,
    caller: Caller,
    connection: Connection,
    collection: Collection,
    batch: Prepared,
    at: int,
) -> None:
    if not batch.creates:
        return
    operation = operation_on("record.create", collection)
    if service.spine.looks_at_objects("record.create"):
        for record_id, values in batch.creates.items():
            about = facts.about(collection, record_id, values)
            of_this = replace(operation, about=known(about))
            service.spine.require(caller, of_this, connection)
            service.spine.require_fields(caller, of_this, values, connection)
    else:
        written = sorted({name for values in batch.creates.values() for name in values})
        service.spine.require(caller, operation, connection)
        service.spine.require_fields(caller, operation, written, connection)
    made = records.create_records(
        connection, service.keyring, collection, batch.creates, at, service.random
    )
    objects = [history.object_of(collection.name, record.id) for record in made]
    history.note(connection, objects, 1, history.CREATE, caller.principal.subject, at)

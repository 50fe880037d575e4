"""The answer to a request that was sent again under the same Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from secvault.access import About
from secvault.crypto.canonical import JsonValue
from secvault.records import facts, once
from secvault.records.collection import Collection, parse_record
from secvault.records.once import Once
from secvault.service.record_asking import known, operation_on
from secvault.service.record_views import RecordView, Shown
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome


def answered(
    service: Service,
    caller: Caller,
    collection: Collection,
    said: Once,
    values: Mapping[str, JsonValue],
) -> RecordView | None:
    """The record as the key made it, as far as the caller may see it now; None for a new key.

    Decided like the request that it repeats; in the log it counts none. Raises Refused;
    InvalidInput when it is another request; Conflict when what it made is gone.
    """
    at = service.clock.micros()
    with service.store.read() as connection:
        record_id = once.made_before(connection, said, at)
    if record_id is None:
        return None
    parsed = parse_record(collection, values, partial=False)
    operation = operation_on("record.create", collection, record_id)
    about: About = facts.about(collection, record_id, parsed)
    shown = Shown(service, caller, collection)

    def act(connection: Connection) -> Outcome[RecordView]:
        made = once.as_made(connection, service.keyring, said, parsed)
        return Outcome(shown.view(made), count=0, detail={"version": made.version})

    return service.spine.read(caller, replace(operation, about=known(about)), act)

"""Revealing a value that is shown masked: one at a time, not many, for a reason that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit.leaf import StoredEvent
from secvault.crypto.canonical import JsonValue
from secvault.errors import NotFound, TooManyAttempts
from secvault.identity import names
from secvault.records import record as rows
from secvault.records.reveal import LONGEST_REASON, keep_reason, reasons_of, reveals_since
from secvault.service.record_asking import collection_of, of_record, operation_on, require_still
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

REVEAL, HISTORY = "record.reveal", "record.history"

_HOUR = 3_600 * 1_000_000


@dataclass(frozen=True)
class Revealed:
    """A value in clear. version: of the record. reveal: the id in the audit log."""

    collection: str
    record: str
    field: str
    value: JsonValue
    version: int
    reveal: str


def reveal_field(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    field: str,
    reason: str,
) -> Revealed:
    """One field in clear, put on record with why: 1 to 200 characters on one line.

    Raises Refused; StepUpRequired when a second factor must be shown again; TooManyAttempts when
    the caller has revealed as many values in an hour as the settings allow; NotFound; InvalidInput.
    """
    said = names.display_name(reason, "reason", LONGEST_REASON)
    collection = collection_of(service, collection_name)
    rows.check_id(record_id)
    if field not in collection.fields:
        raise NotFound(f"{collection.name} has no field {field[:64]}")
    operation = operation_on(REVEAL, collection, record_id, field)
    operation = of_record(service, operation, collection, record_id)
    reveal, who = names.new_id(service.clock), caller.principal.subject

    def act(connection: Connection) -> Outcome[Revealed]:
        # Held, so that its data key is still there when the reason is sealed under it.
        record = rows.read_to_change(connection, service.keyring, collection, record_id)
        require_still(service, caller, operation, connection, record, collection)
        value = record.value(field)
        at = service.clock.micros()
        _require_few(service, connection, who, at)
        keep_reason(connection, record, reveal, said, who, at, service.random)
        shown = Revealed(collection.name, record.id, field, value, record.version, reveal)
        detail: dict[str, str | int | bool] = {"reveal": reveal, "version": record.version}
        return Outcome(shown, fields=(field,), detail=detail)

    return service.spine.change(caller, operation, act)


def _require_few(service: Service, connection: Connection, who: str, at: int) -> None:
    most = service.settings.reveals.per_hour
    lately = reveals_since(connection, who, at - _HOUR, most)
    if len(lately) >= most:
        seconds = max(1, -(-(lately[-1] + _HOUR - at) // 1_000_000))
        raise TooManyAttempts(
            f"you have revealed {most} values in an hour, which is as many as reveals.per_hour "
            f"allows; go on in {seconds} s",
            retry_after=seconds,
        )


def reasons_for(
    service: Service, caller: Caller, events: tuple[StoredEvent, ...]
) -> Mapping[str, str | None]:
    """As `reasons`, of those records whose history the caller may see.

    Others may read the log of the machine that they look after, but not people's words.
    """
    allowed: dict[tuple[str, str], bool] = {}
    seen = []
    for stored in events:
        if stored.event.kind == REVEAL:
            department, _, rest = stored.event.resource.partition("/")
            place = (department, rest.partition("/")[0])
            if place not in allowed:
                history = Operation(HISTORY, *place, stored.event.resource)
                allowed[place] = service.spine.ask(caller, history).allowed
            if allowed[place]:
                seen.append(stored)
    return reasons(service, tuple(seen))


def reasons(service: Service, events: tuple[StoredEvent, ...]) -> Mapping[str, str | None]:
    """Why values were revealed, by the id of the event; see `records.reveal.reasons_of`.

    For operations that may show these events; it decides and records nothing itself.
    """
    named = {
        stored.id: str(stored.event.detail["reveal"])
        for stored in events
        if stored.event.kind == REVEAL and "reveal" in stored.event.detail
    }
    if not named:
        return {}
    with service.store.read() as connection:
        found = reasons_of(connection, service.keyring, named.values())
    return {event: found[reveal] for event, reveal in named.items() if reveal in found}

"""Asking for imports: a file is taken in, looked at, imported, watched, resumed and cancelled."""

from __future__ import annotations

from collections.abc import Callable

import uuid_utils
from sqlalchemy import Connection

from secvault.audit.event import Actor
from secvault.errors import Conflict, InvalidInput, Refused
from secvault.jobs import queue
from secvault.records.collection import Collection
from secvault.records.imports import import_row, source
from secvault.records.imports.heading import Headings, known_fields
from secvault.records.imports.import_row import FaultOfRow, Goal, Import, State
from secvault.records.imports.spec import OnConflict, Spec
from secvault.service.record_asking import collection_of, operation_on, sorts_of
from secvault.service.record_imports import commission as terms
from secvault.service.record_imports.commission import Commission
from secvault.service.record_imports.running import event_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

IMPORT = "import"
"""The kind of the worker's jobs."""
LOOK_SECONDS = 0.5
_DAY = 24 * 60 * 60 * 1_000_000


def create_import(
    service: Service, caller: Caller, collection_name: str, spec: Spec, on_conflict: OnConflict
) -> Import:
    """Begin to take in a file; its parts follow by `put_part`.

    Raises NotFound, Refused for whoever may write nothing there, InvalidInput for what cannot be
    read like that, Conflict when too many files of the same caller wait.
    """
    collection = collection_of(service, collection_name)
    operation = operation_on("record.import", collection)
    service.spine.decide(caller, operation)
    _require_some_writing(service, caller, collection, on_conflict)
    checked = spec.checked()
    # A mapping to what is no field is told now, not when the file has been sent.
    Headings(known_fields(collection), checked.mapping)
    commission = Commission(
        collection.name, on_conflict, checked, caller.principal, caller.address, caller.ticket
    )
    most = service.settings.imports.most_waiting

    def act(connection: Connection) -> Outcome[Import]:
        subject = caller.principal.subject
        if import_row.count_open(connection, subject) >= most:
            raise Conflict(f"{most} files of yours wait; import or cancel one of them first")
        at = service.clock.micros()
        import_id = uuid_utils.uuid7().hex
        key = source.make_key(
            connection, service.keyring, collection.name, import_id, at, service.random
        )
        made = import_row.insert_import(
            connection,
            import_id,
            collection=collection.name,
            requested_by=subject,
            form=checked.form,
            on_conflict=on_conflict,
            terms=terms.sealed(service, commission, key, import_id),
            at=at,
        )
        return Outcome(made, count=0, detail=_detail(made))

    return service.spine.change(caller, operation, act)


def put_part(
    service: Service, caller: Caller, import_id: str, number: int, content: bytes
) -> Import:
    """Keep a part of the file, sealed; the parts are numbered from 1, and may be sent again.

    Raises NotFound, Refused for whoever did not begin it, InvalidInput, Conflict.
    """

    def act(connection: Connection) -> Outcome[Import]:
        found = import_row.read_import(connection, import_id, hold=True)
        _require_own(caller, found)
        kept = source.put_part(
            connection,
            service.keyring,
            found,
            number,
            content,
            most_bytes=service.settings.imports.max_bytes,
            at=service.clock.micros(),
            random=service.random,
        )
        return Outcome(kept, count=0, detail={**_detail(kept), "bytes": len(content)})

    return service.spine.change(caller, _operation_on(service, import_id), act)


def check_import(
    service: Service, caller: Caller, import_id: str, *, by_worker: bool = True
) -> Import:
    """Have the whole file looked at, as an import would, without storing anything.

    by_worker: else whoever calls does the work, by `running.do_import`. Raises NotFound, Refused,
    Conflict, InvalidInput when the file is not whole.
    """
    return _set_to_work(
        service, caller, import_id, ("receiving", "checked"), "check", by_worker=by_worker
    )


def start_import(
    service: Service, caller: Caller, import_id: str, *, by_worker: bool = True
) -> Import:
    """Have the file checked, and imported when nothing is wrong with it; as `check_import`."""
    return _set_to_work(
        service, caller, import_id, ("receiving", "checked"), "import", by_worker=by_worker
    )


def resume_import(
    service: Service, caller: Caller, import_id: str, *, by_worker: bool = True
) -> Import:
    """Have an import go on where it stopped, or nobody works on it any more, with the rights of
    now. Whoever still works on it can write nothing more once it is taken up. As `check_import`.
    """
    resumable: tuple[State, ...] = ("stopped", *import_row.AT_WORK)
    return _set_to_work(service, caller, import_id, resumable, None, by_worker=by_worker)


def cancel_import(service: Service, caller: Caller, import_id: str) -> Import:
    """End an import and destroy its file; what is stored stays. Raises NotFound, Conflict."""

    def act(connection: Connection) -> Outcome[Import]:
        found = import_row.read_import(connection, import_id, hold=True)
        ended = import_row.end_import(connection, found, "cancelled", service.clock.micros())
        source.forget_source(connection, ended)
        return Outcome(ended, count=ended.created + ended.updated, detail=_detail(ended))

    return service.spine.change(caller, _operation_on(service, import_id), act)


def read_import(service: Service, caller: Caller, import_id: str) -> Import:
    """How far an import is. Raises NotFound, Refused."""
    return service.spine.read(
        caller,
        _operation_on(service, import_id),
        lambda connection: Outcome(
            import_row.read_import(connection, import_id), count=0, detail={"run": import_id}
        ),
    )


def import_faults(
    service: Service, caller: Caller, import_id: str
) -> tuple[Import, tuple[FaultOfRow, ...]]:
    """What was found to be wrong with a file, by row and field. Raises NotFound, Refused."""

    def act(connection: Connection) -> Outcome[tuple[Import, tuple[FaultOfRow, ...]]]:
        found = import_row.read_import(connection, import_id)
        faults = import_row.faults_of(connection, import_id)
        return Outcome((found, faults), count=0, detail={"run": import_id})

    return service.spine.read(caller, _operation_on(service, import_id), act)


def list_imports(service: Service, caller: Caller, limit: int) -> tuple[Import, ...]:
    """The newest imports into the collections that the caller may import into, newest first.

    Raises Refused for whoever may import into none.
    """
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    every = sorted(service.collections.values(), key=lambda one: (one.department, one.name))
    operations = {one.name: operation_on("record.import", one) for one in every}
    allowed = service.spine.allowed(caller, operations)
    # Who may import into none is refused, and that is on record.
    asked = operations[allowed[0]] if allowed else operation_on("record.import", every[0])

    def act(connection: Connection) -> Outcome[tuple[Import, ...]]:
        found = import_row.newest_imports(connection, allowed, limit)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, asked, act)


def watch_import(
    service: Service, caller: Caller, import_id: str, tell: Callable[[Import], None]
) -> Import:
    """Return the import when nobody works on it any more, told of its progress until then.

    Looking on is one entry in the log, however long it takes. Raises NotFound, Refused.
    """
    seen = read_import(service, caller, import_id)
    tell(seen)
    while seen.state in import_row.AT_WORK:
        service.clock.sleep(LOOK_SECONDS)
        with service.store.read() as connection:
            seen = import_row.read_import(connection, import_id)
        tell(seen)
    return seen


def forget_stale(service: Service) -> int:
    """End the imports that nobody has touched for `imports.keep_days`, and destroy their files."""
    at = service.clock.micros()
    before = at - service.settings.imports.keep_days * _DAY
    ended = 0
    with service.store.write() as connection:
        for found in import_row.stale_imports(connection, before):
            expired = import_row.end_import(connection, found, "expired", at)
            source.forget_source(connection, expired)
            event = event_of(service, expired, Actor("system", "secvault"), "ok")
            service.audit.enqueue(connection, event)
            ended += 1
    service.audit.kick()
    return ended


def _set_to_work(
    service: Service,
    caller: Caller,
    import_id: str,
    states: tuple[State, ...],
    goal: Goal | None,
    *,
    by_worker: bool,
) -> Import:
    with service.store.read() as connection:
        known = import_row.read_import(connection, import_id)
    collection = collection_of(service, known.collection)
    operation = operation_on("record.import", collection)
    service.spine.decide(caller, operation)
    _require_some_writing(service, caller, collection, known.on_conflict)

    def act(connection: Connection) -> Outcome[Import]:
        found = import_row.read_import(connection, import_id, hold=True)
        _require_own(caller, found)
        if found.state not in states:
            raise Conflict(f"the import is {found.state}")
        source.require_whole(connection, found)
        commission = terms.read_commission(service, connection, found).by(caller)
        key = source.key_of(connection, service.keyring, found.collection, found.id)
        set_to = import_row.set_to_work(
            connection,
            found,
            # What is stored in part is not checked again: its own records would be in the way.
            state="importing" if found.position else "checking",
            goal=goal or found.goal,
            terms=terms.sealed(service, commission, key, found.id),
            at=service.clock.micros(),
        )
        if by_worker:
            queue.request(
                connection,
                kind=IMPORT,
                plan=found.id,
                requested_by=caller.principal.subject,
                now=service.clock.micros(),
                random=service.random,
            )
        return Outcome(set_to, count=0, detail=_detail(set_to))

    return service.spine.change(caller, operation, act)


def _operation_on(service: Service, import_id: str) -> Operation:
    with service.store.read() as connection:
        found = import_row.read_import(connection, import_id)
    return operation_on("record.import", collection_of(service, found.collection))


def _require_some_writing(
    service: Service, caller: Caller, collection: Collection, on_conflict: OnConflict
) -> None:
    """Return when there is a kind of record that they may write. Raises Refused, on record."""
    sorts = sorts_of(caller, collection)
    updating = operation_on("record.update", collection)
    if on_conflict is OnConflict.UPDATE and service.spine.may_some(caller, updating, sorts):
        return
    service.spine.some(caller, operation_on("record.create", collection), sorts)


def _require_own(caller: Caller, found: Import) -> None:
    if found.requested_by != caller.principal.subject:
        raise Refused(
            "the import is somebody else's, and would be done with their rights; send the file anew"
        )


def _detail(found: Import) -> dict[str, str | int | bool]:
    return {
        "run": found.id,
        "state": found.state,
        "format": found.format.value,
        "bytes": found.bytes,
    }

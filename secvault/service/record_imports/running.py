"""The work of an import: its file is checked as a whole, then stored batch by batch.

It may be killed at any moment and begun again by anybody: what is stored and how far it is are
written down together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from threading import Event as Signal

from secvault.audit.event import Actor, Event
from secvault.audit.event import Outcome as AuditOutcome
from secvault.errors import (
    Cancelled,
    InvalidInput,
    NotAuthenticated,
    Refused,
    Sealed,
    SecvaultError,
    Unavailable,
)
from secvault.records.collection import Collection
from secvault.records.imports import import_row, source
from secvault.records.imports.heading import known_fields
from secvault.records.imports.import_row import MOST_FAULTS, FaultOfRow, Import, State, Superseded
from secvault.records.imports.reader_process import rows_apart
from secvault.records.imports.row import Row
from secvault.records.imports.spec import Bounds
from secvault.service.record_asking import collection_of
from secvault.service.record_imports.commission import Commission, read_commission
from secvault.service.record_imports.preparing import Preparer
from secvault.service.record_imports.writing import Moved, store_batch
from secvault.service.service import Service
from secvault.service.spine import Caller, actor_of

Tell = Callable[[Import], None]
_NOTE_EVERY = 20
"""Batches between two notes of how far checking is."""
_MOST_MOVES = 5


@dataclass(frozen=True)
class _Run:
    """One process at work on one import, from its claim on."""

    service: Service
    commission: Commission
    caller: Caller
    collection: Collection
    claim: str
    cancel: Signal
    tell: Tell

    def rows(self, found: Import) -> Generator[Row, None, None]:
        """The rows that are still to be done, read by a process of their own."""
        return rows_apart(
            source.parts_of(self.service.store, self.service.keyring, found),
            self.commission.spec,
            known_fields(self.collection),
            after=found.position,
            bounds=bounds_of(self.service),
        )

    def preparer(self) -> Preparer:
        """What prepares them."""
        return Preparer(self.service, self.caller, self.collection, self.commission.on_conflict)

    def of_now(self) -> _Run:
        """The same, by the schema that is in force now."""
        collection = collection_of(self.service, self.collection.name)
        return self if collection is self.collection else replace(self, collection=collection)

    def look(self) -> None:
        """Return when the work may go on. Raises Cancelled."""
        if self.cancel.is_set():
            raise Cancelled("the import goes on when it is resumed")


def bounds_of(service: Service) -> Bounds:
    """What a file may be, by the settings."""
    chosen = service.settings.imports
    return Bounds(
        rows=chosen.max_rows,
        columns=chosen.max_columns,
        cell=chosen.max_cell,
        expanded=chosen.max_unpacked_bytes,
        ratio=chosen.max_unpacked_times,
        memory=chosen.reader_memory_mib * 1024 * 1024,
        seconds=chosen.reader_seconds,
    )


def do_import(
    service: Service, import_id: str, cancel: Signal, tell: Tell = lambda _now: None
) -> Import:
    """Do what is to be done for an import, from where it is; the import as it is then.

    Whatever keeps it from going on is written down with it, in the state `stopped`. cancel: set
    when this process must stop soon. Raises Cancelled then, NotFound, and Unavailable: the work
    can be begun again.
    """
    claim = service.random(16).hex()
    with service.store.write() as connection:
        try:
            found = import_row.claim_import(connection, import_id, claim)
        except Superseded:
            return import_row.read_import(connection, import_id)
        commission = read_commission(service, connection, found)
    try:
        run = _Run(
            service,
            commission,
            commission.caller(),
            collection_of(service, found.collection),
            claim,
            cancel,
            tell,
        )
        if found.state == "checking":
            found = _check(run, found)
        if found.state == "importing":
            found = _store(run, found)
            found = _end(service, commission, claim, found, "done")
    except (Unavailable, Sealed):
        raise
    except Cancelled as error:
        if not isinstance(error, Superseded):
            raise
    except SecvaultError as error:
        _stop(service, commission, claim, import_id, error)
    with service.store.read() as connection:
        return import_row.read_import(connection, import_id)


def _check(run: _Run, found: Import) -> Import:
    """Look at the whole file, so that none of it is stored when any of it cannot be."""
    preparer, faults, total = run.preparer(), list[FaultOfRow](), 0
    try:
        with closing(run.rows(found)) as rows:
            for count, some in enumerate(_batches(rows, run.service.settings.imports.batch_rows)):
                run.look()
                total += len(some)
                faults.extend(preparer.prepare(some).faults)
                if len(faults) >= MOST_FAULTS:
                    break
                if count % _NOTE_EVERY == 0:
                    found = _note(run, found, total)
    except InvalidInput as error:
        faults.extend(FaultOfRow(0, each.field, each.detail) for each in error.fields)
    if not total and not faults:
        faults.append(FaultOfRow(0, "file", "holds no record"))
    found = _note(run, found, total)
    if faults:
        return _end(run.service, run.commission, run.claim, found, "faulty", faults[:MOST_FAULTS])
    state: State = "importing" if found.goal == "import" else "checked"
    return _end(run.service, run.commission, run.claim, found, state)


def _note(run: _Run, found: Import, total: int) -> Import:
    with run.service.store.write() as connection:
        at = run.service.clock.micros()
        found = import_row.note_checked(connection, found, run.claim, total=total, at=at)
    run.tell(found)
    return found


def _store(run: _Run, found: Import) -> Import:
    preparer = run.preparer()
    with closing(run.rows(found)) as rows:
        for some in _batches(rows, run.service.settings.imports.batch_rows):
            run.look()
            now = run.of_now()
            if now is not run:
                run, preparer = now, now.preparer()
            found = _stored(run, preparer, found, some)
            run.tell(found)
    return found


def _stored(run: _Run, preparer: Preparer, found: Import, some: list[Row]) -> Import:
    for _ in range(_MOST_MOVES):
        batch = preparer.prepare(some)
        if batch.faults:
            first = batch.faults[0]
            raise InvalidInput.at(f"row {first.line}", f"{first.field}: {first.detail}")
        try:
            return store_batch(run.service, run.caller, run.collection, found, run.claim, batch)
        except Moved:
            continue
    raise Moved("records of the file come and go; resume the import when they rest")


def _end(
    service: Service,
    commission: Commission,
    claim: str,
    found: Import,
    state: State,
    faults: Iterable[FaultOfRow] = (),
) -> Import:
    """Write down that this part is over; at the end of all, the file is destroyed with it."""
    kept = tuple(faults)
    with service.store.write() as connection:
        at = service.clock.micros()
        ended = import_row.conclude(connection, found, claim, state, at=at, faults=kept)
        if ended.ended:
            source.forget_source(connection, ended)
        outcome: AuditOutcome = "error" if state == "faulty" else "ok"
        service.audit.enqueue(
            connection, event_of(service, ended, actor_of(commission.principal), outcome)
        )
    service.audit.kick()
    return ended


def _stop(
    service: Service, commission: Commission, claim: str, import_id: str, error: SecvaultError
) -> None:
    """Write down why it cannot go on, unless it was ended or taken over meanwhile."""
    outcome: AuditOutcome = "denied" if isinstance(error, Refused | NotAuthenticated) else "error"
    with service.store.write() as connection:
        at = service.clock.micros()
        found = import_row.read_import(connection, import_id, hold=True)
        try:
            stopped = import_row.conclude(
                connection, found, claim, "stopped", at=at, reason=f"{error.title}: {error.detail}"
            )
        except Superseded:
            return
        event = event_of(service, stopped, actor_of(commission.principal), outcome, error.code)
        service.audit.enqueue(connection, event)
    service.audit.kick()


def event_of(
    service: Service, found: Import, actor: Actor, outcome: AuditOutcome, reason: str = ""
) -> Event:
    """What the audit log keeps of how an import came out."""
    known = service.collections.get(found.collection)
    department = known.department if known else "it"
    detail: dict[str, str | int | bool] = {
        "run": found.id,
        "state": found.state,
        "format": found.format.value,
        "bytes": found.bytes,
        "problems": found.faults,
    }
    if reason:
        detail["reason"] = reason
    return Event(
        kind="record.import",
        outcome=outcome,
        actor=actor,
        resource=f"{department}/{found.collection}",
        department=department,
        count=found.created + found.updated,
        detail=detail,
    )


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    each = iter(rows)
    while some := list(islice(each, size)):
        yield some

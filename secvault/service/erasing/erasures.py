"""Erasing a person, a data subject or a record, for a reason and with a second person's word."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit.personal import (
    LOG_SUBJECTS,
    OF_PERSONAL,
    ErasedPersonal,
    count_personal,
    erase_personal,
    knows_subject,
)
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import verify_evidence
from secvault.errors import Conflict, InvalidInput, NotFound, OnHold
from secvault.identity import names
from secvault.records import erasure as rows
from secvault.records.erasure import Erasure
from secvault.records.hold import Held, Hold, holds_on, holds_on_person
from secvault.service.approval import Terms
from secvault.service.erasing import evidence, reach
from secvault.service.erasing.reach import Reach
from secvault.service.erasing.target import (
    Kind,
    Target,
    collection_of,
    digest_of,
    number_of,
    reason_of,
    records_of,
    subject_in_log,
)
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.record_rows import names_of_tables
from secvault.store.scrub import scrub

READ = Operation("erasure.read", "it", "erasures", "it/erasures")
LARGEST_PAGE = 500


@dataclass(frozen=True)
class Found:
    """What an erasure would take. by_collection: how many of each. holds: what forbids it. entries:
    of the audit log, of which what is personal goes.
    """

    target: Target
    by_collection: Mapping[str, int]
    holds: tuple[Hold, ...]
    entries: int = 0


@dataclass(frozen=True)
class Erased:
    """What an erasure has done. shared: records whose data key stays, because others share it.

    scrubbed: whether nothing of it is left in the database's files. reach: when it has reached the
    backups. entries: of the audit log, of which what was personal is gone.
    """

    id: str
    records: int
    keys: int
    fields: int
    shared: int
    scrubbed: bool
    reach: Reach
    entries: int = 0


def look(service: Service, caller: Caller, target: Target) -> Found:
    """What would be erased, before it is. Whoever may not erase it is told nothing."""
    operation = _operation(service, target)
    service.spine.decide(caller, operation)
    with service.store.read() as connection:
        records = records_of(service, connection, target)
        for each in _by_collection(service, target, records):
            service.spine.require(caller, each, connection)
        holds = holding(connection, target, records)
        entries = count_personal(connection, subject_in_log(connection, target))
    return Found(target, dict(Counter(one.collection for one in records)), holds, entries)


def erase(service: Service, caller: Caller, target: Target, reason: str) -> Erased:
    """Erase for good what is kept under this target: rows, index, attachments' keys, data keys, and
    of a person what is personal in the audit log, whose entries and proofs stay.

    A record whose data subject has others loses its rows; the data key goes with the last of them.
    Raises NotFound when nothing is kept, Erased, OnHold, ApprovalRequired, Refused, InvalidInput,
    Conflict when records come or go at the same moment.
    """
    said = reason_of(reason)
    erasure_id, who = names.new_id(service.clock), caller.principal.subject
    operation = _operation(service, target)
    asked: list[str] = []

    def terms(connection: Connection) -> Terms:
        records = records_of(service, connection, target)
        asked.append(digest_of(records))
        affected = subject_in_log(connection, target)
        what: dict[str, JsonValue] = {
            "kind": str(target.kind),
            "target": str(target),
            "reason": said,
            "records": len(records),
            "list": asked[-1],
        }
        return {**what, "subject": affected} if affected else what

    def act(connection: Connection) -> Outcome[tuple[rows.ErasedRows, int]]:
        records = records_of(service, connection, target)
        for each in _by_collection(service, target, records):
            service.spine.require(caller, each, connection)
        require_no_hold(connection, target, records)
        known = subject_in_log(connection, target)
        if not records and not (known and knows_subject(connection, known)):
            raise NotFound(f"nothing is kept on {target}")
        if digest_of(records) != asked[-1]:
            raise Conflict(
                f"what is kept on {target} changed at the same moment; look at it, then erase it"
            )
        at = service.clock.micros()
        approvers = evidence.approvers_of(
            connection, service.clock, who, operation, terms(connection)
        )
        logged = erase_personal(connection, known) if known else None
        entries = logged.events if logged else 0
        done = rows.erase_rows(
            connection, erasure_id, records, at, _subjects(service, target), _of_log(logged, at)
        )
        document = evidence.of_erasure(
            service,
            connection,
            evidence.Deed(erasure_id, target, said, who, approvers, at),
            done,
            terms_digest=digest_of(records),
            entries=entries,
        )
        signed = evidence.sign(service, document)
        made = Erasure(
            erasure_id,
            str(target.kind),
            who,
            at,
            len(done.records),
            len(done.destroyed),
        )
        rows.keep_erasure(connection, made, signed.document, signed.note)
        detail: dict[str, str | int | bool] = {
            "erasure": erasure_id,
            "evidence": hashlib.sha256(signed.document).hexdigest(),
        }
        if target.collection:
            detail["collection"] = target.collection
        if logged:
            detail |= {"subject": logged.subject, "entries": entries}
        return Outcome((done, entries), count=len(done.records), detail=detail)

    done, entries = service.spine.change(caller, operation, act, terms)
    scrubbed = scrub(service.store, service.clock, (*names_of_tables(), *OF_PERSONAL))
    with service.store.read() as connection:
        at = rows.read_erasure(connection, erasure_id).at
        reached = reach.reach_of(service, connection, at)
    return Erased(
        erasure_id,
        len(done.records),
        len(done.destroyed),
        done.fields,
        len(done.shared),
        scrubbed,
        reached,
        entries,
    )


def list_erasures(
    service: Service, caller: Caller, limit: int
) -> tuple[tuple[Erasure, Reach], ...]:
    """The newest erasures, newest first, and when each has reached the backups."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"use 1 to {LARGEST_PAGE}")

    def act(connection: Connection) -> Outcome[tuple[tuple[Erasure, Reach], ...]]:
        found = rows.list_erasures(connection, limit)
        seen = tuple((one, reach.reach_of(service, connection, one.at)) for one in found)
        return Outcome(seen, count=len(seen))

    return service.spine.read(caller, READ, act)


def read_evidence(
    service: Service, caller: Caller, erasure_id: str
) -> tuple[dict[str, JsonValue], bytes, bytes, Reach]:
    """The verified evidence of an erasure, its exact bytes, its note, and when it has reached the
    backups. Raises NotFound, Damaged.
    """

    def act(connection: Connection) -> Outcome[tuple[dict[str, JsonValue], bytes, bytes, Reach]]:
        document, note = rows.evidence_of(connection, erasure_id)
        verified = verify_evidence(document, note, service.signing.evidence.verifier())
        reached = reach.reach_of(service, connection, rows.read_erasure(connection, erasure_id).at)
        return Outcome((verified, document, note, reached), detail={"erasure": erasure_id})

    return service.spine.read(caller, READ, act)


def require_no_hold(connection: Connection, target: Target, records: Iterable[Held]) -> None:
    """Return when no hold forbids it. Raises OnHold, naming the holds."""
    found = holding(connection, target, records)
    if found:
        listed = ", ".join(one.id for one in found[:5])
        raise OnHold(
            f"{target} is under legal hold and is not erased: {listed}; see `secvault records "
            "holds list`. When the reason for a hold is over, have it lifted, then erase"
        )


def holding(connection: Connection, target: Target, records: Iterable[Held]) -> tuple[Hold, ...]:
    """The holds that forbid it, the oldest first."""
    found = {hold for by in holds_on(connection, records).values() for hold in by}
    number = number_of(connection, target)
    if number:
        found |= set(holds_on_person(connection, number))
    return tuple(sorted(found, key=lambda hold: (hold.placed_at, hold.id)))


def _subjects(service: Service, target: Target) -> tuple[tuple[str, str], ...]:
    """The data subjects that are meant as a whole, whose keys go from every copy."""
    if target.kind is Kind.SUBJECT:
        return ((target.collection, target.name),)
    if target.kind is Kind.PERSON:
        return tuple(
            (collection.name, subject)
            for collection in service.collections.values()
            for subject in rows.subjects_of_person(collection, target.name)
        )
    return ()


def _of_log(logged: ErasedPersonal | None, at: int) -> tuple[rows.DestroyedKey, ...]:
    """The keys of the audit log's subject, as they are buried; also where copies alone have one."""
    if logged is None:
        return ()
    until = max(logged.until, at)
    return (rows.DestroyedKey(LOG_SUBJECTS, logged.subject, logged.reference, until),)


def _operation(service: Service, target: Target) -> Operation:
    if target.kind in (Kind.PERSON, Kind.LOG):
        # Over all departments; what is found in each of them is asked for, too.
        return Operation("record.erase", "it", "*", "it/erasures")
    collection = collection_of(service, target.collection)
    place = f"{collection.department}/{collection.name}"
    if target.kind is Kind.RECORD:
        place = f"{place}/{target.name}"
    return Operation("record.erase", collection.department, collection.name, place)


def _by_collection(
    service: Service, target: Target, records: Iterable[Held]
) -> tuple[Operation, ...]:
    if target.kind is not Kind.PERSON:
        return ()
    return tuple(
        Operation("record.erase", found.department, name, f"{found.department}/{name}")
        for name in sorted({one.collection for one in records})
        if (found := service.collections.get(name)) is not None
    )

"""Operations on the audit log: read it, verify it, take a signed checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from secvault.audit import cosignatures, query
from secvault.audit.leaf import StoredEvent
from secvault.audit.personal_check import check_personal
from secvault.audit.query import Question
from secvault.audit.signing_keys import AuditKey
from secvault.audit.verify import AuditReport, Progress, verify
from secvault.crypto.note import NoteVerifier
from secvault.errors import AuditUnavailable, NotFound
from secvault.service import audit_places
from secvault.service.audit_personal import Seen, personal_for
from secvault.service.log_signing import sign_now
from secvault.service.reveals import reasons_for
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import open_store

LOG = Operation("audit.read", "it", "log", "it/audit")
VERIFY = Operation("audit.verify", "it", "log", "it/audit")


@dataclass(frozen=True)
class Events:
    """Some events. next: the `after` of the next page; None at the end. previous: the `before` of
    the page before; None at the beginning.

    reasons: why values were revealed, by the id of the event, as far as the caller may see the
    history of the record; None for one that was changed in the store, nothing for one that is gone.
    personal: what the caller may see of what is personal in them, by event id.
    """

    events: tuple[StoredEvent, ...]
    next: int | None
    reasons: Mapping[str, str | None]
    personal: Mapping[str, Seen]
    previous: int | None = None


@dataclass(frozen=True)
class Keys:
    """The public keys that verify this vault's checkpoints and evidence (C2SP vkey texts).

    audit: the one that signs now. audit_keys: all that ever signed the log, the newest first.
    """

    audit: str
    evidence: str
    audit_keys: tuple[AuditKey, ...]


def read_events(
    service: Service,
    caller: Caller,
    question: Question,
    after: int | None,
    limit: int,
    before: int | None = None,
) -> Events:
    """A page of events, newest first; the first has all that was acknowledged before.

    after, before: as in `query.page`. While the log cannot be written (its disk is full), the
    newest may be missing from it.
    """

    def act(_: object) -> Outcome[Events]:
        if after is None:
            _catch_up(service)
        found = query.page(service.store, question, after=after, before=before, limit=limit)
        known = _events(service, caller, found.events, found.next, found.previous)
        return Outcome(known, count=len(found.events))

    return service.spine.read(caller, LOG, act)


def read_event(service: Service, caller: Caller, seq: int) -> Events:
    """The one event with this number. Raises NotFound, Damaged."""

    def act(_: object) -> Outcome[Events]:
        _catch_up(service)
        found = query.event_at(service.store, seq)
        if found is None:
            raise NotFound(f"the log has no event {seq}")
        return Outcome(_events(service, caller, (found,), None), detail={"seq": seq})

    return service.spine.read(caller, LOG, act)


def _events(
    service: Service,
    caller: Caller,
    events: tuple[StoredEvent, ...],
    after: int | None,
    before: int | None = None,
) -> Events:
    reasons = reasons_for(service, caller, events)
    return Events(events, after, reasons, personal_for(service, caller, events), before)


def verify_log(
    service: Service, caller: Caller, progress: Progress = lambda _done, _total: None
) -> AuditReport:
    """Recompute the whole tree from the stored bytes and compare it with every checkpoint, and what
    is personal beside them with what they bind.
    """

    def act(_: object) -> Outcome[AuditReport]:
        report = checked(service, progress)
        detail: dict[str, str | int | bool] = {
            "passed": report.ok,
            "size": report.size,
            "problems": len(report.problems),
        }
        if report.first_bad_seq is not None:
            detail["first_bad"] = report.first_bad_seq
        return Outcome(report, detail=detail)

    return service.spine.read(caller, VERIFY, act)


def checked(service: Service, progress: Progress = lambda _done, _total: None) -> AuditReport:
    """What `verify_log` finds, for whoever decides and records otherwise who may know it."""
    _catch_up(service)
    report = _verified(service, progress)
    if service.audit.keys is None:
        return report
    return check_personal(service.store, service.audit.keys).added_to(report)


def _catch_up(service: Service) -> None:
    """Have the log take what waits outside of it, unless it cannot be written now."""
    with suppress(AuditUnavailable):
        service.audit.drain()


def _verified(service: Service, progress: Progress) -> AuditReport:
    """The report, with what was published compared as well, as far as it can be reached."""
    published, unread = audit_places.published_notes(service)
    known = service.signing.audit_verifiers
    origin = known[0].name
    report = verify(
        service.store,
        [each for each in known if each.name == origin],
        origin=origin,
        published=published,
        former=[each for each in known if each.name != origin],
        progress=progress,
    )
    return replace(report, unread=unread)


def verify_copy(
    database: str,
    verifiers: Sequence[NoteVerifier],
    progress: Progress = lambda _done, _total: None,
) -> AuditReport:
    """Verify the log in a copy of the database with the public keys alone; nothing is recorded.

    verifiers: of the log, the newest first.
    """
    store = open_store(database)
    origin = verifiers[0].name
    try:
        return verify(
            store,
            [each for each in verifiers if each.name == origin],
            origin=origin,
            former=[each for each in verifiers if each.name != origin],
            progress=progress,
        )
    finally:
        store.close()


def take_checkpoint(service: Service, caller: Caller) -> bytes:
    """The signed checkpoint of the log as it is now: a C2SP signed note to keep elsewhere."""

    def act(_: object) -> Outcome[bytes]:
        service.audit.drain()
        return Outcome(cosignatures.published_note(service.store, sign_now(service)))

    return service.spine.read(caller, VERIFY, act)


def public_keys(service: Service, caller: Caller) -> Keys:
    """The public keys that verify this vault's signatures."""
    audit, evidence = service.signing.verifiers
    found = Keys(audit.vkey, evidence.vkey, service.signing.audit_keys())
    return service.spine.read(caller, VERIFY, lambda _: Outcome(found))

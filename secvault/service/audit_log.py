"""Operations on the audit log: read it, verify it, take a signed checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from secvault.audit import cosignatures, query
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question
from secvault.audit.signing_keys import AuditKey
from secvault.audit.verify import AuditReport, verify
from secvault.crypto.note import NoteVerifier
from secvault.service import audit_places
from secvault.service.log_signing import sign_now
from secvault.service.reveals import reasons_for
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import open_store

LOG = Operation("audit.read", "it", "log", "it/audit")
VERIFY = Operation("audit.verify", "it", "log", "it/audit")


@dataclass(frozen=True)
class Events:
    """Some events. next: the `after` of the next page; None at the end.

    reasons: why values were revealed, by the id of the event, as far as the caller may see the
    history of the record; None for one that was changed in the store, nothing for one that is gone.
    """

    events: tuple[StoredEvent, ...]
    next: int | None
    reasons: Mapping[str, str | None]


@dataclass(frozen=True)
class Keys:
    """The public keys that verify this vault's checkpoints and evidence (C2SP vkey texts).

    audit: the one that signs now. audit_keys: all that ever signed the log, the newest first.
    """

    audit: str
    evidence: str
    audit_keys: tuple[AuditKey, ...]


def read_events(
    service: Service, caller: Caller, question: Question, after: int | None, limit: int
) -> Events:
    """A page of events, newest first; the first has all that was acknowledged before."""

    def act(_: object) -> Outcome[Events]:
        if after is None:
            service.audit.drain()
        found = query.page(service.store, question, after=after, limit=limit)
        known = Events(found.events, found.next, reasons_for(service, caller, found.events))
        return Outcome(known, count=len(found.events))

    return service.spine.read(caller, LOG, act)


def verify_log(service: Service, caller: Caller) -> AuditReport:
    """Recompute the whole tree from the stored bytes and compare it with every checkpoint."""

    def act(_: object) -> Outcome[AuditReport]:
        service.audit.drain()
        report = _verified(service)
        detail: dict[str, str | int | bool] = {
            "passed": report.ok,
            "size": report.size,
            "problems": len(report.problems),
        }
        if report.first_bad_seq is not None:
            detail["first_bad"] = report.first_bad_seq
        return Outcome(report, detail=detail)

    return service.spine.read(caller, VERIFY, act)


def _verified(service: Service) -> AuditReport:
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
    )
    return replace(report, unread=unread)


def verify_copy(database: str, verifiers: Sequence[NoteVerifier]) -> AuditReport:
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

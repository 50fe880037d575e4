"""Operations on the audit log: read it, verify it, take a signed checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secvault.audit import checkpoints, cosignatures, query
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question
from secvault.audit.verify import AuditReport, verify
from secvault.crypto.note import NoteVerifier
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
    """The public keys that verify this vault's checkpoints and evidence (C2SP vkey texts)."""

    audit: str
    evidence: str


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
        signer = service.signing.audit
        report = verify(service.store, [signer.verifier()], origin=signer.name)
        detail: dict[str, str | int | bool] = {
            "passed": report.ok,
            "size": report.size,
            "problems": len(report.problems),
        }
        if report.first_bad_seq is not None:
            detail["first_bad"] = report.first_bad_seq
        return Outcome(report, detail=detail)

    return service.spine.read(caller, VERIFY, act)


def verify_copy(database: str, verifier: NoteVerifier) -> AuditReport:
    """Verify the log in a copy of the database with the public key alone; nothing is recorded."""
    store = open_store(database)
    try:
        return verify(store, [verifier], origin=verifier.name)
    finally:
        store.close()


def take_checkpoint(service: Service, caller: Caller) -> bytes:
    """The signed checkpoint of the log as it is now: a C2SP signed note to keep elsewhere."""

    def act(_: object) -> Outcome[bytes]:
        service.audit.drain()
        signer = service.signing.audit
        signed = checkpoints.sign_head(service.store, service.clock, signer, origin=signer.name)
        return Outcome(cosignatures.published_note(service.store, signed))

    return service.spine.read(caller, VERIFY, act)


def public_keys(service: Service, caller: Caller) -> Keys:
    """The public keys that verify this vault's signatures."""
    audit, evidence = service.signing.verifiers
    return service.spine.read(caller, VERIFY, lambda _: Outcome(Keys(audit.vkey, evidence.vkey)))

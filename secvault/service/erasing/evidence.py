"""The signed end of an erasure: what was erased, why, at whose word, and what is left of it.

The document is canonical JSON of kind `privacy.erasure` (see `crypto.evidence`). It names numbers
and ids, never a value: whose data is gone must be shown afterwards, what it said must not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault.clock import Clock, timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.records.erasure import ErasedRows
from secvault.records.hold import Held
from secvault.records.retention_run import Item, RetentionRun
from secvault.service.approval import Proposal, Terms
from secvault.service.approvals import requests
from secvault.service.approvals.subjects import name_of
from secvault.service.erasing.target import Target
from secvault.service.operation import Operation
from secvault.service.service import Service
from secvault.store.tables import erased_subject

KIND, VERSION = "privacy.erasure", 1


@dataclass(frozen=True)
class Deed:
    """An erasure as asked for. by, approved_by: subjects. at: micros."""

    id: str
    target: Target
    reason: str
    by: str
    approved_by: tuple[str, ...]
    at: int


def of_erasure(
    service: Service,
    connection: Connection,
    deed: Deed,
    done: ErasedRows,
    *,
    terms_digest: str,
    entries: int,
) -> dict[str, JsonValue]:
    """The evidence of an erasure that somebody asked for. terms_digest: as in its terms. entries:
    of the audit log, of which what was personal is gone.
    """
    shared = set(done.shared)
    return {
        **_begun(service, connection, deed.id, deed.by, deed.at),
        "asked_for": {
            "kind": str(deed.target.kind),
            "collection": deed.target.collection,
            "target": deed.target.name,
            "reason": deed.reason,
            "list": terms_digest,
        },
        "approved_by": [_who(connection, one) for one in deed.approved_by],
        "records": [_record(one, key_destroyed=one not in shared) for one in done.records],
        "fields": done.fields,
        "log_entries": entries,
        "keys": [
            {
                "collection": one.collection,
                "subject": one.subject,
                "wrapped_sha256": one.reference.hex(),
                "made_until": timestamp(one.created_at),
            }
            for one in done.destroyed
        ],
        # Whose keys are left out of every copy of the database, whenever they were made before.
        "subjects": [{"collection": one.collection, "subject": one.subject} for one in done.keys],
    }


def of_retention(
    service: Service,
    connection: Connection,
    run: RetentionRun,
    items: Iterable[Item],
    at: int,
) -> dict[str, JsonValue]:
    """The evidence of a run of retention that has come to its end. at: micros."""
    by = run.approved_by or run.proposed_by
    column = erased_subject.c
    keys = connection.execute(
        select(column.collection, column.subject, column.reference, column.created_at)
        .where(column.erasure == run.erasure)
        .order_by(column.collection, column.subject)
    ).all()
    return {
        **_begun(service, connection, run.erasure or "", by, at),
        "asked_for": {
            "kind": "retention",
            "run": run.id,
            "proposed_by": _who(connection, run.proposed_by),
            "proposed_at": timestamp(run.proposed_at),
            "list": run.digest,
        },
        "approved_by": [_who(connection, one) for one in run.approvers],
        "records": [
            {
                "collection": one.collection,
                "id": one.id,
                "since": one.since,
                "due": one.due,
                "period": one.period,
                "state": one.state,
                "key_destroyed": bool(one.keys),
            }
            for one in items
        ],
        "keys": [
            {
                "collection": one.collection,
                "subject": one.subject,
                "wrapped_sha256": one.reference.hex(),
                "made_until": timestamp(one.created_at),
            }
            for one in keys
        ],
        "subjects": [{"collection": one.collection, "subject": one.subject} for one in keys],
    }


def sign(service: Service, document: dict[str, JsonValue]) -> SignedEvidence:
    """The document under the vault's key for evidence."""
    return sign_evidence(document, service.signing.evidence)


def _begun(
    service: Service, connection: Connection, erasure_id: str, by: str, at: int
) -> dict[str, JsonValue]:
    return {
        "kind": KIND,
        "version": VERSION,
        "vault": service.keyring.vault_id,
        "organisation": service.settings.organisation,
        "id": erasure_id,
        "erased_by": _who(connection, by),
        "erased_at": timestamp(at),
        "backups": {
            "plans": [*sorted(service.backups.plans())],
            "data_keys_kept_days": service.settings.backup.keys_days,
        },
    }


def approvers_of(
    connection: Connection, clock: Clock, subject: str, operation: Operation, terms: Terms
) -> tuple[str, ...]:
    """Who approved what the present transaction uses up for exactly this; nobody where none was
    needed.
    """
    proposal = Proposal(
        subject,
        operation.action,
        operation.department,
        operation.object,
        operation.resource,
        terms,
    )
    request = requests.used_now(connection, proposal.digest, subject)
    if request is None:
        return ()
    given = requests.read_request(connection, clock, request).approvals
    return tuple(one.approver for one in given)


def _who(connection: Connection, subject: str) -> dict[str, JsonValue]:
    return {"subject": subject, "name": name_of(connection, subject)}


def _record(one: Held, *, key_destroyed: bool) -> dict[str, JsonValue]:
    return {
        "collection": one.collection,
        "id": one.id,
        "subject": one.subject,
        "key_destroyed": key_destroyed,
    }

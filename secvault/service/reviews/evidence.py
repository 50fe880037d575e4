"""The signed end of a campaign: who held what, who decided what of it, when and how fast.

The document is canonical JSON of kind `access-review` (see `crypto.evidence`). It names people, as
an auditor needs, so it lies in the database and goes to who may read reviews; the audit log has its
digest alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from hashlib import sha256

from sqlalchemy import Connection

from secvault.clock import moment, timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, sign_evidence, verify_evidence
from secvault.service.reviews import campaigns, population, views
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.facts import Eligible
from secvault.service.reviews.pace import Pace, pace
from secvault.service.reviews.population import Reading, Register
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.tabular.guard import guarded

KIND, VERSION = "access-review", 1
_DAY = 86_400 * 1_000_000
COLUMNS = (
    "subject",
    "name",
    "display_name",
    "role",
    "department",
    "sensitive",
    "granted_by_name",
    "created_at",
    "expires_at",
    "last_used",
    "last_seen",
    "orphan",
    "state",
    "reviewer_name",
    "decided_at",
    "comment",
    "new_end",
    "grant",
    "item",
)


def signed(service: Service, connection: Connection, campaign: Campaign, by: str) -> SignedEvidence:
    """The evidence of a campaign as it is now, in the caller's transaction."""
    document = _document(service, connection, campaign, by)
    return sign_evidence(document, service.signing.evidence)


def read_evidence(
    service: Service, caller: Caller, campaign_id: str
) -> tuple[dict[str, JsonValue], bytes, bytes]:
    """The verified document of a finished campaign, its exact bytes, and its note.

    Raises NotFound, Conflict while it is not finished, Damaged.
    """

    def act(connection: Connection) -> Outcome[tuple[dict[str, JsonValue], bytes, bytes]]:
        document, note = campaigns.evidence(connection, campaign_id)
        verified = verify_evidence(document, note, service.signing.evidence.verifier())
        return Outcome((verified, document, note), detail={"campaign": campaign_id})

    return service.spine.read(caller, views.operation("review.read", campaign_id), act)


def digest_of(document: bytes) -> str:
    """What the audit log has of a document: its SHA-256 in hexadecimal."""
    return sha256(document).hexdigest()


def paces(items: Iterable[Item]) -> tuple[Pace, ...]:
    """How fast each reviewer decided, by subject."""
    made: dict[str, list[tuple[int, bool]]] = {}
    for item in items:
        if item.decided_by and item.decided_at:
            kept = item.state == campaigns.KEPT
            made.setdefault(item.decided_by, []).append((item.decided_at, kept))
    return tuple(pace(reviewer, decisions) for reviewer, decisions in sorted(made.items()))


def as_csv(document: Mapping[str, JsonValue]) -> str:
    """The items of a document as CSV, with lines that end with CR LF.

    No cell is taken for a formula by a spreadsheet: what looks like one has an apostrophe before.
    """
    out = io.StringIO(newline="")
    written = csv.writer(out, quoting=csv.QUOTE_ALL)
    written.writerow(COLUMNS)
    items = document["items"]
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            written.writerow([guarded(_cell(item.get(column))) for column in COLUMNS])
    return out.getvalue()


def day(days: int | None) -> str | None:
    """Days since the epoch as a date, for instance 2026-11-03."""
    return None if days is None else moment(days * _DAY).strftime("%Y-%m-%d")


def as_row(one: Eligible) -> dict[str, JsonValue]:
    """A role that somebody may activate, for programs."""
    return {
        "eligibility": one.id,
        "subject": one.subject,
        "name": one.name,
        "role": one.role,
        "department": one.department,
        "created_at": timestamp(one.created_at),
        "expires_at": _time(one.expires_at),
        "last_used": _time(one.last_used),
        "privileged": one.privileged,
    }


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(str(one) for one in value)
    return str(value)


def _document(
    service: Service, connection: Connection, campaign: Campaign, by: str
) -> dict[str, JsonValue]:
    items = campaigns.list_items(connection, campaign=campaign.id)
    everybody = population.register(connection)
    known = population.reading(service, connection)
    return {
        "kind": KIND,
        "version": VERSION,
        "vault": service.keyring.vault_id,
        "organisation": service.settings.organisation,
        "id": campaign.id,
        "name": campaign.name,
        "owner": _who(everybody, campaign.owner),
        "started_by": _who(everybody, campaign.started_by),
        "started_at": timestamp(campaign.started_at),
        "deadline": timestamp(campaign.deadline),
        "overdue": campaign.overdue,
        "overdue_days": campaign.overdue_days,
        "finished_by": _who(everybody, by),
        "finished_at": timestamp(service.clock.micros()),
        "scope": {
            "departments": [*campaign.scope.departments],
            "roles": [*campaign.scope.roles],
            "privileged_only": campaign.scope.privileged_only,
            "systems": campaign.scope.systems,
        },
        "reviewers": {
            "heads": campaign.reviewers.heads,
            "named": [_who(everybody, one) for one in campaign.reviewers.named],
            "fallback": _who(everybody, campaign.reviewers.fallback),
        },
        "policy": {"epoch": campaign.frozen.epoch, "digest": campaign.frozen.policy},
        "uses_known_since": _time(campaign.frozen.used_since),
        "systems_without_owner": [*campaign.frozen.ownerless],
        "eligible": [as_row(one) for one in campaign.frozen.eligible],
        "counts": dict(campaigns.counts(connection, campaign.id)),
        "items": [_item(everybody, item) for item in items],
        "granted_meanwhile": _meanwhile(service, connection, campaign, items, known, everybody),
        "pace": [
            {
                "reviewer": _who(everybody, one.reviewer),
                "decided": one.decided,
                "kept": one.kept,
                "most_in_a_minute": one.most_in_a_minute,
                "median_seconds": one.median_seconds,
            }
            for one in paces(items)
        ],
        "keeps_per_minute": service.settings.reviews.keeps_per_minute,
    }


def _item(everybody: Register, item: Item) -> dict[str, JsonValue]:
    facts = item.facts
    return {
        "item": item.id,
        "grant": item.grant_id,
        "subject": item.subject,
        "name": facts.name,
        "display_name": facts.display_name,
        "role": facts.role,
        "department": facts.department,
        "source": facts.source,
        "inherits": [*facts.inherits],
        "sensitive": [*facts.sensitive],
        "privileged": facts.privileged,
        "granted_by": facts.granted_by,
        "granted_by_name": facts.granted_by_name,
        "created_at": timestamp(facts.created_at),
        "not_before": timestamp(facts.not_before),
        "expires_at": _time(facts.expires_at),
        "last_used": day(facts.last_used),
        "last_seen": _time(facts.last_seen),
        "orphan": facts.orphan,
        "owner": facts.owner,
        "pair": facts.pair,
        "reviewer": item.reviewer,
        "reviewer_name": everybody.name(item.reviewer) if item.reviewer else None,
        "state": item.state,
        "decided_by": item.decided_by,
        "decided_at": _time(item.decided_at),
        "comment": item.comment,
        "new_end": _time(item.new_end),
    }


def _meanwhile(
    service: Service,
    connection: Connection,
    campaign: Campaign,
    items: Iterable[Item],
    known: Reading,
    everybody: Register,
) -> list[JsonValue]:
    """What was granted in the scope since the start, and so was not reviewed."""
    reviewed = {item.grant_id for item in items}
    now = service.clock.micros()
    return [
        {
            "grant": grant.id,
            "subject": grant.subject,
            "name": everybody.name(grant.subject),
            "role": grant.role,
            "department": grant.department,
            "granted_by": grant.granted_by,
            "created_at": timestamp(grant.created_at),
        }
        for grant in population.standing_grants(connection, now)
        if grant.id not in reviewed and population.in_scope(known, grant, campaign.scope)
    ]


def _who(everybody: Register, subject: str) -> dict[str, JsonValue] | None:
    return {"subject": subject, "name": everybody.name(subject)} if subject else None


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)

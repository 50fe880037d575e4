"""What is wrong with the vault itself: its log and who watches it, its keys, what detection saw."""

from __future__ import annotations

from collections.abc import Iterator

from secvault.audit.witnesses import ALARMING
from secvault.console.audit_integrity import INTEGRITY, STREAMS
from secvault.console.audit_view import ALERTS
from secvault.console.keys import age_of
from secvault.console.today_concerns import DAY, Concern, Weight
from secvault.console.visitor import Visitor
from secvault.service import (
    audit_log,
    audit_publications,
    audit_streams,
    audit_witnesses,
    detecting,
    key_usage,
    readiness,
)
from secvault.service.readiness import Readiness

KEYS = "/keys"
MOST_ALERTS = 500

_GRAVE = frozenset({"many_reads", "after_hours", "break_glass", "verification_failed"})
"""Rules whose alerts say that something may be lost already."""


def health(at: Visitor) -> Iterator[Concern]:
    """What load balancers are told too, and so is no secret; with names for who may know them."""
    found = readiness.check(at.service)
    if not found.audit:
        yield Concern("bad", "audit-unwritable")
    yield from _watched(at, found)
    if not found.policy_files:
        yield Concern("warn", "policy-files-differ")
    if not found.notifications:
        yield Concern("warn", "notices-lost")


def keys(at: Visitor) -> Iterator[Concern]:
    """Keys that lived longer, or sealed more, than they should."""
    now, days = at.service.clock.micros(), at.service.settings.keys.collection_days
    kinds = {"due": "key-due", "full": "key-full"}
    for key in key_usage.list_usage(at.service, at.caller, None, None):
        age = age_of(at, key, now)
        kind = kinds.get(age.standing, "")
        if age.standing == "by-hand" and key.latest_version == 1 and days:
            kind = "key-never" if now - key.created_at > days * DAY else ""
        if kind:
            name = f"{key.mount}/{key.name}"
            yield Concern("warn", kind, name, f"{KEYS}/{name}", KEYS, key.rotated_at)


def alerts(at: Visitor) -> Iterator[Concern]:
    """What the log is watched for, until somebody has looked at it."""
    for one in detecting.list_alerts(at.service, at.caller, limit=MOST_ALERTS):
        weight: Weight = "bad" if one.rule in _GRAVE else "warn"
        yield Concern(weight, f"alert-{one.rule}", "", ALERTS, ALERTS, one.first_at)


def _watched(at: Visitor, found: Readiness) -> Iterator[Concern]:
    """Who outside would notice if the log were changed."""
    may_look = at.may(audit_log.VERIFY)
    page = INTEGRITY if may_look else ""
    if not found.publications:
        place = f"{page}#publications" if page else ""
        broken = [
            Concern("bad", "publication-broken", one.state.name, place, place, one.state.told_at)
            for one in (
                audit_publications.list_publications(at.service, at.caller) if may_look else ()
            )
            if one.state.told_at
        ]
        yield from broken or [Concern("bad", "publications-broken", path=place)]
    if not found.witnesses:
        yield from _witnesses(at, f"{page}#witnesses" if page else "")
    if not found.streams:
        place = f"{page}#streams" if page else ""
        stalled = [
            Concern("warn", "stream-stalled", one.name, place, place, one.acknowledged_at)
            for one in (
                audit_streams.list_streams(at.service, at.caller) if at.may(STREAMS) else ()
            )
            if one.state == "stalled"
        ]
        yield from stalled or [Concern("warn", "streams-stalled", path=place)]


def _witnesses(at: Visitor, place: str) -> Iterator[Concern]:
    known = audit_witnesses.list_witnesses(at.service, at.caller) if at.may(audit_log.LOG) else ()
    failing = [one.state for one in known if one.state and one.state.failing_since is not None]
    for state in failing:
        since = state.failing_since
        if state.reason in ALARMING:
            yield Concern("bad", "witness-contradicts", state.name, place, place, since)
        else:
            yield Concern("warn", "witness-silent", state.name, place, place, since)
    if not failing:
        yield Concern("warn", "witnesses-silent", path=place)

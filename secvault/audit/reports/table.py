"""The tables of a report: which there are, and how each is answered from the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType

from sqlalchemy import select

from secvault.audit import query
from secvault.audit.question import Question
from secvault.audit.questions.cells import row_of
from secvault.audit.questions.saved import Asked, Networks, Row
from secvault.audit.questions.shipped import (
    DORMANT,
    READINESS,
    READINESS_COLUMNS,
    SEEING,
    SHIPPED,
)
from secvault.audit.reports.seen import Seen, count_seen
from secvault.clock import timestamp
from secvault.store.engine import Store
from secvault.store.tables import audit_alert, drill

MOST_ROWS = 20_000
"""Rows of a table that a report holds; how many there are more is said."""

SEEN = ("seen_by_department", "seen_by_person", "seen_by_collection")
_COUNTED = ("accesses", "items", "refused", "unclear", "after_hours")
_SEEN_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "seen_by_department": ("department", "people", *_COUNTED),
        "seen_by_person": ("who", *_COUNTED),
        "seen_by_collection": ("collection", "people", *_COUNTED),
    }
)

ANSWERED: Mapping[str, str] = MappingProxyType(
    {
        "after_hours": "after-hours",
        "exports": "exports",
        "failed_sign_ins": "failed-sign-ins",
        "privilege_changes": "privilege-changes",
        "four_eyes": "four-eyes",
        "break_glass": "break-glass",
        "dormant": DORMANT,
        "keys": "keys-and-settings",
        "backups": "backups-and-drills",
    }
)
"""The tables that a saved question answers, each with its name."""

_OF_EVENTS: Mapping[str, tuple[Question, tuple[str, ...]]] = MappingProxyType(
    {
        "accounts": (
            Question(
                kinds=(
                    "activation.complete",
                    "person.create",
                    "person.disable",
                    "person.enable",
                    "service_account.create",
                    "service_account.disable",
                    "factor.enrol",
                    "recovery.enrol",
                    "recovery.make",
                    "factor.remove",
                    "factor.reset",
                    "factor.revoke",
                    "password.reset",
                    "password.change",
                    "totp.confirm",
                    "totp.remove",
                    "hardware_token.assign",
                    "auth.locked",
                    "auth.unlocked",
                ),
                outcome="ok",
            ),
            ("seq", "time", "who", "what", "person", "on", "approval", "reason"),
        ),
        "reviews": (
            Question(
                kinds=(
                    "review.start",
                    "review.decide",
                    "review.reassign",
                    "review.lapse",
                    "review.finish",
                ),
                outcome="ok",
            ),
            ("seq", "time", "who", "what", "campaign", "subject", "role", "state"),
        ),
        "erasures": (
            Question(
                kinds=("record.erase", "hold.place", "hold.lift", "retention.run"), outcome="ok"
            ),
            ("seq", "time", "who", "what", "on", "count", "approval", "reason"),
        ),
        "readiness": (
            Question(kinds=READINESS),
            ("seq", "time", "who", "what", "outcome", *READINESS_COLUMNS),
        ),
        "log_runs": (
            Question(
                kinds=(
                    "audit.started",
                    "audit.stopped",
                    "audit.lost",
                    "audit.archive",
                    "audit.publication",
                    "audit.rotate_key",
                    "audit.accept_rollback",
                    "audit.control",
                )
            ),
            ("seq", "time", "what", "outcome", "program", "node", "target", "reason"),
        ),
    }
)
_LOG_USE = Question(kinds=("audit.read", "audit.export", "audit.report", "audit.verify"))

ALERTS = "alerts"
DRILLS = "drills"
LOG_USE = "log_use"

TABLES = (
    *SEEN,
    "after_hours",
    "exports",
    "failed_sign_ins",
    "accounts",
    ALERTS,
    "privilege_changes",
    "four_eyes",
    "break_glass",
    "dormant",
    "reviews",
    "keys",
    "erasures",
    "backups",
    DRILLS,
    "readiness",
    LOG_USE,
    "log_runs",
)
"""In the order in which they are shown."""

OF_DEPARTMENT = frozenset(
    {*SEEN, "after_hours", "exports", "privilege_changes", "four_eyes", "erasures"}
)
"""The tables that a report on one department narrows to it. The others are of the installation:
its sign-ins, keys, backups and log have no department."""


@dataclass(frozen=True)
class Table:
    """One answer. rows: at most `MOST_ROWS` of `total`. looked_at: events that it was made from.

    question: the saved question that answers the same; empty for none. narrowed: whether it is of
    the department that the report is about.
    """

    key: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    total: int
    looked_at: int
    question: str = ""
    narrowed: bool = False


@dataclass(frozen=True)
class Sources:
    """What tables are made from. asked: the period, the department, the hours of work.

    idle: who lies idle now, which the log alone does not know. held: of how many accounts and
    tokens. networks: as saved questions take.
    """

    store: Store
    asked: Asked
    idle: Sequence[Row]
    held: int
    networks: Networks


def make_tables(sources: Sources) -> tuple[tuple[Table, ...], Mapping[str, int]]:
    """All tables, and the totals of what was seen. Raises Damaged."""
    seen = _seen(sources)
    whole = replace(sources, asked=replace(sources.asked, department=""))
    made = []
    for key in TABLES:
        narrowed = key in OF_DEPARTMENT
        table = _table(key, sources if narrowed else whole, seen)
        made.append(replace(table, narrowed=narrowed and bool(sources.asked.department)))
    return tuple(made), seen.totals


def _table(key: str, sources: Sources, seen: Seen) -> Table:
    if key in SEEN:
        rows = dict(zip(SEEN, (seen.departments, seen.people, seen.collections), strict=True))[key]
        return _of_rows(key, _SEEN_COLUMNS[key], rows, seen.looked_at)
    if key in ANSWERED:
        return _answered(key, ANSWERED[key], sources)
    if key == ALERTS:
        return _alerts(sources)
    if key == DRILLS:
        return _drills(sources)
    if key == LOG_USE:
        return _log_use(sources)
    question, columns = _OF_EVENTS[key]
    return _of_events(key, columns, _within(question, sources.asked), sources.store)


def _seen(sources: Sources) -> Seen:
    asked = sources.asked
    late = SHIPPED["after-hours"].question(asked)
    hours = late.after_hours
    assert hours is not None  # noqa: S101 - whoever makes a report hands the hours in
    return count_seen(
        sources.store, _within(Question(kinds=SEEING), asked), hours, frozenset(late.kinds)
    )


def _within(question: Question, asked: Asked) -> Question:
    return replace(question, since=asked.since, until=asked.until, department=asked.department)


def _answered(key: str, name: str, sources: Sources) -> Table:
    saved = SHIPPED[name]
    question, columns = saved.question(sources.asked), tuple(saved.columns)
    if name == DORMANT:
        table = _of_rows(key, columns, sources.idle, sources.held)
    elif saved.rows is None:
        # Local time stands beside each moment anyway.
        shown = tuple(column for column in columns if column != "local_time")
        table = _of_events(key, shown, question, sources.store)
    else:
        rows = saved.rows(sources.store, question, sources.networks)
        looked_at = sum(1 for _ in query.events(sources.store, question))
        table = _of_rows(key, columns, rows, looked_at)
    return replace(table, question=name)


def _of_rows(key: str, columns: tuple[str, ...], rows: Sequence[Row], looked_at: int) -> Table:
    return Table(key, columns, tuple(rows[:MOST_ROWS]), len(rows), looked_at)


def _of_events(key: str, columns: tuple[str, ...], question: Question, store: Store) -> Table:
    found = query.events(store, question, oldest_first=False)
    rows = tuple(row_of(stored, columns) for stored in islice(found, MOST_ROWS))
    total = len(rows) + sum(1 for _ in found)
    return Table(key, columns, rows, total, total)


def _log_use(sources: Sources) -> Table:
    used: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], int] = {}
    looked_at = 0
    for stored in query.events(sources.store, _within(_LOG_USE, sources.asked)):
        looked_at += 1
        event = stored.event
        if event.outcome != "intent":
            at = (event.actor.subject, event.kind, event.outcome)
            used[at] += 1
            last[at] = stored.t
    rows: list[Row] = [
        {"who": who, "what": what, "outcome": ended, "times": times, "last": timestamp(last[at])}
        for at, times in sorted(used.items(), key=lambda one: (-one[1], one[0]))
        for who, what, ended in [at]
    ]
    return _of_rows(LOG_USE, ("who", "what", "outcome", "times", "last"), rows, looked_at)


def _alerts(sources: Sources) -> Table:
    row, asked = audit_alert.c, sources.asked
    wanted = select(audit_alert).order_by(row.first_at.desc(), row.id.desc())
    if asked.since is not None:
        wanted = wanted.where(row.first_at >= asked.since)
    if asked.until is not None:
        wanted = wanted.where(row.first_at < asked.until)
    with sources.store.read() as connection:
        found = connection.execute(wanted).all()
    rows: list[Row] = [
        {
            "first": timestamp(one.first_at),
            "last": timestamp(one.last_at),
            "rule": one.rule,
            "subject": one.subject,
            "times": one.times,
            "counted": one.counted,
            "threshold": one.threshold,
            "done_at": "" if one.acknowledged_at is None else timestamp(one.acknowledged_at),
            "done_by": one.acknowledged_by or "",
        }
        for one in found
    ]
    columns = (
        *("first", "last", "rule", "subject", "times"),
        *("counted", "threshold", "done_at", "done_by"),
    )
    question = _within(Question(kinds=("audit.alert",)), asked)
    return _of_rows(ALERTS, columns, rows, sum(1 for _ in query.events(sources.store, question)))


def _drills(sources: Sources) -> Table:
    """What was measured; the log has that they took place, and how they ended."""
    row, asked = drill.c, sources.asked
    wanted = select(drill).order_by(row.started_at.desc())
    if asked.since is not None:
        wanted = wanted.where(row.started_at >= asked.since)
    if asked.until is not None:
        wanted = wanted.where(row.started_at < asked.until)
    with sources.store.read() as connection:
        found = connection.execute(wanted).all()
    rows: list[Row] = [
        {
            "time": timestamp(one.started_at),
            "plan": one.plan,
            "repository": one.repository or "",
            "extent": one.extent or "",
            "state": one.state,
            "passed": one.passed,
            "faults": _faults_of(one.faults),
            "rpo_seconds": one.rpo_seconds,
            "rto_seconds": one.rto_seconds,
            "reason": one.error or "",
        }
        for one in found
    ]
    columns = (
        *("time", "plan", "repository", "extent", "state", "passed", "faults"),
        *("rpo_seconds", "rto_seconds", "reason"),
    )
    question = _within(Question(kinds=("drill.run",)), asked)
    return _of_rows(DRILLS, columns, rows, sum(1 for _ in query.events(sources.store, question)))


def _faults_of(found: str | None) -> str:
    """The codes of what a drill found, each once."""
    codes = dict.fromkeys(str(one["code"]) for one in json.loads(found or "[]"))
    return ", ".join(codes)

"""What a monitoring system is told: numbers of the whole installation, read from the store.

Every process answers the same, whatever number of them there is and whichever was started anew:
what is counted lies in rows. Names and units are as Prometheus wants them; moments are given, not
ages, so that a stopped clock of ours does not look young. A label is the name of a plan or of a
state: nothing that grows without bound, and nothing of a person or a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, false, func, select

from secvault import __version__
from secvault.backup import anomaly, pings
from secvault.notices import outbox
from secvault.service import recovery_kit_status
from secvault.service.backup_status import Status, statuses
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation
from secvault.store.tables import (
    audit_checkpoint,
    audit_head,
    backup_anomaly,
    drill,
    job,
)

Points: TypeAlias = dict[tuple[str, ...], float]

MICROS = 1_000_000
JOB_STATES = ("requested", "started")
PING_STATES = ("waiting", "sent", "dropped")


@dataclass(frozen=True)
class Metric:
    """One metric. points: values by the values of the labels, in their order.

    kind: a counter's name is given without `_total`, which the text format adds.
    """

    name: str
    help: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    points: Mapping[tuple[str, ...], float]


def read_metrics(service: Service, caller: Caller) -> tuple[Metric, ...]:
    """All metrics of now.

    Not on record when it is allowed: a monitoring system asks thousands of times a day, and what it
    gets names no person. A refusal is on record. Raises Refused, Unavailable.
    """
    service.spine.decide(caller, Operation("metrics.read", "it", "metrics", "it/metrics"))
    return tuple(gather(service))


def gather(service: Service) -> Iterator[Metric]:
    """The same, for the program itself."""
    yield Metric("secvault_build_info", "The version.", "gauge", ("version",), {(__version__,): 1})
    plans = statuses(service)
    yield from _promises(plans)
    with service.store.read() as connection:
        names = [one.state.plan for one in plans]
        yield from _strange(connection, names)
        yield from _drills(connection, plans)
        yield from _kit(service, connection)
        yield from _rest(connection)


def _promises(plans: Iterable[Status]) -> Iterator[Metric]:
    good = [(one.state.plan, one.state.newest) for one in plans if one.state.newest]
    states = [one.state for one in plans]
    yield _gauge(
        "secvault_backup_last_success_timestamp_seconds",
        "The moment that the data of the newest good backup shows.",
        {plan: newest.data_at / MICROS for plan, newest in good},
    )
    yield _gauge(
        "secvault_backup_due_timestamp_seconds",
        "When the data of the next good backup has to be at the latest, by rpo_hours.",
        {one.plan: one.due_by / MICROS for one in states},
    )
    yield _gauge(
        "secvault_backup_behind",
        "1 where the newest good backup is older than rpo_hours.",
        {one.plan: float(one.behind) for one in states},
    )
    yield _gauge(
        "secvault_backup_running",
        "1 where a run is under way, or waits to be tried again.",
        {one.plan: float(one.running is not None) for one in states},
    )
    yield _gauge(
        "secvault_backup_failures_since_success",
        "Runs that failed after the newest good one.",
        {one.plan: float(one.failed.times if one.failed else 0) for one in states},
    )
    yield _gauge(
        "secvault_backup_duration_seconds",
        "How long the newest good run took.",
        {plan: (one.finished_at - one.started_at) / MICROS for plan, one in good},
    )
    yield _gauge(
        "secvault_backup_size_bytes",
        "What the newest good backup holds.",
        {plan: float(one.bytes) for plan, one in good if one.bytes is not None},
    )
    yield _gauge(
        "secvault_backup_added_bytes",
        "What of it was new in the repository, not compressed.",
        {plan: float(one.bytes_added) for plan, one in good if one.bytes_added is not None},
    )
    yield _gauge(
        "secvault_backup_files",
        "How many files the newest good backup holds.",
        {plan: float(one.files) for plan, one in good if one.files is not None},
    )
    yield _gauge(
        "secvault_backup_snapshots",
        "How many snapshots the plan's own repository has, as far as is known.",
        {one.plan: float(one.snapshots) for one in states},
    )
    yield _gauge(
        "secvault_backup_stored_bytes",
        "What the plan's snapshots took in its own repository when that was measured last.",
        {
            one.state.plan: float(one.measured.stored_bytes)
            for one in plans
            if one.measured is not None
        },
    )


def _strange(connection: Connection, plans: Iterable[str]) -> Iterator[Metric]:
    strange: Points = {(plan, rule): 0.0 for plan in plans for rule in anomaly.RULES}
    found = select(backup_anomaly.c.plan, backup_anomaly.c.rule, func.count()).group_by(
        backup_anomaly.c.plan, backup_anomaly.c.rule
    )
    _fill(strange, connection.execute(found).all())
    yield Metric(
        "secvault_backup_anomalies",
        "What was strange about runs, by the rule that found it.",
        "counter",
        ("plan", "rule"),
        strange,
    )


def _drills(connection: Connection, plans: Sequence[Status]) -> Iterator[Metric]:
    proven = {one.state.plan: one.drills.proven for one in plans if one.drills.proven}
    yield _gauge(
        "secvault_restore_drill_last_success_timestamp_seconds",
        "When the newest drill ended that passed all that the plan asks for.",
        {plan: (one.finished_at or 0) / MICROS for plan, one in proven.items()},
    )
    yield _gauge(
        "secvault_restore_drill_due_timestamp_seconds",
        "When the next drill has to have passed at the latest.",
        {
            one.state.plan: one.drills.due_by / MICROS
            for one in plans
            if one.drills.due_by is not None
        },
    )
    yield _gauge(
        "secvault_restore_drill_overdue",
        "1 where no drill passed for longer than the plan allows.",
        {one.state.plan: float(one.drills.overdue) for one in plans},
    )
    yield _gauge(
        "secvault_restore_drill_missed",
        "1 where a drill was due that did not begin.",
        {one.state.plan: float(one.drills.missed_at is not None) for one in plans},
    )
    yield _gauge(
        "secvault_restore_drill_failing",
        "1 where a drill did not pass, or did not end, since the newest that passed.",
        {one.state.plan: float(one.drills.failing is not None) for one in plans},
    )
    yield _gauge(
        "secvault_restore_drill_rto_seconds",
        "How long bringing everything back takes, by the newest drill that passed.",
        {
            plan: float(one.rto_of_all_seconds)
            for plan, one in proven.items()
            if one.rto_of_all_seconds is not None
        },
    )
    yield _gauge(
        "secvault_restore_drill_rto_target_seconds",
        "How long it may take, by rto_minutes.",
        {one.state.plan: one.drills.settings.drill.rto_minutes * 60.0 for one in plans},
    )
    yield _gauge(
        "secvault_restore_drill_bytes_per_second",
        "How fast data came from the repository in the newest drill that passed.",
        {
            plan: float(one.bytes_per_second)
            for plan, one in proven.items()
            if one.bytes_per_second is not None
        },
    )
    failed: Points = {(one.state.plan,): 0.0 for one in plans}
    asked = (
        select(drill.c.plan, func.count())
        .where((drill.c.state == "failed") | drill.c.passed.is_(false()))
        .group_by(drill.c.plan)
    )
    _fill(failed, connection.execute(asked).all())
    yield Metric(
        "secvault_restore_drill_failures",
        "Drills that found damage or did not end.",
        "counter",
        ("plan",),
        failed,
    )


def _kit(service: Service, connection: Connection) -> Iterator[Metric]:
    found = recovery_kit_status.status_in(service, connection)
    yield Metric(
        "secvault_recovery_kit_state",
        "1 for the state that the recovery kit is in.",
        "gauge",
        ("state",),
        {(state,): float(state == found.state) for state in recovery_kit_status.STATES},
    )
    yield _plain(
        "secvault_recovery_kit_issued_timestamp_seconds",
        "When the newest recovery kit was issued.",
        None if found.kit is None else found.kit.issued_at / MICROS,
    )
    taken = found.taken.taken_at if found.taken else None
    yield _plain(
        "secvault_recovery_kit_taken_timestamp_seconds",
        "When a recovery kit was last taken out, to be kept or printed.",
        None if taken is None else taken / MICROS,
    )


def _rest(connection: Connection) -> Iterator[Metric]:
    size = connection.execute(select(func.max(audit_head.c.size))).scalar_one_or_none()
    yield _plain("secvault_audit_tree_size", "Entries of the audit log.", size)
    signed = connection.execute(select(func.max(audit_checkpoint.c.t))).scalar_one_or_none()
    yield _plain(
        "secvault_audit_checkpoint_timestamp_seconds",
        "When the audit log's newest checkpoint was signed.",
        None if signed is None else signed / MICROS,
    )
    yield _by_state("secvault_notices", "Notices by state.", outbox.counts(connection))
    yield _by_state(
        "secvault_backup_pings",
        "Pings of dead man's switches of the last days by state.",
        {**dict.fromkeys(PING_STATES, 0), **pings.counts(connection)},
    )
    waiting = dict.fromkeys(JOB_STATES, 0)
    asked = select(job.c.state, func.count()).where(job.c.state.in_(JOB_STATES))
    for row in connection.execute(asked.group_by(job.c.state)):
        waiting[row.state] = row[1]
    yield _by_state("secvault_jobs", "Long work that waits or is under way.", waiting)


def _gauge(name: str, text: str, by_plan: Mapping[str, float]) -> Metric:
    return Metric(name, text, "gauge", ("plan",), {(plan,): at for plan, at in by_plan.items()})


def _plain(name: str, text: str, value: float | None) -> Metric:
    return Metric(name, text, "gauge", (), {} if value is None else {(): float(value)})


def _by_state(name: str, text: str, counted: Mapping[str, int]) -> Metric:
    points: Points = {(state,): float(number) for state, number in counted.items()}
    return Metric(name, text, "gauge", ("state",), points)


def _fill(points: Points, rows: Iterable[Sequence[Any]]) -> None:
    """Put the counts of rows, which come last, into the points.

    What is left of plans that there are no more is no business of a monitor's.
    """
    plans = {labels[0] for labels in points}
    for *labels, number in rows:
        if labels[0] in plans:
            points[tuple(labels)] = float(number)

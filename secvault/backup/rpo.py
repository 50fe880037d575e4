"""Whether each plan keeps its promise: how old the newest data is that could be brought back.

What counts is the newest run that is done and whose snapshot is still there, as far as the
catalogue knows: a backup that somebody has deleted since is none. Its age is that of its data, not
of its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    ScalarSelect,
    and_,
    func,
    literal,
    or_,
    select,
    true,
)

from secvault.backup.anomaly import Anomaly
from secvault.backup.catalogue import repositories_of
from secvault.backup.claims import CLOCK_SET_BACK_SECONDS
from secvault.backup.engine import BackupEngine
from secvault.backup.many_plans import among, asked, of_newest, under_way
from secvault.config import PlanSettings
from secvault.store.engine import insert_unless_there
from secvault.store.tables import (
    backup_anomaly,
    backup_catalogue,
    backup_run,
    backup_snapshot,
    backup_watch,
    drill,
    schedule,
)

HOUR = 3_600_000_000
"""Micros."""


@dataclass(frozen=True)
class Good:
    """The newest good backup. Times in micros; data_at is the moment that its data shows."""

    run: str
    repository: str
    snapshot: str
    started_at: int
    finished_at: int
    data_at: int
    files: int | None
    bytes: int | None
    bytes_added: int | None


@dataclass(frozen=True)
class Failed:
    """The newest run that failed after the newest good one, and how many did. error: in words."""

    run: str
    finished_at: int | None
    error: str | None
    times: int


@dataclass(frozen=True)
class PlanState:
    """A plan as it stands. Times in micros, promised_hours as its settings say.

    due_by: when the data of the next good backup has to be at the latest; the plan is behind from
    then on. newest: None while there is no good backup. running: the id of the run under way.
    next_due: None where no worker has planned it. refreshed_at: when its repository answered last.
    proven_at: the newest drill that passed all
    that the settings ask for. anomalies: of the newest good run.
    """

    plan: str
    repositories: tuple[str, ...]
    owner: str
    promised_hours: int
    due_by: int
    behind: bool
    newest: Good | None
    failed: Failed | None
    running: str | None
    next_due: int | None
    snapshots: int
    refreshed_at: int | None
    proven_at: int | None
    anomalies: tuple[Anomaly, ...]

    @property
    def behind_since(self) -> int | None:
        """Since when it is behind; None where it is not."""
        return self.due_by if self.behind else None


def plans_of(engine: BackupEngine) -> Mapping[str, PlanSettings]:
    """Every plan that is to have backups, by name."""
    return engine.plans()


def first_seen(connection: Connection, plans: Iterable[str], now: int) -> None:
    """Remember since when the plans are there, by which a plan without any backup is measured."""
    for plan in plans:
        insert_unless_there(
            connection, backup_watch, {"plan": plan, "first_seen_at": now, "told_at": None}
        )


def state_of(connection: Connection, plan: str, settings: PlanSettings, now: int) -> PlanState:
    """How the plan stands at this moment. A plan that was never seen is taken for new."""
    return states_of(connection, {plan: settings}, now)[plan]


def states_of(
    connection: Connection, plans: Mapping[str, PlanSettings], now: int
) -> dict[str, PlanState]:
    """How each of the plans stands, by a few statements however many there are."""
    if not plans:
        return {}
    rows = _rows(connection, plans, now)
    newest = _good(connection, [row.good for row in rows if row.good])
    strange = _anomalies(connection, list(newest))
    good = {row.plan: newest[row.good] for row in rows if row.good}
    failed = _failed(connection, {plan: good.get(plan) for plan in plans})
    found = {}
    for row in rows:
        settings, last = plans[row.plan], good.get(row.plan)
        seen = now if row.seen is None else row.seen
        due_by = (last.data_at if last else seen) + settings.rpo_hours * HOUR
        found[row.plan] = PlanState(
            plan=row.plan,
            repositories=repositories_of(settings),
            owner=settings.owner,
            promised_hours=settings.rpo_hours,
            due_by=due_by,
            behind=now > due_by,
            newest=last,
            failed=failed.get(row.plan),
            running=row.running,
            next_due=row.next_due,
            snapshots=row.snapshots,
            refreshed_at=row.refreshed_at,
            proven_at=row.proven_at,
            anomalies=strange.get(last.run, ()) if last else (),
        )
    return found


def _rows(
    connection: Connection, plans: Mapping[str, PlanSettings], now: int
) -> Sequence[Row[Any]]:
    """A row for each plan: ids of runs, and what else stands in one place."""
    of = asked(connection, [(name, repositories_of(one)[0], 0) for name, one in plans.items()])
    known, shelf, proof = backup_snapshot.c, backup_catalogue.c, drill.c
    lies_there = (known.plan == of.c.plan, known.repository == of.c.repository)
    on_shelf = (shelf.plan == of.c.plan, shelf.repository == of.c.repository)
    proven = (
        proof.passed.is_(true()),
        proof.complete.is_(true()),
        proof.finished_at <= now + CLOCK_SET_BACK_SECONDS * 1_000_000,
    )

    def one(column: ColumnElement[Any], *where: ColumnElement[bool]) -> ScalarSelect[Any]:
        return select(column).where(*where).correlate(of).scalar_subquery()

    return connection.execute(
        select(
            of.c.plan,
            _newest_good_id(of.c.plan, of).label("good"),
            of_newest(backup_run.c.id, of, under_way(backup_run)).label("running"),
            one(schedule.c.next_due, schedule.c.id == literal("backup:") + of.c.plan).label(
                "next_due"
            ),
            one(func.count(), *lies_there).label("snapshots"),
            one(shelf.refreshed_at, *on_shelf).label("refreshed_at"),
            of_newest(proof.finished_at, of, *proven).label("proven_at"),
            one(backup_watch.c.first_seen_at, backup_watch.c.plan == of.c.plan).label("seen"),
        )
    ).all()


def newest_good(connection: Connection, plan: str) -> Good | None:
    """The newest run that is done and whose snapshot is there, as far as is known."""
    found = connection.execute(select(_newest_good_id(literal(plan), None))).scalar_one_or_none()
    return _good(connection, [found])[found] if found else None


def _newest_good_id(plan: ColumnElement[str], of: FromClause | None) -> ScalarSelect[str]:
    run, known, shelf = backup_run, backup_snapshot, backup_catalogue
    unknown_yet = or_(shelf.c.refreshed_at.is_(None), shelf.c.refreshed_at < run.c.finished_at)
    return (
        select(run.c.id)
        .outerjoin(shelf, and_(shelf.c.plan == run.c.plan, shelf.c.repository == run.c.repository))
        .outerjoin(
            known, and_(known.c.repository == run.c.repository, known.c.id == run.c.snapshot)
        )
        .where(
            run.c.plan == plan,
            run.c.state == "done",
            run.c.snapshot.is_not(None),
            run.c.data_at.is_not(None),
            or_(unknown_yet, known.c.id.is_not(None)),
        )
        .order_by(run.c.started_at.desc(), run.c.id.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )


def _good(connection: Connection, ids: Sequence[str]) -> dict[str, Good]:
    """The runs with these ids, by id."""
    columns = [backup_run.c.id, *(backup_run.c[name] for name in list(Good.__annotations__)[1:])]
    rows = connection.execute(select(*columns).where(among(connection, backup_run.c.id, ids)))
    return {row.id: Good(*row) for row in rows}


def _anomalies(connection: Connection, runs: Sequence[str]) -> dict[str, tuple[Anomaly, ...]]:
    """What was strange about each of the runs, by run; nothing for those that were as usual."""
    columns = [backup_anomaly.c[name] for name in Anomaly.__dataclass_fields__]
    chosen = select(*columns).where(among(connection, backup_anomaly.c.run, runs))
    found: dict[str, tuple[Anomaly, ...]] = {}
    for row in connection.execute(chosen.order_by(backup_anomaly.c.rule, backup_anomaly.c.subject)):
        found[row.run] = (*found.get(row.run, ()), Anomaly(*row))
    return found


def _failed(connection: Connection, newest: Mapping[str, Good | None]) -> dict[str, Failed]:
    """The plans whose runs failed since the newest good one. newest: of every plan."""
    run = backup_run.c
    of = asked(
        connection, [(plan, "", one.started_at if one else -1) for plan, one in newest.items()]
    )
    since = (run.state == "failed", run.started_at > of.c.since)
    times = (
        select(func.count())
        .select_from(backup_run)
        .where(run.plan == of.c.plan, *since)
        .correlate(of)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(of.c.plan, run.id, run.finished_at, run.error, times.label("times")).join_from(
            of, backup_run, run.id == of_newest(backup_run.c.id, of, *since)
        )
    )
    return {row.plan: Failed(row.id, row.finished_at, row.error, row.times) for row in rows}

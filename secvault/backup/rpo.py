"""Whether each plan keeps its promise: how old the newest data is that could be brought back.

What counts is the newest run that is done and whose snapshot is still there, as far as the
catalogue knows: a backup that somebody has deleted since is none. Its age is that of its data, not
of its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select, true

from secvault.backup.anomaly import Anomaly
from secvault.backup.catalogue import repositories_of
from secvault.backup.claims import CLOCK_SET_BACK_SECONDS
from secvault.backup.engine import BackupEngine
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
ALIVE = ("running", "waiting")


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
    newest = newest_good(connection, plan)
    began = newest.data_at if newest else _seen(connection, plan, now)
    due_by = began + settings.rpo_hours * HOUR
    repository = repositories_of(settings)[0]
    return PlanState(
        plan=plan,
        repositories=repositories_of(settings),
        owner=settings.owner,
        promised_hours=settings.rpo_hours,
        due_by=due_by,
        behind=now > due_by,
        newest=newest,
        failed=_failed(connection, plan, newest),
        running=connection.execute(
            select(backup_run.c.id)
            .where(backup_run.c.plan == plan, backup_run.c.state.in_(ALIVE))
            .order_by(backup_run.c.started_at.desc())
            .limit(1)
        ).scalar_one_or_none(),
        next_due=connection.execute(
            select(schedule.c.next_due).where(schedule.c.id == f"backup:{plan}")
        ).scalar_one_or_none(),
        snapshots=connection.execute(
            select(func.count())
            .select_from(backup_snapshot)
            .where(backup_snapshot.c.plan == plan, backup_snapshot.c.repository == repository)
        ).scalar_one(),
        refreshed_at=connection.execute(
            select(backup_catalogue.c.refreshed_at).where(
                backup_catalogue.c.plan == plan, backup_catalogue.c.repository == repository
            )
        ).scalar_one_or_none(),
        proven_at=connection.execute(
            select(func.max(drill.c.finished_at)).where(
                drill.c.plan == plan,
                drill.c.passed.is_(true()),
                drill.c.complete.is_(true()),
                drill.c.finished_at <= now + CLOCK_SET_BACK_SECONDS * 1_000_000,
            )
        ).scalar_one_or_none(),
        anomalies=anomalies(connection, newest.run) if newest else (),
    )


def newest_good(connection: Connection, plan: str) -> Good | None:
    """The newest run that is done and whose snapshot is there, as far as is known."""
    run, known, shelf = backup_run, backup_snapshot, backup_catalogue
    unknown_yet = or_(shelf.c.refreshed_at.is_(None), shelf.c.refreshed_at < run.c.finished_at)
    row = connection.execute(
        select(
            run.c.id,
            run.c.repository,
            run.c.snapshot,
            run.c.started_at,
            run.c.finished_at,
            run.c.data_at,
            run.c.files,
            run.c.bytes,
            run.c.bytes_added,
        )
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
        .order_by(run.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    return Good(*row) if row else None


def anomalies(connection: Connection, run: str) -> tuple[Anomaly, ...]:
    """What was strange about a run."""
    columns = [backup_anomaly.c[name] for name in Anomaly.__dataclass_fields__]
    asked = select(*columns).where(backup_anomaly.c.run == run)
    rows = connection.execute(asked.order_by(backup_anomaly.c.rule, backup_anomaly.c.subject))
    return tuple(Anomaly(*row) for row in rows)


def _failed(connection: Connection, plan: str, newest: Good | None) -> Failed | None:
    run = backup_run
    since = (
        run.c.plan == plan,
        run.c.state == "failed",
        run.c.started_at > (newest.started_at if newest else -1),
    )
    row = connection.execute(
        select(run.c.id, run.c.finished_at, run.c.error)
        .where(*since)
        .order_by(run.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    times = connection.execute(select(func.count()).select_from(run).where(*since)).scalar_one()
    return Failed(row.id, row.finished_at, row.error, times)


def _seen(connection: Connection, plan: str, now: int) -> int:
    asked = select(backup_watch.c.first_seen_at).where(backup_watch.c.plan == plan)
    found = connection.execute(asked).scalar_one_or_none()
    return now if found is None else found

"""The watch over backups: what failed, what is behind its promise, what is strange, is told once.

All of it is read from rows, so that nothing is missed whatever is killed, and any node may do it;
none of it asks a repository. The worker looks every minute.
"""

from __future__ import annotations

from sqlalchemy import Connection, false, insert, or_, select, update

from secvault.backup import anomaly, catalogue, numbers, rpo
from secvault.backup.anomaly import Anomaly
from secvault.backup.catalogue import is_stale, refreshed_at, repositories_of
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.restic import Cancel
from secvault.backup.rpo import PlanState
from secvault.errors import Cancelled, SecvaultError
from secvault.jobs import queue
from secvault.service import backup_notices
from secvault.service.service import Service
from secvault.store.tables import (
    backup_anomaly,
    backup_check,
    backup_checked,
    backup_run,
    backup_told,
    backup_watch,
    job,
)

CATALOGUE = "catalogue"
"""The kind of jobs that ask a plan's repositories for their snapshots."""
KEPT_JOBS = 500
"""How many ended ones stay listed."""
_DAY = 24 * rpo.HOUR
AGAIN = _DAY
"""How long after a telling a plan that is still behind is told of again."""
_UNDER_WAY: tuple[queue.State, ...] = ("requested", "started")


def look_after(service: Service) -> None:
    """Tell what is to be told, and have the catalogue follow. Raises Unavailable, Damaged."""
    judge_runs(service)
    tell_failures(service)
    tell_checks(service)
    tell_behind(service)
    ask_for_catalogues(service)
    # One that cannot be read keeps nobody from being told of the others, and is not passed over.
    rpo.plans_of(service.backups)


def judge_runs(service: Service) -> tuple[Anomaly, ...]:
    """Compare runs that have ended well with those before; what is strange is kept and told."""
    found: list[Anomaly] = []
    with service.store.read() as connection:
        waiting = numbers.unjudged(connection)
    for now in waiting:
        with service.store.write() as connection:
            if not numbers.mark_judged(connection, now.run, service.clock.micros()):
                continue
            past = numbers.past(connection, now.plan, now.data_at)
            strange = anomaly.judge(now, past, service.settings.backup.anomalies)
            for one in strange:
                row = {**vars(one), "found_at": service.clock.micros()}
                connection.execute(insert(backup_anomaly).values(row))
                backup_notices.note_anomaly(service, connection, one)
        found.extend(strange)
    if found:
        service.audit.kick()
    return tuple(found)


def tell_failures(service: Service) -> int:
    """Tell of the last day's runs that failed for good and of which nobody was told; how many.

    Whoever took a backup by hand saw how it ended.
    """
    run, told = backup_run, backup_told
    asked = (
        select(run.c.id, run.c.plan)
        .join(job, job.c.id == run.c.id)
        .outerjoin(told, told.c.cause == backup_notices.FAILED + run.c.id)
        .where(
            run.c.state == "failed",
            run.c.finished_at > service.clock.micros() - _DAY,
            job.c.state.in_(queue.ENDED),
            told.c.cause.is_(None),
        )
    )
    with service.store.read() as connection:
        rows = connection.execute(asked).all()
    for row in rows:
        backup_notices.tell_failed(service, row.plan, row.id, "failed")
    return len(rows)


def tell_checks(service: Service) -> int:
    """Tell of the last day's checks that found damage, or could not look; how many of them."""
    check, checked, now = backup_check, backup_checked, service.clock.micros()
    damaged = (
        select(check.c.plan, checked.c.repository, check.c.id)
        .join(check, check.c.id == checked.c.check_id)
        .where(checked.c.passed.is_(false()), checked.c.checked_at > now - _DAY)
    )
    unlooked = select(check.c.plan, check.c.id).where(
        check.c.state == "failed",
        check.c.passed.is_not(false()),
        check.c.finished_at > now - _DAY,
    )
    with service.store.read() as connection:
        told = set(
            connection.execute(
                select(backup_told.c.cause).where(backup_told.c.told_at > now - 2 * _DAY)
            ).scalars()
        )
        found = [(*row, "repository-damaged") for row in connection.execute(damaged)]
        found += [(row.plan, "*", row.id, "failed") for row in connection.execute(unlooked)]
    fresh = [each for each in found if backup_notices.check_cause(each[1], each[2]) not in told]
    for plan, repository, check_id, reason in fresh:
        backup_notices.tell_check_failed(service, plan, repository, reason, check_id)
    return len(fresh)


def tell_behind(service: Service) -> tuple[PlanState, ...]:
    """Tell of the plans that are behind, each once a day; those that were told of now."""
    plans = service.backups.readable_plans()
    now = service.clock.micros()
    with service.store.read() as connection:
        watched = set(connection.execute(select(backup_watch.c.plan)).scalars())
        found = rpo.states_of(connection, plans, now)
    states = [found[name] for name in sorted(found)]
    fresh = plans.keys() - watched
    if fresh:
        with service.store.write() as connection:
            rpo.first_seen(connection, fresh, now)
    _forget_told(service, [one.plan for one in states if not one.behind])
    told = tuple(one for one in states if one.behind and _tell_behind(service, one, now))
    if told:
        service.audit.kick()
    return told


def ask_for_catalogues(service: Service) -> tuple[str, ...]:
    """Ask for the plans' catalogues that may have changed; once a day, for what others delete."""
    asked: list[str] = []
    plans = service.backups.readable_plans()
    now = service.clock.micros()
    with service.store.read() as connection:
        due = [
            name
            for name in sorted(plans)
            # The copies are asked with it.
            if _is_due(connection, name, plans[name].repository, now)
        ]
        under_way = {
            each.plan
            for state in _UNDER_WAY
            for each in queue.jobs(connection, kind=CATALOGUE, state=state, limit=1_000)
        }
    for name in due:
        if name in under_way:
            continue
        with service.store.write() as connection:
            # One for each quarter of an hour: what fails is not asked for again and again.
            job_id = queue.request(
                connection,
                kind=CATALOGUE,
                plan=name,
                requested_by="system:jobs",
                now=now,
                id=f"{CATALOGUE}:{name}:{now // (rpo.HOUR // 4)}",
            )
        asked.append(job_id)
    return tuple(asked)


def follow_repositories(service: Service, plan: str, cancel: Cancel) -> int:
    """Ask the plan's repositories for their snapshots, and once a day how much they take.

    How many snapshots there are. Raises NotFound, and what `catalogue.refresh` raises, when all
    repositories had their turn.
    """
    engine, found = service.backups, 0
    own, *copies = repositories_of(engine.plan(plan))
    failed: SecvaultError | None = None
    for repository in (own, *copies):
        try:
            rows = catalogue.refresh(engine, plan, repository)
            if rows and not _measured_lately(service, plan, repository):
                catalogue.measure(engine, plan, repository, cancel)
            found += len(rows)
        except Cancelled:
            raise
        except SecvaultError as error:
            # A copy that was not made yet; its own step of a run says why.
            if repository == own or not isinstance(error, RepositoryMissing):
                failed = failed or error
    if failed is not None:
        raise failed
    return found


def _measured_lately(service: Service, plan: str, repository: str) -> bool:
    with service.store.read() as connection:
        measured = catalogue.measures(connection, plan, repository, limit=1)
    return bool(measured) and service.clock.micros() - measured[0].measured_at < _DAY


def _is_due(connection: Connection, plan: str, repository: str, now: int) -> bool:
    if is_stale(connection, plan, repository):
        # Before its first backup there may be no repository.
        return rpo.newest_good(connection, plan) is not None
    answered = refreshed_at(connection, plan, repository)
    return answered is not None and now - answered > _DAY


def _forget_told(service: Service, plans: list[str]) -> None:
    caught_up = (backup_watch.c.plan.in_(plans), backup_watch.c.told_at.is_not(None))
    with service.store.read() as connection:
        any_told = connection.execute(select(backup_watch.c.plan).where(*caught_up).limit(1))
        if any_told.first() is None:
            return
    with service.store.write() as connection:
        connection.execute(update(backup_watch).where(*caught_up).values(told_at=None))


def _tell_behind(service: Service, state: PlanState, now: int) -> bool:
    watch = backup_watch
    with service.store.write() as connection:
        # Of several nodes, the one whose update counts.
        mine = connection.execute(
            update(watch)
            .where(
                watch.c.plan == state.plan,
                or_(watch.c.told_at.is_(None), watch.c.told_at < now - AGAIN),
            )
            .values(told_at=now)
        )
        if mine.rowcount != 1:
            return False
        promised = state.promised_hours * rpo.HOUR
        age = now - (state.due_by - promised)
        backup_notices.note_behind(
            service, connection, state.plan, age // 1_000_000, promised // 1_000_000
        )
    return True

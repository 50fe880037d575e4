"""Pings of dead man's switches, as rows: each run is told to begin, to be done, or to have failed.

They are made from the rows of runs, so a run knows nothing of them and cannot be held up; a kill
loses none. What is late is worse than nothing: a ping of an older run than the newest, or of some
hours ago, would tell a switch that all is well, and is dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from secvault.backup.plan_secrets import PING
from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_ping, backup_plan_secret, backup_run, job

Event: TypeAlias = Literal["start", "done", "fail"]
SECOND = 1_000_000
MINUTE = 60 * SECOND
LATEST = 6 * 60 * MINUTE
"""Micros after which a ping is not sent any more."""
FIRST_WAIT, LONGEST_WAIT = 15 * SECOND, 15 * MINUTE
LEASE = 2 * MINUTE
"""For which a ping belongs to the process that took it; another takes it when that one died."""
KEPT = 7 * 24 * 60 * MINUTE

_ENDED_JOBS = ("done", "failed", "missed")


@dataclass(frozen=True)
class Ping:
    """One ping that is to be sent. attempts: how often it was tried. made_at: micros."""

    run: str
    event: Event
    plan: str
    made_at: int
    attempts: int


def note_new(connection: Connection, plans: Collection[str], now: int) -> int:
    """Note the pings of these plans that the runs of the last hours call for; how many are new.

    A run that is tried again has not failed yet, and one that was stopped on request has not
    failed at all.
    """
    run = backup_run
    noted = 0
    lately = (run.c.plan.in_(plans), run.c.started_at > now - 4 * LATEST)
    for row in connection.execute(
        select(run.c.id, run.c.plan, run.c.state, run.c.started_at, run.c.finished_at, job.c.state)
        .outerjoin(job, job.c.id == run.c.id)
        .where(*lately)
        .order_by(run.c.started_at)
    ).all():
        run_id, plan, state, started_at, finished_at, of_job = row
        noted += _note(connection, run_id, "start", plan, started_at)
        ended = finished_at is not None and now - finished_at < LATEST
        if ended and state == "done":
            noted += _note(connection, run_id, "done", plan, finished_at)
        elif ended and state == "failed" and (of_job is None or of_job in _ENDED_JOBS):
            noted += _note(connection, run_id, "fail", plan, finished_at)
    return noted


def wanted(connection: Connection, plans: Collection[str], now: int) -> bool:
    """Whether a run of these plans may call for a ping that was not noted."""
    run, ping = backup_run, backup_ping
    told = func.count(ping.c.event)
    unfinished = run.c.state.in_(("running", "waiting"))
    asked = (
        select(run.c.id)
        .outerjoin(ping, ping.c.run == run.c.id)
        .where(
            run.c.plan.in_(plans),
            run.c.started_at > now - 4 * LATEST,
            or_(unfinished, and_(run.c.finished_at > now - LATEST, run.c.state != "cancelled")),
        )
        .group_by(run.c.id, run.c.state)
        .having(or_(and_(unfinished, told < 1), and_(~unfinished, told < 2)))
        .limit(1)
    )
    return connection.execute(asked).first() is not None


def any_due(connection: Connection, now: int) -> bool:
    """Whether one is to be sent now."""
    due = select(backup_ping.c.run).where(
        backup_ping.c.state == "waiting", backup_ping.c.next_try_at <= now
    )
    return connection.execute(due.limit(1)).first() is not None


def sealed(connection: Connection) -> frozenset[str]:
    """The plans of the store that have a switch; where it is, is sealed."""
    table = backup_plan_secret
    return frozenset(
        connection.execute(select(table.c.plan).where(table.c.place == PING)).scalars()
    )


def take(connection: Connection, now: int, limit: int) -> tuple[Ping, ...]:
    """The pings whose turn it is, oldest first, for this process until the lease ends.

    Those that are late, or of a run that is not the plan's newest, are dropped.
    """
    table = backup_ping
    due = connection.execute(
        select(table)
        .where(table.c.state == "waiting", table.c.next_try_at <= now)
        .order_by(table.c.made_at, table.c.event.desc())
        .limit(limit)
    ).all()
    taken: list[Ping] = []
    for row in due:
        this = (table.c.run == row.run, table.c.event == row.event)
        if now - row.made_at > LATEST or _is_overtaken(connection, row.plan, row.run):
            connection.execute(
                update(table)
                .where(*this, table.c.state == "waiting")
                .values(state="dropped", ended_at=now, reason=row.reason or "late")
            )
            continue
        mine = connection.execute(
            update(table)
            .where(*this, table.c.state == "waiting", table.c.next_try_at == row.next_try_at)
            .values(next_try_at=now + LEASE)
        )
        if mine.rowcount == 1:
            taken.append(Ping(row.run, row.event, row.plan, row.made_at, row.attempts))
    return tuple(taken)


def sent(connection: Connection, ping: Ping, now: int) -> None:
    """It was taken by the other side."""
    _change(connection, ping, state="sent", ended_at=now, reason=None)


def refused(connection: Connection, ping: Ping, now: int, reason: str) -> None:
    """The other side will never take it."""
    _change(connection, ping, state="dropped", ended_at=now, reason=reason)


def postpone(connection: Connection, ping: Ping, now: int, reason: str) -> None:
    """It is tried again later, and later still the next time."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(ping.attempts, 20))
    _change(connection, ping, next_try_at=now + wait, attempts=ping.attempts + 1, reason=reason)


def counts(connection: Connection) -> dict[str, int]:
    """How many there are of each state."""
    asked = select(backup_ping.c.state, func.count()).group_by(backup_ping.c.state)
    return {row.state: row[1] for row in connection.execute(asked)}


def forget_old(connection: Connection, now: int) -> None:
    """Delete those that ended a week ago."""
    connection.execute(delete(backup_ping).where(backup_ping.c.ended_at < now - KEPT))


def _note(connection: Connection, run: str, event: Event, plan: str, at: int) -> bool:
    row = {
        "run": run,
        "event": event,
        "plan": plan,
        "made_at": at,
        "state": "waiting",
        "attempts": 0,
        "next_try_at": at,
        "ended_at": None,
        "reason": None,
    }
    return insert_unless_there(connection, backup_ping, row)


def _is_overtaken(connection: Connection, plan: str, run: str) -> bool:
    newest = (
        select(backup_run.c.id)
        .where(backup_run.c.plan == plan)
        .order_by(backup_run.c.started_at.desc(), backup_run.c.id.desc())
        .limit(1)
    )
    return connection.execute(newest).scalar_one_or_none() != run


def _change(connection: Connection, ping: Ping, **values: object) -> None:
    table = backup_ping
    connection.execute(
        update(table)
        .where(table.c.run == ping.run, table.c.event == ping.event, table.c.state == "waiting")
        .values(**values)
    )

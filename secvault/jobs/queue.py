"""Requests for long work, as rows: asked for in the caller's transaction, found by the worker.

requested -> started -> done | failed; a due run that a newer one replaces is missed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, text, update

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.store.engine import insert_unless_there
from secvault.store.tables import job

State: TypeAlias = Literal["requested", "started", "done", "failed", "missed"]

ENDED: tuple[State, ...] = ("done", "failed", "missed")

LONGEST_ID = 300
LONGEST_ERROR = 500
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PLAN = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,199}")

# Any fixed number does: on PostgreSQL the workers of all nodes take turns in claiming.
_CLAIM_LOCK = 0x5EC7A018


@dataclass(frozen=True)
class Job:
    """One piece of long work. Times are microseconds since the epoch, UTC.

    priority: of those that wait, one with a lower number begins first. not_before, not_after: it
    begins between these; None for at any time.
    """

    id: str
    kind: str
    plan: str
    requested_by: str
    requested_at: int
    due_at: int
    state: State
    finished_at: int | None = None
    error: str | None = None
    priority: int = 0
    not_before: int | None = None
    not_after: int | None = None


def request(
    connection: Connection,
    *,
    kind: str,
    plan: str,
    requested_by: str,
    now: int,
    id: str | None = None,  # noqa: A002 - the field's own word
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """Ask for work in the caller's transaction and return the job's id.

    id: a stable name of the work: asking again by the same id is the same job, whatever became of
    it; without one, each call is a new job. Raises InvalidInput at `kind`, `plan` or `id`, and
    Conflict when the id names other work.
    """
    wanted = Job(
        id=id if id is not None else f"{kind}:{plan}:{random(10).hex()}",
        kind=kind,
        plan=plan,
        requested_by=requested_by,
        requested_at=now,
        due_at=now,
        state="requested",
    )
    if not add(connection, [wanted]):
        present = get(connection, wanted.id)
        if (present.kind, present.plan) != (kind, plan):
            raise Conflict(f"id: the job {wanted.id} is {present.kind} of {present.plan}")
    return wanted.id


def add(connection: Connection, jobs: Sequence[Job]) -> tuple[str, ...]:
    """Write those of `jobs` whose id is new, and return their ids. Raises InvalidInput."""
    for one in jobs:
        _check(one)
    return tuple(one.id for one in jobs if insert_unless_there(connection, job, asdict(one)))


def get(connection: Connection, id: str) -> Job:  # noqa: A002 - the field's own word
    """The job of this id. Raises NotFound."""
    row = connection.execute(select(job).where(job.c.id == id)).first()
    if row is None:
        raise NotFound(f"there is no job {id}")
    return _job(row)


def jobs(
    connection: Connection,
    *,
    state: State | None = None,
    kind: str | None = None,
    plan: str | None = None,
    limit: int = 100,
) -> tuple[Job, ...]:
    """The newest jobs first, at most `limit`, narrowed to what is given."""
    asked = [
        column == value
        for column, value in ((job.c.state, state), (job.c.kind, kind), (job.c.plan, plan))
        if value is not None
    ]
    newest_first = select(job).where(*asked).order_by(job.c.requested_at.desc(), job.c.id.desc())
    return tuple(_job(row) for row in connection.execute(newest_first.limit(limit)))


def waiting(connection: Connection) -> bool:
    """True when some job is requested and not yet started."""
    return (
        connection.execute(select(job.c.id).where(job.c.state == "requested").limit(1)).first()
        is not None
    )


def started(connection: Connection) -> tuple[Job, ...]:
    """All jobs that were started and not finished, oldest first."""
    rows = select(job).where(job.c.state == "started").order_by(job.c.requested_at, job.c.id)
    return tuple(_job(row) for row in connection.execute(rows))


def closed(connection: Connection, now: int) -> tuple[Job, ...]:
    """The jobs that were not started before their time to begin was over."""
    rows = select(job).where(job.c.state == "requested", job.c.not_after <= now)
    return tuple(_job(row) for row in connection.execute(rows.order_by(job.c.due_at, job.c.id)))


def move(
    connection: Connection, one: Job, *, not_before: int | None, not_after: int | None
) -> None:
    """Let a job that was not started, nor moved since it was read, begin at another time."""
    connection.execute(
        update(job)
        .where(job.c.id == one.id, job.c.state == "requested", job.c.not_after == one.not_after)
        .values(not_before=not_before, not_after=not_after)
    )


def claim(
    connection: Connection,
    limit: int,
    *,
    now: int,
    only: Collection[str] = (),
    but: Collection[str] = (),
) -> tuple[Job, ...]:
    """Mark up to `limit` requested jobs as started and return them.

    Those that may begin by now: the lowest priority number first, then the longest due.
    Work of one kind on one plan is done one at a time, over all nodes; a job that must wait for
    its predecessor stays requested. only, but: the kinds to choose from, or not to choose from.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CLAIM_LOCK})
    before = job.alias("before")
    in_work = (
        select(before.c.id)
        .where(
            before.c.state == "started", before.c.kind == job.c.kind, before.c.plan == job.c.plan
        )
        .exists()
    )
    # Each kind and plan's longest due request, where none is in work.
    ranked = (
        select(
            job,
            func.row_number()
            .over(partition_by=(job.c.kind, job.c.plan), order_by=(job.c.due_at, job.c.id))
            .label("place"),
        )
        .where(
            job.c.state == "requested",
            ~in_work,
            *((job.c.kind.in_(only),) if only else ()),
            *((job.c.kind.not_in(but),) if but else ()),
            or_(job.c.not_before.is_(None), job.c.not_before <= now),
            or_(job.c.not_after.is_(None), job.c.not_after > now),
        )
        .subquery()
    )
    first_of_each = select(ranked).where(ranked.c.place == 1)
    in_turn = first_of_each.order_by(ranked.c.priority, ranked.c.due_at, ranked.c.id)
    rows = connection.execute(in_turn.limit(limit))
    return tuple(
        _job(row, state="started")
        for row in rows.all()
        if connection.execute(
            update(job)
            .where(and_(job.c.id == row.id, job.c.state == "requested"))
            .values(state="started")
        ).rowcount
        == 1
    )


def finish(
    connection: Connection,
    id: str,  # noqa: A002 - the field's own word
    state: Literal["done", "failed"],
    *,
    now: int,
    error: str | None = None,
) -> bool:
    """Record how a started job ended; False when that was recorded before."""
    return (
        connection.execute(
            update(job)
            .where(job.c.id == id, job.c.state == "started")
            .values(state=state, finished_at=now, error=error[:LONGEST_ERROR] if error else None)
        ).rowcount
        == 1
    )


def withdraw(connection: Connection, id: str, *, now: int, why: str) -> bool:  # noqa: A002
    """Record that a requested job is not wanted any more; False when it was begun before."""
    return (
        connection.execute(
            update(job)
            .where(job.c.id == id, job.c.state == "requested")
            .values(state="missed", finished_at=now, error=why[:LONGEST_ERROR])
        ).rowcount
        == 1
    )


def ended(connection: Connection, kind: str, *, keep: int, limit: int) -> tuple[str, ...]:
    """Ids of ended jobs of this kind, at most `limit`, without the newest `keep` of them."""
    found = (
        select(job.c.id)
        .where(job.c.kind == kind, job.c.state.in_(ENDED))
        .order_by(job.c.requested_at.desc(), job.c.id.desc())
        .offset(keep)
        .limit(limit)
    )
    return tuple(connection.execute(found).scalars())


def forget(connection: Connection, ids: Sequence[str]) -> int:
    """Delete those of these jobs that have ended; how many. Nothing may refer to them."""
    gone = connection.execute(delete(job).where(job.c.id.in_(ids), job.c.state.in_(ENDED)))
    return gone.rowcount


def supersede(
    connection: Connection,
    newer: str,
    *,
    now: int,
) -> tuple[str, ...]:
    """Mark what the asker of the job `newer` wanted before and nobody started as missed.

    Returns the ids of those jobs: same kind, plan and asker. Raises NotFound.
    """
    by = get(connection, newer)
    replaced = (
        update(job)
        .where(
            job.c.state == "requested",
            job.c.id != by.id,
            job.c.kind == by.kind,
            job.c.plan == by.plan,
            job.c.requested_by == by.requested_by,
        )
        .values(
            state="missed",
            finished_at=now,
            error="a newer run came due before this one could start",
        )
        .returning(job.c.id)
    )
    return tuple(sorted(connection.execute(replaced).scalars()))


def give_up(
    connection: Connection,
    kinds: Sequence[str],
    plan: str,
    requested_by: str,
    *,
    now: int,
    error: str,
) -> int:
    """Mark what this asker wanted of the plan and nobody started as missed; how many."""
    gone = connection.execute(
        update(job)
        .where(
            job.c.state == "requested",
            job.c.kind.in_(kinds),
            job.c.plan == plan,
            job.c.requested_by == requested_by,
        )
        .values(state="missed", finished_at=now, error=error)
    )
    return gone.rowcount


def _check(one: Job) -> None:
    if not _KIND.fullmatch(one.kind):
        raise InvalidInput.at("kind", "write lower-case letters, digits and hyphens, at most 32")
    if not _PLAN.fullmatch(one.plan):
        raise InvalidInput.at("plan", "write 1 to 200 characters, no control characters")
    if not 0 < len(one.id) <= LONGEST_ID or not one.id.isprintable():
        raise InvalidInput.at("id", f"write 1 to {LONGEST_ID} printable characters")


def _job(row: Row[tuple[object, ...]], state: State | None = None) -> Job:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for the row as a mapping
    return Job(
        id=fields["id"],
        kind=fields["kind"],
        plan=fields["plan"],
        requested_by=fields["requested_by"],
        requested_at=fields["requested_at"],
        due_at=fields["due_at"],
        state=state or fields["state"],
        finished_at=fields["finished_at"],
        error=fields["error"],
        priority=fields["priority"],
        not_before=fields["not_before"],
        not_after=fields["not_after"],
    )

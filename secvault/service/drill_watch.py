"""The watch over drills: what failed, what did not take place, what is overdue, is told once.

All of it is read from rows; see `backup_watch`. The worker looks every minute.
"""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from secvault.service import drill_endings, drill_notices
from secvault.service.drill_standing import DAY, Standing, standings
from secvault.service.service import Service
from secvault.store.tables import backup_told, drill, job


def look_after(service: Service) -> None:
    """Tell what is to be told. Raises Unavailable, Damaged."""
    tell_failures(service)
    tell_standing(service)
    # Last: a folder that cannot be written to keeps nobody from being told.
    keep_evidence(service)


def tell_failures(service: Service) -> int:
    """Tell of the last day's drills that did not pass and of which nobody was told; how many.

    A process that was killed when it had stored the result told nobody.
    """
    told = backup_told
    resumed = select(job.c.id).where(job.c.id == drill.c.id, job.c.state == "started").exists()
    asked = (
        select(drill.c.id, drill.c.plan, drill.c.state)
        .outerjoin(told, told.c.cause == drill_notices.FAILED + drill.c.id)
        .where(
            or_(
                drill.c.passed.is_(False),
                and_(drill.c.state == "failed", ~resumed),
            ),
            drill.c.finished_at > service.clock.micros() - DAY,
            told.c.cause.is_(None),
        )
    )
    with service.store.read() as connection:
        rows = connection.execute(asked).all()
    for row in rows:
        if row.state == "done":
            drill_notices.tell_failed(service, row.plan, row.id, drill_notices.DAMAGE, passed=False)
        else:
            drill_notices.tell_failed(service, row.plan, row.id, "failed")
    return len(rows)


def keep_evidence(service: Service) -> int:
    """Write the files of the last day's evidence that a process was killed over; how many."""
    ended = select(drill.c.id).where(
        drill.c.document.is_not(None), drill.c.finished_at > service.clock.micros() - DAY
    )
    with service.store.read() as connection:
        ids = connection.execute(ended).scalars().all()
    lost = [
        one
        for one in ids
        if not all(file.exists() for file in drill_endings.evidence_files(service, one))
    ]
    for one in lost:
        drill_endings.write_evidence(service, one)
    return len(lost)


def tell_standing(service: Service) -> tuple[Standing, ...]:
    """Tell of the plans whose drill was missed, or is overdue; those that are so."""
    found = standings(service, service.backups.readable_plans())
    now = service.clock.micros()
    for one in found:
        if one.missed_at is not None:
            drill_notices.tell_missed(service, one.plan, one.missed_at)
        if one.overdue:
            seconds = 0
            if one.proven is not None and one.proven.finished_at is not None:
                seconds = max(1, (now - one.proven.finished_at) // 1_000_000)
            drill_notices.tell_overdue(service, one.plan, seconds, one.allowed // 1_000_000)
    return tuple(one for one in found if one.overdue or one.missed_at is not None)

"""The watch over drills: what failed, what did not take place, what is overdue, is told once.

All of it is read from rows; see `backup_watch`. The worker looks every minute.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Row, Table, and_, false, literal, or_, select

from secvault.service import drill_endings, drill_notices
from secvault.service.drill_standing import DAY, Standing, standings
from secvault.service.service import Service
from secvault.store.tables import backup_told, drill, drill_scenario, job


def look_after(service: Service) -> None:
    """Tell what is to be told. Raises Unavailable, Damaged."""
    tell_failures(service)
    tell_standing(service)
    # Last: a folder that cannot be written to keeps nobody from being told.
    keep_evidence(service)


def tell_failures(service: Service) -> int:
    """Tell of the last day's drills that did not pass and of which nobody was told; how many.

    Also of scenario drills. A process that was killed when it had stored the result told nobody.
    """
    rows = [
        row
        for table, scenario in ((drill, literal("")), (drill_scenario, drill_scenario.c.scenario))
        for row in _untold(service, table, scenario)
    ]
    for row in rows:
        done = row.state == "done"
        drill_notices.tell_failed(
            service,
            row.plan,
            row.id,
            drill_notices.DAMAGE if done else "failed",
            passed=False if done else None,
            scenario=row.scenario,
        )
    return len(rows)


def _untold(
    service: Service, table: Table, scenario: ColumnElement[str]
) -> Sequence[Row[tuple[str, str, str, str]]]:
    told, row = backup_told, table.c
    resumed = select(job.c.id).where(job.c.id == row.id, job.c.state == "started").exists()
    asked = (
        select(row.id, row.plan, row.state, scenario.label("scenario"))
        .outerjoin(told, told.c.cause == drill_notices.FAILED + row.id)
        .where(
            or_(row.passed.is_(false()), and_(row.state == "failed", ~resumed)),
            row.finished_at > service.clock.micros() - DAY,
            told.c.cause.is_(None),
        )
    )
    with service.store.read() as connection:
        return connection.execute(asked).all()


def keep_evidence(service: Service) -> int:
    """Write the files of the last day's evidence that a process was killed over; how many."""
    since = service.clock.micros() - DAY
    kinds = (
        (drill, drill_endings.evidence_files, drill_endings.write_evidence),
        (
            drill_scenario,
            drill_endings.scenario_evidence_files,
            drill_endings.write_scenario_evidence,
        ),
    )
    lost = 0
    for table, files_of, write in kinds:
        row = table.c
        ended = select(row.id).where(row.document.is_not(None), row.finished_at > since)
        with service.store.read() as connection:
            ids = connection.execute(ended).scalars().all()
        for one in ids:
            if not all(file.exists() for file in files_of(service, one)):
                write(service, one)
                lost += 1
    return lost


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

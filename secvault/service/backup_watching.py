"""The worker's look after runs that nobody works on any more."""

from __future__ import annotations

from sqlalchemy import Table, and_, or_, select

from secvault.errors import BackupFailed
from secvault.service import backup_endings, drill_endings
from secvault.service.service import Service
from secvault.store import tables


def look_after(service: Service) -> int:
    """End runs, checks, drills and scenarios whose process died and no job takes up; how many.

    A run from the command line that is killed tells nobody; the alarm must not wait for the next.
    """
    died = BackupFailed("the process that worked on it died; run it again")
    gone = _left(service, tables.backup_run)
    for run_id, plan in gone:
        backup_endings.run_failed(service, plan, run_id, died)
    checks = _left(service, tables.backup_check)
    for check_id, _ in checks:
        backup_endings.check_failed(service, check_id, died)
    drills = _left(service, tables.drill)
    for drill_id, plan in drills:
        drill_endings.drill_failed(service, plan, drill_id, died)
    scenarios = _left(service, tables.drill_scenario)
    for work, plan in scenarios:
        drill_endings.scenario_failed(service, plan, work, died)
    return len(gone) + len(checks) + len(drills) + len(scenarios)


def _left(service: Service, table: Table) -> tuple[tuple[str, str], ...]:
    job = tables.job
    resumed = select(job.c.id).where(job.c.id == table.c.id, job.c.state == "started").exists()
    silent = or_(
        and_(table.c.state == "running", service.backups.silent(table)),
        table.c.state == "waiting",
    )
    with service.store.read() as connection:
        rows = connection.execute(select(table.c.id, table.c.plan).where(silent, ~resumed))
        return tuple((row.id, row.plan) for row in rows)

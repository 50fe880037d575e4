"""The access report that the worker makes by the calendar, on the month before.

It goes into a folder that other people may read, so it names nobody but by ids.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import select

from secvault.audit.reports.period import month_before
from secvault.errors import Unavailable
from secvault.service.audit_reports import WantedReport, make_report
from secvault.service.service import Service
from secvault.service.spine import Caller
from secvault.store.tables import job

FOLDER = "reports"


def report_month(service: Service, caller: Caller, job_id: str) -> tuple[str, tuple[str, ...]]:
    """Make the report on the month before the job was due; the month, and the names of the files.

    Made again, it takes the place of what was there. Raises Refused, Damaged; Unavailable when the
    folder cannot be written.
    """
    settings = service.settings.audit.reports
    zone = service.settings.conditions.business_hours.time_zone
    month = month_before(_due(service, job_id), zone)
    wanted = WantedReport(
        month=month, languages=settings.languages, formats=settings.formats, names=False
    )
    folder = Path(settings.folder) if settings.folder else service.settings.data_folder / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_writable(folder)
        made = make_report(service, caller, wanted)
        for file in made:
            _put(folder / file.name, file.content)
    except OSError as error:
        raise Unavailable(
            f"audit.reports.folder: {folder} cannot be written: {error.strerror}"
        ) from None
    return month, tuple(file.name for file in made)


def _due(service: Service, job_id: str) -> int:
    with service.store.read() as connection:
        due = connection.scalar(select(job.c.due_at).where(job.c.id == job_id))
    return service.clock.micros() if due is None else int(due)


def _require_writable(folder: Path) -> None:
    # Before a report is on record that then lies nowhere.
    number, name = mkstemp(dir=folder, prefix=".report.")
    os.close(number)
    Path(name).unlink()


def _put(place: Path, content: bytes) -> None:
    number, name = mkstemp(dir=place.parent, prefix=f".{place.name}.")
    made = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        made.replace(place)
    finally:
        made.unlink(missing_ok=True)

"""The access report over the log: made, and on record with what was made.

Making it is reading the log, allowed to the same people. The intent is on record before it, the
SHA-256 of the file after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import MappingProxyType

from sqlalchemy import Connection, func, select

from secvault.access.vocabulary import DEPARTMENTS
from secvault.audit.checkpoints import newest_checkpoint
from secvault.audit.question import Question
from secvault.audit.questions.saved import Asked
from secvault.audit.range_file import span_of
from secvault.audit.reports.controls import controls
from secvault.audit.reports.document import Contents, Named, WorkingHours, document
from secvault.audit.reports.pdf import report_pdf
from secvault.audit.reports.period import Period, month_of
from secvault.audit.reports.table import Sources, make_tables
from secvault.audit.reports.words import words
from secvault.audit.reports.workbook import report_xlsx
from secvault.audit.verify import Progress
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.service.audit_idle import idle_rows
from secvault.service.audit_log import checked
from secvault.service.audit_outside import outside_of
from secvault.service.audit_personal import networks_for
from secvault.service.circumstances import after_hours
from secvault.service.log_signing import sign_now
from secvault.service.reviews import population
from secvault.service.reviews.population import Register
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import token

REPORT = Operation("audit.read", "it", "log", "it/audit", kind="audit.report")
_PEOPLE = Operation("person.read", "it", "people", "it/people")

Render = Callable[[Mapping[str, JsonValue], str], bytes]

FORMATS: Mapping[str, tuple[str, Render]] = MappingProxyType(
    {
        "pdf": ("application/pdf", report_pdf),
        "xlsx": (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            report_xlsx,
        ),
    }
)
"""By name: the media type, and what writes it."""


@dataclass(frozen=True)
class WantedReport:
    """What somebody wants a report of.

    month: such as 2026-10, by the clocks of the company; or since and until, microseconds UTC,
    None for the ends of the log. department: empty for all. languages, formats: a file for each
    of both. names: False leaves names of people out; else they are shown where the reader may see
    them.
    """

    month: str = ""
    since: int | None = None
    until: int | None = None
    department: str = ""
    languages: tuple[str, ...] = ("en",)
    formats: tuple[str, ...] = ("pdf",)
    names: bool = True


@dataclass(frozen=True)
class ReportFile:
    """One file. name: to keep it under. digest: SHA-256, hexadecimal, as the log has it."""

    name: str
    format: str
    language: str
    media_type: str
    content: bytes
    digest: str


def make_report(
    service: Service, caller: Caller, wanted: WantedReport, progress: Progress = lambda _, __: None
) -> tuple[ReportFile, ...]:
    """The report as files, each on record with its digest. It verifies the whole log on the way.

    progress: told how many entries were verified so far, of how many. A damaged log is reported as
    that, as far as its entries can be read. Raises Refused, InvalidInput, Damaged.
    """
    period = _period(service, wanted)
    if wanted.department and wanted.department not in DEPARTMENTS:
        raise InvalidInput.at("department", f"must be one of {', '.join(DEPARTMENTS)}")
    for language in wanted.languages:
        words(language)
    for name in wanted.formats:
        if name not in FORMATS:
            raise InvalidInput.at("format", f"must be one of {', '.join(FORMATS)}")
    decision = service.spine.announce(caller, REPORT)
    with service.spine.concerning(caller, REPORT, decision):
        made_of = document(_contents(service, caller, wanted, period, progress))
        files = tuple(
            _file(made_of, period, wanted, name, language)
            for name in wanted.formats
            for language in wanted.languages
        )
    for file in files:
        detail: dict[str, str | int | bool] = {
            "format": file.format,
            "language": file.language,
            "digest": file.digest,
            "bytes": len(file.content),
        }
        if period.month:
            detail["month"] = period.month
        service.spine.conclude(caller, REPORT, decision, Outcome(None, detail=detail))
    return files


def _period(service: Service, wanted: WantedReport) -> Period:
    zone = service.settings.conditions.business_hours.time_zone
    if wanted.month:
        if wanted.since is not None or wanted.until is not None:
            raise InvalidInput.at("month", "give a month, or since and until, not both")
        return month_of(wanted.month, zone)
    since, until = wanted.since, wanted.until
    if since is not None and until is not None and since >= until:
        raise InvalidInput.at("until", "must be after since")
    return Period(since, until, zone)


def _file(
    made_of: Mapping[str, JsonValue],
    period: Period,
    wanted: WantedReport,
    name: str,
    language: str,
) -> ReportFile:
    media_type, render = FORMATS[name]
    content = render(made_of, language)
    parts = ["access-report", period.month or "period", wanted.department]
    stem = "-".join(part for part in parts if part)
    digest = sha256(content).hexdigest()
    return ReportFile(f"{stem}.{language}.{name}", name, language, media_type, content, digest)


def _contents(
    service: Service, caller: Caller, wanted: WantedReport, period: Period, progress: Progress
) -> Contents:
    settings, store = service.settings, service.store
    hours = after_hours(settings)
    found = checked(service, progress)
    # What contradicts itself is not signed.
    signed = sign_now(service) if found.intact else newest_checkpoint(store)
    asked = Asked(department=wanted.department, since=period.since, until=period.until, hours=hours)
    with store.read() as connection:
        idle = idle_rows(service, connection, None)
        everybody = population.register(connection)
        named = _named(service, caller, everybody) if wanted.names else None
        held = len(everybody.people) + len(everybody.systems) + _tokens(connection)
        question = Question(since=period.since, until=period.until)
        span = span_of(connection, question, found.size)
    sources = Sources(store, asked, idle, held, partial(networks_for, service, caller))
    tables, totals = make_tables(sources)
    return Contents(
        organisation=settings.organisation,
        vault=service.keyring.vault_id,
        origin=service.signing.audit.name,
        period=period,
        department=wanted.department,
        hours=_working_hours(service),
        made_at=service.clock.micros(),
        made_by=caller.principal.subject,
        named=named,
        checked=found,
        checkpoint=signed,
        entries=(span.first, span.after),
        tables=tables,
        totals=totals,
        outside=outside_of(service),
        controls=controls(),
    )


def _working_hours(service: Service) -> WorkingHours:
    said = service.settings.conditions.business_hours
    return WorkingHours(tuple(said.days), tuple(said.hours), said.time_zone, len(said.holidays))


def _tokens(connection: Connection) -> int:
    found = connection.scalar(
        select(func.count()).select_from(token).where(token.c.revoked_at.is_(None))
    )
    return int(found or 0)


def _named(service: Service, caller: Caller, everybody: Register) -> Named | None:
    if not service.spine.ask(caller, _PEOPLE).allowed:
        return None
    return everybody.display_name

"""Taking the log along: a period as an evidence package, and a month as a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from itertools import chain
from typing import Annotated

from babel import dates
from fastapi import Form, Request
from starlette.responses import Response, StreamingResponse

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.reports.period import month_before, month_of
from secvault.console.audit_view import PATH, View, Viewed, audit_page
from secvault.console.language import LANGUAGES, NAMES, language_of
from secvault.console.visitor import Visiting, Visitor
from secvault.console.zone import link_typed, zone_of
from secvault.errors import InvalidInput, Refused
from secvault.service import audit_log
from secvault.service.audit_export import USUAL_FORMATS, LogExport, Wanted, export_log
from secvault.service.audit_reports import FORMATS, WantedReport, make_report

router = Routes(include_in_schema=False)

EXPORTS, REPORTS = f"{PATH}/exports", f"{PATH}/reports"
TABLES = ("csv", "xlsx", "ocsf", "cef")
MONTHS = 24

Text = Annotated[str, Form(max_length=200)]
Flag = Annotated[bool, Form()]
Several = Annotated[list[str], Form(max_length=10)]


@router.get(EXPORTS)
@operation("it/audit", "audit.read", "person.read")
def exports(request: Request, at: Visiting, viewed: Viewed) -> Response:
    """The forms. Nothing is read yet; a view that led here stands in them."""
    # Decided and refused as the operations behind the forms are.
    at.service.spine.decide(at.caller, audit_log.LOG)
    return _shown(request, at, viewed)


@router.post(EXPORTS)
@operation("it/audit", "audit.read", "audit.personal", "person.read")
def export(
    request: Request,
    at: Visiting,
    *,
    who: Text = "",
    what: Text = "",
    on: Annotated[str, Form(max_length=1024)] = "",
    department: Text = "",
    outcome: Text = "",
    since: Text = "",
    until: Text = "",
    formats: Several = [],  # noqa: B006 - FastAPI copies it
    reports: Several = [],  # noqa: B006
    pseudonyms: Flag = False,
) -> Response:
    """Take a period along with the proof that nothing in it was left out or added."""
    zone = zone_of(request)
    since, until = link_typed(since, zone), link_typed(until, zone)
    viewed = View(who, what, on, department, outcome, since, until)
    try:
        chosen = Wanted(viewed.question(at), tuple(formats), pseudonyms, tuple(reports))
        package = export_log(at.service, at.caller, chosen)
    except InvalidInput as error:
        return _shown(
            request,
            at,
            viewed,
            problem=error.detail,
            formats=formats,
            reports=reports,
            pseudonyms=pseudonyms,
        )
    parts = _parts(package)
    # What goes wrong before anything has left is a page of its own.
    first = next(parts)
    return StreamingResponse(
        chain((first,), parts),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{package.name}"'},
    )


@router.post(REPORTS)
@operation("it/audit", "audit.read", "audit.personal", "person.read")
def report(
    request: Request,
    at: Visiting,
    *,
    month: Text = "",
    department: Text = "",
    in_language: Text = "en",
    file: Text = "pdf",
    names: Flag = False,
) -> Response:
    """Make the access report on a month, as PDF or Excel."""
    try:
        wanted = WantedReport(
            month=_month(at, month),
            department=department,
            languages=(in_language,),
            formats=(file,),
            names=names,
        )
        (made,) = make_report(at.service, at.caller, wanted)
    except InvalidInput as error:
        return _shown(request, at, View(), report_problem=error.detail, month=month)
    return Response(
        made.content,
        media_type=made.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{made.name}"',
            "X-Content-SHA256": made.digest,
        },
    )


def _parts(package: LogExport) -> Iterator[bytes]:
    with package:
        yield from package.parts()


def _month(at: Visitor, text: str) -> str:
    """The month, which must be one: without it, a report would be on the whole log."""
    return month_of(text, _zone(at)).month


def _zone(at: Visitor) -> str:
    return at.service.settings.conditions.business_hours.time_zone


def _months(at: Visitor, language: str) -> Sequence[tuple[str, str]]:
    """The last whole months, each with its name, the newest first."""
    zone, found = _zone(at), []
    moment = at.service.clock.micros()
    for _ in range(MONTHS):
        month = month_before(moment, zone)
        first = date.fromisoformat(f"{month}-01")
        found.append((month, dates.format_skeleton("yMMMM", first, locale=language)))
        moment = month_of(month, zone).since or 0
    return found


def _shown(
    request: Request,
    at: Visitor,
    viewed: View,
    *,
    problem: str = "",
    report_problem: str = "",
    month: str = "",
    formats: Sequence[str] = USUAL_FORMATS,
    reports: Sequence[str] = (),
    pseudonyms: bool = False,
) -> Response:
    try:
        viewed.question(at)
    except (InvalidInput, Refused) as error:
        problem = problem or error.detail
    return audit_page(
        request,
        at,
        "exports.html",
        place=viewed.url(EXPORTS),
        status=422 if problem or report_problem else 200,
        view=viewed,
        narrowed={
            name: value
            for name, value in asdict(viewed).items()
            if value and name not in ("since", "until")
        },
        problem=problem,
        report_problem=report_problem,
        tables=TABLES,
        formats=formats,
        reports=reports,
        pseudonyms=pseudonyms,
        months=_months(at, language_of(request).code),
        month=month,
        files=tuple(FORMATS),
        tongues=[(code, NAMES[code]) for code in LANGUAGES],
        own_language=language_of(request).code,
    )

"""The access report over HTTP: /api/v1/audit/reports/{month} answers with a PDF or a workbook."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from fastapi.responses import Response

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service
from secvault.service.audit_reports import FORMATS, WantedReport, make_report
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Month = Annotated[str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="As 2026-10.")]

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report. Its SHA-256 stands in the log, and in the header "
        "`X-Content-SHA256`.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type, _ in FORMATS.values()
        },
    }
}


@router.post("/reports/{month}", response_class=Response, responses=_RESPONSES)
@operation("it/audit", "audit.read", "audit.personal", "person.read")
def audit_report(
    at: Authenticated,
    month: Month,
    *,
    department: Annotated[str, Query(max_length=63)] = "",
    language: Literal["en", "vi"] = "en",
    form: Annotated[Literal["pdf", "xlsx"], Query(alias="format")] = "pdf",
    names: Annotated[bool, Query(description="With names, if you may see them.")] = True,
) -> Response:
    """Make the access report on a month, by the clocks of the company."""
    service, who = at
    wanted = WantedReport(
        month=month,
        department=department,
        languages=(language,),
        formats=(form,),
        names=names,
    )
    (made,) = make_report(service, who, wanted)
    return Response(
        made.content,
        media_type=made.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{made.name}"',
            "Cache-Control": "no-store",
            "X-Content-SHA256": made.digest,
        },
    )

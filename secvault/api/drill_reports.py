"""Reports on restore drills over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service, drill_reports
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["backups"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
DrillId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:+-]{1,300}$")]


@router.get(
    "/drills/{drill}/report",
    response_class=Response,
    responses={
        200: {
            "content": {"text/html": {}, "application/pdf": {}},
            "description": "The report.",
        }
    },
)
@operation("it/backups", "drill.read")
def drill_report(
    at: Authenticated,
    drill: DrillId,
    form: Annotated[str, Query(alias="format", pattern="^(html|pdf)$")] = "html",
    language: Annotated[str, Query(pattern="^(en|vi)$")] = "en",
) -> Response:
    """What a drill found, as a page or a PDF, in English or Vietnamese."""
    service, who = at
    made = drill_reports.read_report(service, who, drill, form, language)
    shown = "inline" if form == "html" else "attachment"
    named = {"Content-Disposition": f'{shown}; filename="{made.name}"'}
    return Response(made.content, media_type=made.media_type, headers=named)

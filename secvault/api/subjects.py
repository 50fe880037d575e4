"""What is held on one person, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.service import Service
from secvault.service.erasing import subject_report
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["subjects"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Person = Annotated[str, Path(min_length=1, max_length=64, examples=["nv-0042"])]


class CoveredCollection(BaseModel):
    """A collection that the report covers."""

    collection: str
    department: str
    title: dict[str, str]


class SubjectReport(BaseModel):
    """All that is held on a person in the collections that you may report on."""

    kind: str
    version: int
    organisation: str
    person: str
    made_by: str
    made_at: str
    covers: list[CoveredCollection]
    records: int
    sections: list[dict[str, Any]]


@router.get(
    "/subjects/{person}/report",
    responses={200: {"content": {"application/pdf": {}}, "description": "JSON, or a PDF."}},
    response_model=SubjectReport,
)
@operation("{department}/subjects", "subject.report", "record.list")
def subject_report_read(
    at: Authenticated,
    person: Person,
    format_: Annotated[Literal["json", "pdf"], Query(alias="format")] = "json",
    language: Annotated[Literal["en", "vi"], Query(description="Of the PDF.")] = "en",
) -> Any:
    """What is held on the employee with this number, for that person; as JSON or PDF."""
    service, who = at
    if format_ == "json":
        return subject_report.report(service, who, person)
    made = subject_report.report_pdf(service, who, person, language)
    named = {"Content-Disposition": 'attachment; filename="report.pdf"'}
    return Response(made, media_type="application/pdf", headers=named)

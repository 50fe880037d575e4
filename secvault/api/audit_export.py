"""Evidence packages of the audit log over HTTP: /api/v1/audit/exports answers with a zip."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import Body, Depends
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.audit.event import Outcome
from secvault.audit.question import Question
from secvault.clock import micros_of
from secvault.service import Service
from secvault.service.audit_export import USUAL_FORMATS, LogExport, Wanted, export_log
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]

_ZIP = "application/zip"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip with the entries, the proof that none is left out, tables, a signed "
        "manifest and the program that checks it all. It has an end only when it is whole.",
        "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}

Text = Annotated[str, Field(max_length=200)]


class NewAuditExport(BaseModel):
    """A period of the log to take away, and what is asked about it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    since: AwareDatetime | None = Field(None, description="At or after this moment.")
    until: AwareDatetime | None = Field(None, description="Before this moment.")
    kind: str = Field("", max_length=64, description="Such as record.read, or record. for all.")
    outcome: Outcome | None = None
    actor: Text = Field("", description="Such as user:<id>, or user: for all people.")
    resource: str = Field("", max_length=1024, description="This one and all below it.")
    department: str = Field("", max_length=63)
    request: Text = Field("", description="The id of a request.")
    formats: list[str] = Field(
        default_factory=lambda: [*USUAL_FORMATS],
        max_length=10,
        description="Tables beside the exact bytes: csv, xlsx, parquet, ocsf, cef.",
    )
    pseudonyms: bool = Field(
        default=False,
        description="Call people by pseudonyms; the exact bytes are then left out, and what is "
        "left of the proof is how many entries there are.",
    )
    reports: list[Literal["en", "vi"]] = Field(
        default_factory=list,
        max_length=2,
        description="Languages of the access report on the same period, which then lies in the "
        "package as PDF and Excel.",
    )


@router.post("/exports", response_class=StreamingResponse, responses=_RESPONSES)
@operation("it/audit", "audit.read", "audit.personal", "person.read")
def audit_export(at: Authenticated, new: Annotated[NewAuditExport, Body()]) -> StreamingResponse:
    """Take away a period of the log with the proof that nothing in it was left out or added."""
    service, who = at
    question = Question(
        kind=new.kind,
        outcome=new.outcome,
        actor=new.actor,
        resource=new.resource,
        department=new.department,
        request=new.request,
        since=None if new.since is None else micros_of(new.since),
        until=None if new.until is None else micros_of(new.until),
    )
    reports = tuple(dict.fromkeys(new.reports))
    wanted = Wanted(question, tuple(new.formats), new.pseudonyms, reports)
    export = export_log(service, who, wanted)
    parts = _parts(export)
    # What goes wrong before anything has left is an answer of its own.
    first = next(parts)
    return StreamingResponse(
        chain((first,), parts),
        media_type=_ZIP,
        headers={
            "Content-Disposition": f'attachment; filename="{export.name}"',
            "Cache-Control": "no-store",
        },
    )


def _parts(export: LogExport) -> Iterator[bytes]:
    with export:
        yield from export.parts()

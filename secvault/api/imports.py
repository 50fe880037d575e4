"""Imports of records over HTTP: a file is sent in parts, checked, started, watched."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.records.imports import import_row
from secvault.records.imports.import_row import Goal, Import, State
from secvault.records.imports.source import MOST_PARTS
from secvault.records.imports.spec import (
    Dates,
    Delimiter,
    Encoding,
    Form,
    Numbers,
    OnConflict,
    Spec,
)
from secvault.service import Service
from secvault.service.record_imports import requests
from secvault.service.record_imports.fault_sheet import as_csv
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["imports"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
ImportId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
PLACE = "{department}/{collection}"


class NewImport(BaseModel):
    """What is in the file, and how it is to be read."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collection: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["payroll"])
    format: Form
    on_conflict: OnConflict = Field(
        OnConflict.REFUSE, description="What becomes of rows whose record is there already."
    )
    mapping: dict[str, str] = Field(
        default_factory=dict,
        description="A column's heading to a field's name, to `id`, or to nothing to leave it out. "
        "Others go by their heading: a field's name, or its title in any language.",
        examples=[{"Lương": "gross_salary", "Ghi chú": ""}],
    )
    dates: Dates = Field(Dates.ISO, description="How dates are written in text cells.")
    numbers: Numbers = Field(Numbers.PLAIN, description="How numbers are written in text cells.")
    delimiter: Delimiter = Field(Delimiter.AUTO, description="Of a CSV file.")
    encoding: Encoding = Field(Encoding.AUTO, description="Of a CSV file.")
    sheet: str = Field("", description="Of a workbook; without it, the only visible one.")
    time_zone: str = Field("", examples=["Asia/Ho_Chi_Minh"])


class ImportAnswer(BaseModel):
    """How far an import is. `total`: rows with a record, null before they are counted."""

    id: str
    collection: str
    requested_by: str
    state: State
    goal: Goal
    format: Form
    on_conflict: OnConflict
    parts: int
    bytes: int
    total: int | None
    created: int
    updated: int
    skipped: int
    faults: int
    reason: str | None = Field(description="Why it stopped.")
    created_at: str
    changed_at: str
    ended_at: str | None


class ImportList(BaseModel):
    """Imports, newest first."""

    imports: list[ImportAnswer]


class FaultAnswer(BaseModel):
    """What is wrong. `row`: of the file, 0 for all of it. Never with a value of the file."""

    row: int
    field: str
    detail: str


class FaultList(BaseModel):
    """What is wrong with a file, in order of its rows."""

    faults: list[FaultAnswer]
    complete: bool = Field(description="false when looking ended at so many faults.")


@router.post("/imports", status_code=201)
@operation(PLACE, "record.import", "record.create", "record.update")
def import_create(at: Authenticated, new: Annotated[NewImport, Body()]) -> ImportAnswer:
    """Begin to import a file; send its parts next."""
    service, who = at
    spec = Spec(
        form=new.format,
        dates=new.dates,
        numbers=new.numbers,
        delimiter=new.delimiter,
        encoding=new.encoding,
        sheet=new.sheet,
        time_zone=new.time_zone,
        mapping=new.mapping,
    )
    made = requests.create_import(service, who, new.collection, spec, new.on_conflict)
    return _answer(made)


@router.get("/imports")
@operation(PLACE, "record.import")
def import_list(at: Authenticated, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> ImportList:
    """The newest imports into the collections that you may import into."""
    service, who = at
    found = requests.list_imports(service, who, limit)
    return ImportList(imports=[_answer(each) for each in found])


@router.get("/imports/{import_id}")
@operation(PLACE, "record.import")
def import_read(at: Authenticated, import_id: ImportId) -> ImportAnswer:
    """How far an import is."""
    service, who = at
    return _answer(requests.read_import(service, who, import_id))


async def _content(request: Request) -> bytes:
    """The body as it is, whatever type it is said to have."""
    return await request.body()


@router.put(
    "/imports/{import_id}/parts/{part}",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
@operation(PLACE, "record.import")
def import_part(
    at: Authenticated,
    import_id: ImportId,
    part: Annotated[int, Path(ge=1, le=MOST_PARTS)],
    content: Annotated[bytes, Depends(_content)],
) -> ImportAnswer:
    """Send a part of the file, numbered from 1; the same part may be sent again."""
    service, who = at
    return _answer(requests.put_part(service, who, import_id, part, content))


@router.post("/imports/{import_id}/check", status_code=202)
@operation(PLACE, "record.import", "record.create", "record.update")
def import_check(at: Authenticated, import_id: ImportId) -> ImportAnswer:
    """Have the whole file looked at without storing anything."""
    service, who = at
    return _answer(requests.check_import(service, who, import_id))


@router.post("/imports/{import_id}/start", status_code=202)
@operation(PLACE, "record.import", "record.create", "record.update")
def import_start(at: Authenticated, import_id: ImportId) -> ImportAnswer:
    """Have the file checked, and imported when nothing is wrong with it."""
    service, who = at
    return _answer(requests.start_import(service, who, import_id))


@router.post("/imports/{import_id}/resume", status_code=202)
@operation(PLACE, "record.import", "record.create", "record.update")
def import_resume(at: Authenticated, import_id: ImportId) -> ImportAnswer:
    """Have an import that stopped go on, with your rights of now."""
    service, who = at
    return _answer(requests.resume_import(service, who, import_id))


@router.delete("/imports/{import_id}")
@operation(PLACE, "record.import")
def import_cancel(at: Authenticated, import_id: ImportId) -> ImportAnswer:
    """End an import and destroy its file; what is stored stays."""
    service, who = at
    return _answer(requests.cancel_import(service, who, import_id))


@router.get("/imports/{import_id}/faults")
@operation(PLACE, "record.import")
def import_faults(at: Authenticated, import_id: ImportId) -> FaultList:
    """What is wrong with the file, by row and field."""
    service, who = at
    found, faults = requests.import_faults(service, who, import_id)
    return FaultList(
        faults=[FaultAnswer(row=one.line, field=one.field, detail=one.detail) for one in faults],
        complete=found.faults < import_row.MOST_FAULTS,
    )


@router.get(
    "/imports/{import_id}/faults.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@operation(PLACE, "record.import")
def import_faults_csv(at: Authenticated, import_id: ImportId) -> Response:
    """The same as CSV that no spreadsheet takes for formulas."""
    service, who = at
    _, faults = requests.import_faults(service, who, import_id)
    return Response(
        as_csv(faults),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="faults.csv"'},
    )


def _answer(found: Import) -> ImportAnswer:
    times = {
        "created_at": timestamp(found.created_at),
        "changed_at": timestamp(found.changed_at),
        "ended_at": None if found.ended_at is None else timestamp(found.ended_at),
    }
    shown = {name: it for name, it in vars(found).items() if name != "position"}
    return ImportAnswer(**{**shown, **times})

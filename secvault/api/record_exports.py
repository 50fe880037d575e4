"""Exports over HTTP: /api/v1/exports. The answer is a zip: the file, its manifest and its note."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

from fastapi import Body, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import moment
from secvault.records.exports.package import packaged
from secvault.service import Service
from secvault.service.record_exports.as_shown import export_records
from secvault.service.record_exports.asked import Anonymity, Wanted
from secvault.service.record_exports.deidentified import export_deidentified
from secvault.service.record_exports.underway import Underway
from secvault.service.spine import Caller
from secvault.tabular.writer import Format

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]

_ZIP = "application/zip"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip of the file, `manifest.json` and its signature `manifest.note`. It "
        "has an end only when all of it was exported.",
        "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class _Export(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    collection: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["payroll"])
    format: Format = Format.CSV
    reason: str = Field("", max_length=200, description="Why, for the manifest.")
    language: str = Field("en", pattern=r"^[a-z]{2}$", description="Of the titles of columns.")
    titles: bool = Field(
        default=False, description="Head the columns of csv and xlsx by titles, not by names."
    )
    byte_order_mark: bool = Field(
        default=True, description="Begin csv so that Excel knows it is UTF-8."
    )


class NewExport(_Export):
    """Records to export, as far as you may see them."""

    where: dict[str, Any] = Field(
        default_factory=dict,
        description="What the records must be, by field: the value, or an object with `is`, `in`, "
        "`prefix`, `last`, or `from` and `to`.",
    )


class NewDeidentifiedExport(_Export):
    """A collection to export without telling who is who."""

    project: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,47}$",
        description="Pseudonyms are the same within a project, over all collections.",
    )
    k: int | None = Field(
        None, ge=2, le=1000, description="How many people at least are alike; else as configured."
    )
    quasi_identifiers: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="Fields by which somebody might be known again, beside the usual ones.",
    )
    small_groups: str = Field(
        "leave_out", pattern=r"^(leave_out|refuse)$", description="Of fewer than k people."
    )


@router.post("/exports", response_class=StreamingResponse, responses=_RESPONSES)
@operation("{department}/{collection}", "record.export", "record.list", "record.read")
def record_export(at: Authenticated, new: Annotated[NewExport, Body()]) -> StreamingResponse:
    """Export records as far as you may see them: masked stays masked, absent stays absent."""
    service, who = at
    return _streamed(export_records(service, who, _wanted(new, new.where)))


@router.post("/exports/deidentified", response_class=StreamingResponse, responses=_RESPONSES)
@operation("{department}/{collection}", "record.export_deidentified")
def record_export_deidentified(
    at: Authenticated, new: Annotated[NewDeidentifiedExport, Body()]
) -> StreamingResponse:
    """Export a whole collection with pseudonyms, masks and bands, so that k people are alike."""
    service, who = at
    anonymity = Anonymity(
        new.project, new.k, tuple(new.quasi_identifiers), refuse=new.small_groups == "refuse"
    )
    return _streamed(export_deidentified(service, who, _wanted(new, {}), anonymity))


def _wanted(new: _Export, where: dict[str, Any]) -> Wanted:
    return Wanted(
        new.collection,
        new.format,
        where,
        new.reason,
        new.language,
        new.titles,
        new.byte_order_mark,
    )


def _streamed(export: Underway) -> StreamingResponse:
    parts = _parts(export)
    # What goes wrong before anything has left is an answer of its own.
    first = next(parts)
    name = export.begun.name
    return StreamingResponse(
        chain((first,), parts),
        media_type=_ZIP,
        headers={
            "Content-Disposition": f'attachment; filename="{name}.zip"',
            "Cache-Control": "no-store",
        },
    )


def _parts(export: Underway) -> Iterator[bytes]:
    begun = export.begun
    with export:
        yield from packaged(
            begun.name, begun.format, moment(begun.at), export.parts(), export.finish
        )

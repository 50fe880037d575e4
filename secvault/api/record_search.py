"""Searching records over HTTP, and what the indexes that answer give away."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic import JsonValue as AnyJson

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.records import CollectionName, RecordPage, answer_of
from secvault.api.routing import Routes
from secvault.crypto.canonical import JsonValue
from secvault.records.leakage import Leakage
from secvault.service import Service, record_indexes, record_search
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Name = Annotated[str, Query(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Of one field only.")]

_EXAMPLE: dict[str, AnyJson] = {
    "where": {"tax_code": "0100109106", "issued_on": {"from": "2026-05-01", "to": "2026-05-31"}},
    "sort": "-issued_on",
}


class Search(BaseModel):
    """What is searched for; all conditions must hold."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    where: dict[str, AnyJson] = Field(
        default_factory=dict,
        description="By field a value, or an object with `is`, `in` (a list), `prefix`, `last`, or "
        "`from` and `to`, both included.",
    )
    sort: str = Field(
        "id",
        max_length=64,
        description="A normal field or `id`; with a hyphen first, descending.",
    )
    after: str = Field("", max_length=4096, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=record_search.PAGE_LIMIT)


class BandAnswer(BaseModel):
    """Tokens that stand in `least` to `most` records each; `records`: in how many together."""

    least: int
    most: int
    tokens: int
    records: int


class LeakageAnswer(BaseModel):
    """What one index gives away for the records at hand; shares from 0 to 1."""

    field: str
    kind: Literal["exact", "prefix", "last", "range"]
    version: int
    bits: int
    records: int = Field(description="That have a token.")
    tokens: int = Field(description="Different ones.")
    in_vain: float = Field(description="Records that a search opens beside those sought, expected.")
    commonest: float = Field(description="Share of the records with the most frequent token.")
    alike: float = Field(description="The chance that two records taken at random share a token.")
    alone: float = Field(description="Share of the records whose token no other has.")
    named: float = Field(
        description="Share of the records whose value somebody names who knows exactly how often "
        "each value occurs."
    )
    groups: list[BandAnswer]
    advice: str


class LeakageList(BaseModel):
    """The indexes of a collection."""

    indexes: list[LeakageAnswer]


@router.post("/records/{collection}/search")
@operation("{department}/{collection}", "record.list", "record.read")
def record_search_page(
    at: Authenticated, collection: CollectionName, asked: Annotated[Search, Body()]
) -> RecordPage:
    """A page of the records that fit, by fields that are shown to you in clear."""
    service, who = at
    where = cast("dict[str, JsonValue]", asked.where)
    page = record_search.search_records(
        service, who, collection, where, asked.sort, asked.after, asked.limit
    )
    return RecordPage(records=[answer_of(view) for view in page.records], next=page.next or None)


@router.get("/collections/{collection}/leakage")
@operation("{department}/{collection}", "index.read")
def collection_leakage(
    at: Authenticated, collection: CollectionName, field: Name | None = None
) -> LeakageList:
    """What the blind indexes of a collection give away to who reads the database."""
    service, who = at
    found = record_indexes.read_leakage(service, who, collection, field)
    return LeakageList(indexes=[_leakage(one) for one in found])


def _leakage(one: Leakage) -> LeakageAnswer:
    return LeakageAnswer(
        field=one.field,
        kind=one.kind.value,
        version=one.version,
        bits=one.bits,
        records=one.records,
        tokens=one.tokens,
        in_vain=one.in_vain,
        commonest=one.commonest,
        alike=one.alike,
        alone=one.alone,
        named=one.named,
        groups=[
            BandAnswer(least=band.least, most=band.most, tokens=band.tokens, records=band.records)
            for band in one.bands
        ],
        advice=one.advice,
    )

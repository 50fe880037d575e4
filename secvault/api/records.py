"""Records over HTTP: /api/v1/collections and /api/v1/records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from fastapi import Body, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic import JsonValue as AnyJson

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.idempotency import IdempotencyKey, key_of
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.version import IfMatch, IfNoneMatch, requires_none, tag_of, version_of
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, VersionMismatch
from secvault.records.collection import Collection
from secvault.records.schema_retention import Retention
from secvault.service import Service, records
from secvault.service.record_views import RecordView
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())

CollectionName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["payroll"])]
RecordId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["pay-19"])]
FieldName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["bank_account"])]
Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


class NewRecord(BaseModel):
    """A record to store."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str | None = Field(None, description="Chosen by the caller; made when left out.")
    fields: dict[str, AnyJson]


class Changes(BaseModel):
    """Fields to change; null removes a value."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    fields: dict[str, AnyJson]


class ReleaseAnswer(BaseModel):
    """Whether a record is a draft, or approved as it is: by whom (a subject), and when."""

    state: Literal["draft", "approved"]
    approved_by: str | None
    approved_at: str | None


class RecordAnswer(BaseModel):
    """A record as far as the caller may see it."""

    collection: str
    id: str
    version: int
    fields: dict[str, AnyJson]
    masked: dict[str, str] = Field(description="Shown in place of a value.")
    withheld: dict[str, str] = Field(description="Fields that are not shown, with the reason.")
    revealable: list[str] = Field(
        description="Those of the masked and withheld fields that you may reveal, each with a "
        "reason and a second factor just shown."
    )
    created_at: str
    updated_at: str
    release: ReleaseAnswer | None = Field(description="null where records are not approved.")


class RecordPage(BaseModel):
    """Some records; `next` continues, null at the end."""

    records: list[RecordAnswer]
    next: str | None


class FieldAnswer(BaseModel):
    """One field in clear."""

    value: AnyJson


class FieldSchema(BaseModel):
    """A field of a collection."""

    name: str
    title: dict[str, str]
    type: str
    sensitivity: str
    mask: str | None = Field(description="What is shown of a sensitive value; null if normal.")
    required: bool
    retired: bool = Field(description="Nothing new is written.")
    index: list[str] = Field(description="How sealed values are found: exact, prefix, last, range.")
    deidentify: str = Field(description="What a de-identified export shows.")


class RetentionAnswer(BaseModel):
    """How long records are kept, from a field or a time of the record on, and by which rule."""

    model_config = ConfigDict(populate_by_name=True)

    years: int
    months: int
    start: str = Field(alias="from")
    reason: dict[str, str]


class CollectionAnswer(BaseModel):
    """A collection and its fields."""

    name: str
    department: str
    title: dict[str, str]
    version: int = Field(description="Of the schema.")
    fields: list[FieldSchema]
    subject: str | None = Field(description="The field that names the data subject, or id.")
    retention: RetentionAnswer | None
    release: str | None = Field(description="second_person, or null.")


class CollectionList(BaseModel):
    """The collections that the caller may work with."""

    collections: list[CollectionAnswer]


@router.get("/collections")
@operation("{department}/{collection}", "collection.read")
def collection_list(at: Authenticated) -> CollectionList:
    """The collections that you may work with, and their fields."""
    service, who = at
    found = records.collections(service, who)
    return CollectionList(collections=[_collection(collection) for collection in found])


@router.get("/records/{collection}")
@operation("{department}/{collection}", "record.list")
def record_list(
    at: Authenticated,
    collection: CollectionName,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=records.PAGE_LIMIT)] = 50,
) -> RecordPage:
    """A page of records in order of their ids."""
    service, who = at
    page = records.list_records(service, who, collection, after, limit)
    return RecordPage(
        records=[answer_of(view) for view in page.records], next=page.next_after or None
    )


@router.post("/records/{collection}", status_code=201)
@operation("{department}/{collection}/{record}", "record.create")
def record_create(
    at: Authenticated,
    collection: CollectionName,
    new: Annotated[NewRecord, Body()],
    response: Response,
    idempotency_key: IdempotencyKey = None,
    if_none_match: IfNoneMatch = None,
) -> RecordAnswer:
    """Store a new record."""
    service, who = at
    only_new, key = requires_none(if_none_match), key_of(idempotency_key)
    try:
        view = records.create_record(service, who, collection, new.id, _values(new.fields), key)
    except Conflict as error:
        if only_new:
            raise VersionMismatch(error.detail) from None
        raise
    response.headers["Location"] = f"/api/v1/records/{view.collection}/{view.id}"
    return _tagged(view, response)


@router.get("/records/{collection}/{record}")
@operation("{department}/{collection}/{record}", "record.list")
def record_read(
    at: Authenticated, collection: CollectionName, record: RecordId, response: Response
) -> RecordAnswer:
    """One record: values in clear, masked, or withheld with the reason."""
    service, who = at
    return _tagged(records.read_record(service, who, collection, record), response)


@router.get("/records/{collection}/{record}/fields/{field}")
@operation("{department}/{collection}/{record}/{field}", "record.read")
def record_field(
    at: Authenticated, collection: CollectionName, record: RecordId, field: FieldName
) -> FieldAnswer:
    """One field in clear; refused with the reason when you may not see it."""
    service, who = at
    return FieldAnswer(value=records.read_field(service, who, collection, record, field))


@router.patch("/records/{collection}/{record}")
@operation("{department}/{collection}/{record}", "record.update")
def record_update(
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    changes: Annotated[Changes, Body()],
    response: Response,
    if_match: IfMatch = None,
) -> RecordAnswer:
    """Change fields of the version that you saw (If-Match)."""
    service, who = at
    version = version_of(if_match)
    view = records.update_record(service, who, collection, record, _values(changes.fields), version)
    return _tagged(view, response)


@router.post("/records/{collection}/{record}/approval", status_code=201)
@operation("{department}/{collection}/{record}", "record.approve", "record.list")
def record_approve(
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    response: Response,
    if_match: IfMatch = None,
) -> RecordAnswer:
    """Approve the version that you saw (If-Match), which others have made; a change voids it."""
    service, who = at
    version = version_of(if_match)
    return _tagged(records.approve_record(service, who, collection, record, version), response)


@router.delete("/records/{collection}/{record}", status_code=204)
@operation("{department}/{collection}/{record}", "record.delete")
def record_delete(
    at: Authenticated, collection: CollectionName, record: RecordId, if_match: IfMatch = None
) -> None:
    """Delete the version that you saw (If-Match)."""
    service, who = at
    records.delete_record(service, who, collection, record, version_of(if_match))


def _tagged(view: RecordView, response: Response) -> RecordAnswer:
    response.headers["ETag"] = tag_of(view.version)
    return answer_of(view)


def answer_of(view: RecordView) -> RecordAnswer:
    """A record as far as the caller may see it, for an answer."""
    return RecordAnswer(
        collection=view.collection,
        id=view.id,
        version=view.version,
        fields=_json(view.fields),
        masked=dict(view.masked),
        withheld=dict(view.withheld),
        revealable=list(view.revealable),
        created_at=timestamp(view.created_at),
        updated_at=timestamp(view.updated_at),
        release=_release(view),
    )


def _release(view: RecordView) -> ReleaseAnswer | None:
    if not view.released:
        return None
    if view.approved is None:
        return ReleaseAnswer(state="draft", approved_by=None, approved_at=None)
    given = view.approved
    return ReleaseAnswer(
        state="approved",
        approved_by=given.approved_by,
        approved_at=timestamp(given.approved_at),
    )


def _values(given: dict[str, AnyJson]) -> Mapping[str, JsonValue]:
    # Numbers with a fraction are among them; the schema refuses those with the mend.
    return cast("Mapping[str, JsonValue]", given)


def _json(values: Any) -> dict[str, AnyJson]:
    return dict(values)


def _collection(collection: Collection) -> CollectionAnswer:
    return CollectionAnswer(
        name=collection.name,
        department=collection.department,
        title=dict(collection.title),
        version=collection.version,
        fields=[
            FieldSchema(
                name=field.name,
                title=dict(field.title),
                type=field.type,
                sensitivity=field.sensitivity,
                mask=field.mask,
                required=field.required,
                retired=field.retired,
                index=list(field.index.kinds) if field.index else [],
                deidentify=field.deidentified.how,
            )
            for field in collection.fields.values()
        ],
        subject=collection.subject_field or None,
        retention=_retention(collection.retention),
        release=collection.release,
    )


def _retention(kept: Retention | None) -> RetentionAnswer | None:
    if kept is None:
        return None
    return RetentionAnswer(
        years=kept.years, months=kept.months, start=kept.from_field, reason=dict(kept.reason)
    )

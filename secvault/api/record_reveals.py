"""Revealing one masked value over HTTP: /api/v1/records/.../fields/{field}/reveal."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Body, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic import JsonValue as AnyJson

from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.records import Authenticated, CollectionName, FieldName, RecordId
from secvault.api.routing import Routes
from secvault.api.version import tag_of
from secvault.service import reveals

router = Routes(prefix="/api/v1", tags=["records"], responses=problem_responses())


class Reveal(BaseModel):
    """Why one value is to be shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: str = Field(
        max_length=1024,
        description="1 to 200 characters on one line. It is kept with the record, for those who "
        "may see its history.",
    )
    ticket: str = Field(
        "", max_length=64, description="As the header X-Ticket, which it goes before; may be empty."
    )


class RevealAnswer(BaseModel):
    """A value in clear. version: of the record. reveal: names this in the audit log."""

    collection: str
    record: str
    field: str
    value: AnyJson
    version: int
    reveal: str


@router.post("/records/{collection}/{record}/fields/{field}/reveal")
@operation("{department}/{collection}/{record}/{field}", "record.reveal")
def record_reveal(
    at: Authenticated,
    collection: CollectionName,
    record: RecordId,
    field: FieldName,
    why: Annotated[Reveal, Body()],
    response: Response,
) -> RevealAnswer:
    """One value that is shown masked, in clear: with a reason, and a second factor just shown.

    Not for programs, and not for many: how much one person may reveal in an hour is a setting.
    """
    service, who = at
    ticket = service.spine.ticket(why.ticket, "ticket") or who.ticket
    shown = reveals.reveal_field(
        service, replace(who, ticket=ticket), collection, record, field, why.reason
    )
    response.headers["ETag"] = tag_of(shown.version)
    return RevealAnswer(
        collection=shown.collection,
        record=shown.record,
        field=shown.field,
        value=shown.value,
        version=shown.version,
        reveal=shown.reveal,
    )

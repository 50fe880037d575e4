"""Records (`/api/v1/records`, secvault only): read, list, create, update and approve the version
that you saw.

Fields are JSON as the collection's schema says: money, for instance, is
`{"amount": "31500000", "currency": "VND"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from secvault.client.call import Call, Request, one
from secvault.client.paths import body, joined, read


class Release(msgspec.Struct, frozen=True):
    """Whether a record is a `draft`, or `approved` as it is: by which subject, when (RFC 3339)."""

    state: str
    approved_by: str | None = None
    approved_at: str | None = None


class Record(msgspec.Struct, frozen=True):
    """A record as far as the caller may see it.

    version: to be given to `update_record` and `approve_record`. masked: shown in place of a
    value. withheld: fields that are not shown, with the reason. created_at, updated_at: RFC 3339.
    release: None where records are not approved.
    """

    collection: str
    id: str
    version: int
    fields: dict[str, Any]
    masked: dict[str, str]
    withheld: dict[str, str]
    created_at: str
    updated_at: str
    release: Release | None = None

    def __repr__(self) -> str:
        return f"<record {self.collection}/{self.id} version {self.version}>"


class RecordPage(msgspec.Struct, frozen=True):
    """Some records in order of their ids; next: for `after`, None at the end."""

    records: list[Record]
    next: str | None


class _Value(msgspec.Struct):
    value: Any


_RECORD = msgspec.json.Decoder(Record)
_PAGE = msgspec.json.Decoder(RecordPage)
_VALUE = msgspec.json.Decoder(_Value)


def read_record(collection: str, record: str) -> Call[Record]:
    """The record. Raises NotFound, NotAllowed."""
    return one(Request("GET", _at(collection, record)), lambda answer: read(answer, _RECORD))


def read_field(collection: str, record: str, field: str) -> Call[Any]:
    """One field in clear. Raises NotAllowed with the reason."""
    asked = Request("GET", _at(collection, record, "fields", field))
    return one(asked, lambda answer: read(answer, _VALUE).value)


def list_records(collection: str, *, after: str = "", limit: int = 50) -> Call[RecordPage]:
    """A page of records."""
    asked = Request("GET", f"{_at(collection)}?{urlencode({'after': after, 'limit': limit})}")
    return one(asked, lambda answer: read(answer, _PAGE))


def create_record(
    collection: str, fields: Mapping[str, Any], *, record: str | None = None
) -> Call[Record]:
    """Store a new record. record: its id, made by the server when left out. Raises Conflict.

    Never sent again on its own when the answer is lost.
    """
    content = body({"id": record, "fields": dict(fields)})
    asked = Request("POST", _at(collection), content, repeatable=False)
    return one(asked, lambda answer: read(answer, _RECORD))


def update_record(
    collection: str, record: str, fields: Mapping[str, Any], *, version: int
) -> Call[Record]:
    """Change fields of the version that you saw; None removes a value. Raises VersionMismatch.

    Never sent again on its own when the answer is lost.
    """
    asked = Request(
        "PATCH",
        _at(collection, record),
        body({"fields": dict(fields)}),
        repeatable=False,
        if_match=f'"{version}"',
    )
    return one(asked, lambda answer: read(answer, _RECORD))


def approve_record(collection: str, record: str, *, version: int) -> Call[Record]:
    """Approve the version that you saw, which others have made; a change voids it.

    Raises NotAllowed, also for whoever made or changed it; VersionMismatch; Conflict where it is
    approved already, or records of the collection are not approved. Never sent again on its own
    when the answer is lost.
    """
    asked = Request(
        "POST",
        _at(collection, record, "approval"),
        repeatable=False,
        if_match=f'"{version}"',
    )
    return one(asked, lambda answer: read(answer, _RECORD))


def _at(*names: str) -> str:
    return f"/api/v1/records/{joined(*names)}"

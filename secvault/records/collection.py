"""Collections: which fields a kind of record has, and what may be written into it.

The files of a company declare them (`collection_files`). Start at `Collection`, and at
`parse_record` (input to values).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from secvault.crypto.canonical import JsonValue
from secvault.errors import FieldError, InvalidInput
from secvault.records.declared import NAME
from secvault.records.mask import Mask, is_masked
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.schema_index import Index
from secvault.records.schema_retention import Retention
from secvault.records.value import FieldType, Limits, parse_value

OWN_ID = "id"
"""As the field of a person or a data subject: the record's own id names it."""
_MOST_UNKNOWN_FIELDS = 20


class Sensitivity(StrEnum):
    """Why a field is sensitive. `normal` is stored in clear, everything else encrypted."""

    NORMAL = "normal"
    PERSONAL = "personal"
    IDENTITY = "identity"
    SALARY = "salary"
    BANK = "bank"
    HEALTH = "health"
    PRICE = "price"
    TRADE_SECRET = "trade_secret"  # noqa: S105 - a class of data, not a password


@dataclass(frozen=True)
class Field:
    """One field of a collection.

    title: by language, `en` always there. mask: None if normal. index: how its sealed values are
    found; None for a field that cannot be searched, and for a normal one. retired: what records
    hold stays readable, nothing new is written. deidentify: None where the file does not say, see
    `deidentified`.
    """

    name: str
    title: Mapping[str, str]
    type: FieldType
    sensitivity: Sensitivity
    mask: Mask | None
    required: bool
    limits: Limits
    index: Index | None = None
    retired: bool = False
    deidentify: Deidentify | None = None

    @property
    def sensitive(self) -> bool:
        """Whether its values are stored sealed."""
        return self.sensitivity is not Sensitivity.NORMAL

    @property
    def deidentified(self) -> Deidentify:
        """What a de-identified export shows; where the file is silent, nothing of a sensitive field
        and all of a normal one.
        """
        return self.deidentify or Deidentify(How.DROP if self.sensitive else How.KEEP)

    def parse(self, value: JsonValue) -> JsonValue:
        """The stored form of one value. Raises InvalidInput at this field, never showing it."""
        return parse_value(self.type, self.limits, value, self.name)


class Release(StrEnum):
    """Who makes a draft of a record an approved one.

    second_person: somebody who neither entered nor changed it.
    """

    SECOND_PERSON = "second_person"


@dataclass(frozen=True)
class Collection:
    """One kind of record, owned by one department. Its name is unique over all departments.

    person_field, team_field: which employee a record is about, and its team; see `facts`. release:
    None where records are not approved. version: of the schema, raised with every change of it.
    subject_field: the plain field, or `OWN_ID`, that names the data subject, whose records share
    one data key; empty when each record is a subject of its own. retention: None when the file
    states no period.
    """

    name: str
    department: str
    title: Mapping[str, str]
    fields: Mapping[str, Field]
    release: Release | None = None
    person_field: str = ""
    team_field: str = ""
    version: int = 1
    subject_field: str = ""
    retention: Retention | None = None


@dataclass(frozen=True)
class Department:
    """The collections that one file declares, in the order of the file."""

    name: str
    title: Mapping[str, str]
    collections: Mapping[str, Collection]


def parse_record(
    collection: Collection, values: Mapping[str, JsonValue], *, partial: bool
) -> dict[str, JsonValue]:
    """Return the stored form of a whole record, in the collection's order of fields.

    partial: a change of some fields; what is not named stays, and null comes back as None for
    "remove the value". Otherwise a new record: required fields must be there, and null is the
    same as leaving the field out. Nothing is written into a retired field. Attachments come by
    their own way, with their content, and are refused here. Raises one InvalidInput with every
    field at fault.
    """
    faults = _unknown_fields(collection, values)
    parsed: dict[str, JsonValue] = {}
    for name, field in collection.fields.items():
        if values.get(name) is not None:
            if reason := _not_written(field, values[name]):
                faults.append(FieldError(name, reason))
                continue
            try:
                parsed[name] = field.parse(values[name])
            except InvalidInput as error:
                faults.extend(error.fields)
        elif field.required and (name in values or not partial):
            faults.append(FieldError(name, "is required"))
        elif name in values and partial:
            parsed[name] = None
    if faults:
        listed = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise InvalidInput(listed, fields=tuple(faults))
    return parsed


def _not_written(field: Field, value: JsonValue) -> str:
    if field.retired:
        return "is retired: what records hold in it stays readable, but nothing new is written"
    if field.type is FieldType.ATTACHMENT:
        return "is an attachment: store the record, then send the file to the field's own address"
    if field.mask is not None and is_masked(value):
        return "is what is shown in place of a value; leave the field out to keep what is there"
    return ""


def _unknown_fields(collection: Collection, values: Mapping[str, JsonValue]) -> list[FieldError]:
    unknown = [name for name in values if name not in collection.fields]
    faults = []
    for name in unknown[:_MOST_UNKNOWN_FIELDS]:
        detail = f"is not a field of {collection.name}"
        readable = NAME.fullmatch(name) is not None
        close = difflib.get_close_matches(name, collection.fields, n=1) if readable else []
        faults.append(
            # What is no name at all may be anything, a value in the wrong place included.
            FieldError(
                name if readable else "(unreadable name)",
                f"{detail}; did you mean {close[0]}?" if close else detail,
            )
        )
    if len(unknown) > _MOST_UNKNOWN_FIELDS:
        more = len(unknown) - _MOST_UNKNOWN_FIELDS
        faults.append(FieldError("(more)", f"{more} more names are no fields of {collection.name}"))
    return faults

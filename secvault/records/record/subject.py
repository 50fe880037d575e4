"""Whose data a record is: the subject whose data key seals it."""

from __future__ import annotations

from collections.abc import Mapping

from secvault.crypto.canonical import JsonValue
from secvault.identity.names import compared
from secvault.records.collection import OWN_ID, Collection


def subject_of(collection: Collection, record_id: str, values: Mapping[str, JsonValue]) -> str:
    """The data subject of a record with these values.

    It is what the collection's subject field says, in the form in which two of them are compared,
    so that `NV-0042` and `nv-0042` are one person; the record itself where the collection names no
    field, or the field has no value.
    """
    field = collection.subject_field
    if not field or (field == OWN_ID and OWN_ID not in collection.fields):
        return record_id
    said = values.get(field)
    return (compared(said) or record_id) if isinstance(said, str) else record_id

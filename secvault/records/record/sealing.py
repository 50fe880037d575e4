"""Sealing what is sensitive, and the tag that binds the parts of a record to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.field import FieldAddress, open_field, seal_field
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.records.collection import Collection, Sensitivity
from secvault.records.record.form import Record


def is_plain(collection: Collection, field: str) -> bool:
    """Whether the present schema keeps the field in clear."""
    return collection.fields[field].sensitivity is Sensitivity.NORMAL


def split(
    collection: Collection, values: Mapping[str, JsonValue]
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The values that are kept in clear, and those that are sealed."""
    plain: dict[str, JsonValue] = {}
    sensitive: dict[str, JsonValue] = {}
    for name, value in values.items():
        (plain if is_plain(collection, name) else sensitive)[name] = value
    return plain, sensitive


def seal(
    collection: str, record_id: str, values: Mapping[str, JsonValue], key: Secret, random: Random
) -> dict[str, bytes]:
    """The envelopes of these values of a record."""
    return {
        name: seal_field(value, key, FieldAddress(collection, record_id, name), random)
        for name, value in values.items()
    }


def tag_of(record: Record) -> bytes:
    """The tag to be stored with the record."""
    return datakey.record_tag(record.data_key, _message(record))


def verify(record: Record, tag: bytes, what: str) -> None:
    """Return if the parts are those that were written together. what: names the record.

    Raises Damaged, naming a field that alone does not open.
    """
    try:
        datakey.verify_record_tag(record.data_key, _message(record), tag, what)
    except (Damaged, InvalidInput):
        # Which field, if one alone does not open; a number too large for the message is none.
        for name, envelope in record.sealed.items():
            open_field(envelope, record.data_key, FieldAddress(record.collection, record.id, name))
        raise Damaged(
            f"{what} is damaged: its parts do not belong together (a plain field, the version or "
            "the set of sealed fields was changed)"
        ) from None


def _message(record: Record) -> bytes:
    return canonical_json(
        {
            "collection": record.collection,
            "created_at": record.created_at,
            "id": record.id,
            "plain": dict(record.plain),
            "sealed": {
                name: hashlib.sha256(envelope).hexdigest()
                for name, envelope in record.sealed.items()
            },
            "subject": record.subject,
            "updated_at": record.updated_at,
            "version": record.version,
        }
    )

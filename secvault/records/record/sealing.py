"""Sealing what is sensitive, and the tag that binds the parts of a record to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from secvault.crypto import datakey
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.field import FieldAddress, open_field
from secvault.errors import Damaged
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


def tag_of(record: Record, plain: bytes) -> bytes:
    """The tag to be stored with the record. plain: its plain fields, as `canonical_json` writes
    them.
    """
    return datakey.record_tag(record.data_key, _message(record, plain))


def verify(record: Record, plain: bytes, tag: bytes, what: str) -> None:
    """Return if the parts are those that were written together. plain: the plain fields as they
    are stored. what: names the record.

    Raises Damaged, naming a field that alone does not open.
    """
    try:
        datakey.verify_record_tag(record.data_key, _message(record, plain), tag, what)
    except Damaged:
        # Which field, if one alone does not open.
        for name, envelope in record.sealed.items():
            open_field(envelope, record.data_key, FieldAddress(record.collection, record.id, name))
        raise Damaged(
            f"{what} is damaged: its parts do not belong together (a plain field, the version or "
            "the set of sealed fields was changed)"
        ) from None


def _message(record: Record, plain: bytes) -> bytes:
    """The canonical JSON of an object of these parts.

    `plain` is put in as it is, because writing it anew takes most of the time of a reader. No
    stored bytes can thereby mean anything else: each part ends where JSON says, so that others in
    its place make another message, unless they are no JSON object, which the reader refuses.
    """
    sealed = b",".join(
        b'%b:"%b"' % (canonical_json(name), hashlib.sha256(envelope).hexdigest().encode())
        for name, envelope in sorted(record.sealed.items())
    )
    return (
        b'{"collection":%b,"created_at":%d,"id":%b,"plain":%b,"sealed":{%b},"subject":%b,'
        b'"updated_at":%d,"version":%d}'
    ) % (
        canonical_json(record.collection),
        record.created_at,
        canonical_json(record.id),
        plain,
        sealed,
        canonical_json(record.subject),
        record.updated_at,
        record.version,
    )

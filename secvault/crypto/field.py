"""One field of one record, sealed to its place.

Plaintext: the value as canonical JSON, so that its type survives. Envelope: as in `aead`.
Associated data: collection, record id and field name, each with its length before it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from secvault.crypto.aead import Random, bind, cipher_of, open_sealed, seal, seal_by
from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class FieldAddress:
    """The only place where a sealed field opens.

    collection: the collection's name, which may be a path such as "hr/payroll". record: the
    record's id. field: the field's name.
    """

    collection: str
    record: str
    field: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.record}/{self.field}"


def seal_field(
    value: JsonValue, key: Secret, at: FieldAddress, random: Random = os.urandom
) -> bytes:
    """The envelope of `value`, for `at` alone.

    key: the 32-byte data key of the record's subject. Raises InvalidInput for a value that has no
    canonical form (see `canonical_json`) or a name that is not Unicode text.
    """
    return seal(canonical_json(value), key, _place(at), random)


def seal_fields(
    values: Mapping[str, JsonValue],
    key: Secret,
    collection: str,
    record: str,
    random: Random = os.urandom,
) -> dict[str, bytes]:
    """The envelopes of several fields of one record by name, each as `seal_field` makes it."""
    if not values:
        return {}
    cipher = cipher_of(key)
    place = bind(collection, record)
    return {
        name: seal_by(cipher, canonical_json(value), place + bind(name), random)
        for name, value in values.items()
    }


def open_field(envelope: bytes, key: Secret, at: FieldAddress) -> JsonValue:
    """The value that was sealed for exactly this field.

    Raises Damaged if any byte was changed or the envelope belongs to another field, record,
    collection or key; the cases cannot be told apart, on purpose.
    """
    what = f"Field {at}"
    return parse_canonical(open_sealed(envelope, key, _place(at), what), what)


def _place(at: FieldAddress) -> bytes:
    return bind(at.collection, at.record, at.field)

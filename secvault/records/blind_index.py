"""Blind indexes: tokens by which records are found whose fields nobody can read in the store.

Token: HMAC-SHA-256(index key, message), its first `bits` bits; what is left over of the last byte
is zero. Index key: HKDF-SHA-256(index root, no salt, info, 32 bytes), where info is
`secvault/blind-index`, collection, field, version, each with its length before it (u32be). Message:
the normal form of the value (`normal_form`) for an exact match; for the other kinds the kind's
name, U+0000, and the part or the bucket. No value holds U+0000, so no kind meets another.

The index root is a random 256-bit secret sealed under the root key, as the vault's peppers are; it
goes through rotations of the root, changes of the seal, backups and restores with them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection

from secvault.crypto.aead import bind
from secvault.crypto.canonical import JsonValue
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.keyring.keyring import Keyring
from secvault.records.collection import Collection, Field
from secvault.records.normal_form import bucket_of, normal_form
from secvault.records.schema_index import Index

INDEX_ROOT = "blind-index-root"
"""The purpose of the internal key that all index keys come from."""

_KEY_BYTES = 32


class Kind(StrEnum):
    """What a token stands for: a whole value, its beginning, its end, or its bucket."""

    EXACT = "exact"
    PREFIX = "prefix"
    LAST = "last"
    RANGE = "range"


Token = tuple[str, Kind, int, bytes]
"""Field, kind, version of the field's index, and the token itself."""


@dataclass(frozen=True)
class IndexKeys:
    """The keys of the indexes of one collection. Derived once each, then kept."""

    collection: str
    root: Secret
    _derived: dict[tuple[str, int], Secret] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, connection: Connection, keyring: Keyring, collection: Collection) -> IndexKeys:
        """The keys of the collection. The index root is made when there is none, which needs a
        connection that writes; an open service has made it. Raises Damaged.
        """
        return cls(collection.name, keyring.internal_in(connection, INDEX_ROOT))

    def key(self, name: str, version: int) -> Secret:
        """The key of one version of one field's index."""
        known = self._derived.get((name, version))
        if known is None:
            info = bind("secvault/blind-index", self.collection, name, str(version))
            known = self._derived[name, version] = derive(self.root, info, _KEY_BYTES)
        return known


def tokens(collection: Collection, values: Mapping[str, JsonValue], keys: IndexKeys) -> list[Token]:
    """The tokens of a record with these values, of its indexed fields only.

    values: in stored form, as `parse_record` gives them; None is no value. A part of the record
    gives the tokens of that part.
    """
    return [
        token
        for name, value in values.items()
        if value is not None and (known := collection.fields.get(name)) is not None
        for token in _of_field(known, value, keys)
    ]


def token_of(keys: IndexKeys, name: str, version: int, kind: Kind, said: str, bits: int) -> bytes:
    """One token. said: the normal form of the value, the part of it, or the name of its bucket."""
    message = said if kind is Kind.EXACT else f"{kind}\0{said}"
    return cut(hmac.digest(keys.key(name, version).expose(), message.encode(), "sha256"), bits)


def cut(digest: bytes, bits: int) -> bytes:
    """The first `bits` bits, 4 to 256, in whole bytes; the bits left over are zero."""
    size = (bits + 7) // 8
    kept = bytearray(digest[:size])
    kept[-1] &= 0xFF << (size * 8 - bits) & 0xFF
    return bytes(kept)


def _of_field(known: Field, value: JsonValue, keys: IndexKeys) -> Iterator[Token]:
    index = known.index
    if index is None or known.retired:
        return
    for kind, said, bits in _said(known, index, value):
        token = token_of(keys, known.name, index.version, kind, said, bits)
        yield known.name, kind, index.version, token


def _said(known: Field, index: Index, value: JsonValue) -> Iterator[tuple[Kind, str, int]]:
    form = normal_form(known.type, value)
    if index.exact is not None:
        yield Kind.EXACT, form, index.exact
    # A shorter value is found by no part that may be searched for.
    if index.prefix is not None and len(form) >= index.prefix.length:
        yield Kind.PREFIX, form[: index.prefix.length], index.prefix.bits
    if index.last is not None and len(form) >= index.last.length:
        yield Kind.LAST, form[-index.last.length :], index.last.bits
    if index.range is not None:
        yield Kind.RANGE, bucket_of(known.type, index.range.by, value), index.range.bits

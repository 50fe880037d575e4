"""What was made under an Idempotency-Key, so that a request that is sent again makes nothing twice.

As draft-ietf-httpapi-idempotency-key-header says: a key is the caller's own, stands for one
request, and is forgotten after a time. The request is kept, sealed beside the record that it made;
the answer is made from it again: what the caller may see of it *now*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from secvault.crypto.aead import Random
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, Damaged, InvalidInput
from secvault.keyring.keyring import Keyring
from secvault.records.beside import opened, request_name, seal_beside
from secvault.records.record import Record
from secvault.store.engine import insert_unless_there
from secvault.store.tables import idempotency_key

KEPT_SECONDS = 24 * 3600
"""How long a request is recognised."""
HEADER = "Idempotency-Key"

_MICROS = 1_000_000
_KEY = re.compile(r"[ -~]{1,255}")


@dataclass(frozen=True)
class Once:
    """A request to make a record, which is to be done once.

    caller: a subject. asked: the id that the caller chose for the record; None when left out.
    """

    caller: str
    key: str
    collection: str
    asked: str | None


def check_key(text: str) -> str:
    """Return a key that a caller may use. Raises InvalidInput."""
    if not _KEY.fullmatch(text):
        raise InvalidInput.at(
            HEADER, 'give 1 to 255 characters of ASCII, such as a UUID in quotes: "8e03978e-..."'
        )
    return text


class DoneAlready(Conflict):
    """The same key was used at the same moment; what it made is there now."""


def claim(connection: Connection, once: Once, record_id: str, at: int) -> None:
    """Take the key for this request, before what it asks for is done. at: micros.

    Raises DoneAlready when another transaction has just done so.
    """
    column = idempotency_key.c
    forgotten = at - KEPT_SECONDS * _MICROS
    connection.execute(delete(idempotency_key).where(column.created_at <= forgotten))
    row = {
        "caller": once.caller,
        "key": once.key,
        "collection": once.collection,
        "record": record_id,
        "envelope": b"",
        "created_at": at,
    }
    if not insert_unless_there(connection, idempotency_key, row):
        raise DoneAlready(f"the {HEADER} was used at this moment by the same request")


def keep(
    connection: Connection,
    once: Once,
    made: Record,
    values: Mapping[str, JsonValue],
    random: Random,
) -> None:
    """Keep what was asked for: the values as the collection's schema has parsed them."""
    column = idempotency_key.c
    request: dict[str, JsonValue] = {"id": once.asked, "fields": dict(values)}
    sealed = seal_beside(made, request_name(once.caller, once.key), request, random)
    connection.execute(
        update(idempotency_key)
        .where(column.caller == once.caller, column.key == once.key)
        .values(envelope=sealed)
    )


def made_before(connection: Connection, once: Once, at: int) -> str | None:
    """The id of the record that the key made; None for a key that is not known, or no more.

    Raises InvalidInput when that was a record of another collection.
    """
    column = idempotency_key.c
    row = connection.execute(
        select(column.collection, column.record).where(
            column.caller == once.caller,
            column.key == once.key,
            column.created_at > at - KEPT_SECONDS * _MICROS,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.collection != once.collection:
        raise _other_request()
    return str(row.record)


def as_made(
    connection: Connection,
    keyring: Keyring,
    once: Once,
    values: Mapping[str, JsonValue],
) -> Record:
    """The record as the key made it, when this is the same request.

    Raises InvalidInput when it is another one, Conflict when the record is gone, and Damaged.
    """
    column = idempotency_key.c
    which = (column.caller == once.caller) & (column.key == once.key)
    for row, found in opened(connection, keyring, idempotency_key, which):
        if found is None:
            raise Damaged(f"what is kept with {row.collection}/{row.record} is damaged")
        key, request = found
        if request != {"id": once.asked, "fields": dict(values)}:
            raise _other_request()
        at = row.created_at
        return Record(row.collection, row.record, row.subject, 1, dict(values), {}, key, at, at)
    raise Conflict(f"this was done under the same {HEADER}, and what it made is gone since")


def _other_request() -> InvalidInput:
    return InvalidInput.at(HEADER, "was used for another request; take a new key for a new one")

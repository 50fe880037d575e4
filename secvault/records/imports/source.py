"""The uploaded file of an import: parts, each sealed to its place under a key of the import's own.

The key is a data key of the collection: it is re-wrapped with the others, kept apart from backups
as they are, and destroyed when the import ends. What was uploaded is lost then, in every copy.
Envelopes as in `crypto.aead`; associated data: `secvault/import`, the import's id, `part` and its
number, or `terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, select, update

from secvault.crypto.aead import Random, bind, open_sealed, seal
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.data_key import forget_data_key, hold_data_keys, open_data_key
from secvault.records.imports import import_row
from secvault.records.imports.import_row import Import
from secvault.records.imports.reader_process import Parts
from secvault.store import Store
from secvault.store.tables import data_key
from secvault.store.tables import record_import_part as _PART  # noqa: N812 - a constant here
from secvault.store.tables.imports import SUBJECT

MOST_PARTS = 10_000
_PLACE = "secvault/import"


def make_key(
    connection: Connection,
    keyring: Keyring,
    collection: str,
    import_id: str,
    at: int,
    random: Random,
) -> Secret:
    """The key of the import, made unless it is there; nobody destroys it in this transaction."""
    subject = SUBJECT + import_id
    return hold_data_keys(connection, keyring, collection, (subject,), at, random)[subject]


def key_of(connection: Connection, keyring: Keyring, collection: str, import_id: str) -> Secret:
    """The key of the import. Raises Damaged when it is gone."""
    subject = SUBJECT + import_id
    wrapped = connection.execute(
        select(data_key.c.wrapped).where(
            data_key.c.collection == collection, data_key.c.subject == subject
        )
    ).scalar_one_or_none()
    wrapping = partial(keyring.material, connection, RECORDS, collection)
    return open_data_key(wrapping, collection, subject, wrapped, f"the import {import_id}")


def forget_source(connection: Connection, found: Import) -> None:
    """Destroy the key, and with it the file and its terms, and drop what it sealed."""
    forget_data_key(connection, found.collection, SUBJECT + found.id)
    connection.execute(delete(_PART).where(_PART.c.import_id == found.id))
    import_row.forget_terms(connection, found.id)


def seal_terms(terms: bytes, key: Secret, import_id: str, random: Random) -> bytes:
    """The envelope of the import's terms."""
    return seal(terms, key, bind(_PLACE, import_id, "terms"), random)


def open_terms(envelope: bytes | None, key: Secret, import_id: str) -> bytes:
    """The terms. Raises Damaged."""
    what = f"The terms of the import {import_id}"
    if envelope is None:
        raise Damaged(f"{what} are gone")
    return open_sealed(envelope, key, bind(_PLACE, import_id, "terms"), what)


def put_part(
    connection: Connection,
    keyring: Keyring,
    found: Import,
    number: int,
    content: bytes,
    *,
    most_bytes: int,
    at: int,
    random: Random,
) -> Import:
    """Keep a part of the file, in the place of one with the same number.

    Raises InvalidInput for an empty part, a number out of range and a file that gets too large;
    Conflict when the file is no longer being received.
    """
    if found.state != "receiving":
        raise Conflict(f"the import is {found.state}; its file is not taken in any more")
    if not 1 <= number <= MOST_PARTS:
        raise InvalidInput.at("part", f"use 1 to {MOST_PARTS}")
    if not content:
        raise InvalidInput.at("part", "is empty")
    key = make_key(connection, keyring, found.collection, found.id, at, random)
    here = (_PART.c.import_id == found.id) & (_PART.c.number == number)
    values = {"bytes": len(content), "sealed": seal(content, key, _place(found.id, number), random)}
    if connection.execute(update(_PART).where(here).values(values)).rowcount != 1:
        connection.execute(insert(_PART).values(import_id=found.id, number=number, **values))
    # PostgreSQL adds such numbers up to one of another type.
    total = cast(func.sum(_PART.c.bytes), BigInteger)
    question = select(func.count(), total).where(_PART.c.import_id == found.id)
    parts, size = connection.execute(question).one()
    if size > most_bytes:
        raise InvalidInput.at("file", f"is larger than {most_bytes} bytes; split it")
    import_row.note_file(connection, found.id, parts=parts, size=size, at=at)
    return import_row.read_import(connection, found.id)


def require_whole(connection: Connection, found: Import) -> None:
    """Return when the parts are there from the first to the last. Raises InvalidInput."""
    last = connection.scalar(select(func.max(_PART.c.number)).where(_PART.c.import_id == found.id))
    if last is None:
        raise InvalidInput.at("file", "nothing of it was sent; send its parts first")
    if last != found.parts:
        raise InvalidInput.at("file", f"not all of its {last} parts were sent")


def parts_of(store: Store, keyring: Keyring, found: Import) -> Parts:
    """What gives the file in pieces, each read in a moment of its own. Raises Damaged."""

    def pieces() -> Iterator[bytes]:
        with store.read() as connection:
            key = key_of(connection, keyring, found.collection, found.id)
        for number in range(1, found.parts + 1):
            with store.read() as connection:
                sealed = connection.execute(
                    select(_PART.c.sealed).where(
                        _PART.c.import_id == found.id, _PART.c.number == number
                    )
                ).scalar_one_or_none()
            what = f"Part {number} of the file of import {found.id}"
            if sealed is None:
                raise Damaged(f"{what} is gone")
            yield open_sealed(sealed, key, _place(found.id, number), what)

    return pieces


def _place(import_id: str, number: int) -> bytes:
    return bind(_PLACE, import_id, "part", str(number))

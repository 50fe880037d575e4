"""The data key of a subject as a row, wrapped by the named key of its collection."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, insert

from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.keyring.message_count import count_messages
from secvault.keyring.named_key import read_key
from secvault.store import tables


def keep_data_key(
    connection: Connection,
    keyring: Keyring,
    collection: str,
    subject: str,
    key: Secret,
    at: int,
    random: Random,
) -> None:
    """Store the key under the latest version of the collection's key. at: micros.

    Raises NotFound when the collection has no key, Conflict when the subject has one already.
    """
    named = read_key(connection, RECORDS, collection)
    version, wrapping = keyring.for_encryption(connection, named)
    count_messages(connection, named.mount, named.name, version, 1)
    connection.execute(
        insert(tables.data_key).values(
            collection=collection,
            subject=subject,
            wrapped=datakey.wrap_data_key(key, wrapping, version, collection, subject, random),
            created_at=at,
        )
    )


def open_data_key(
    wrapping: Callable[[int], Secret],
    collection: str,
    subject: str,
    wrapped: bytes | None,
    of: str,
) -> Secret:
    """The key that was stored for exactly this subject of this collection.

    wrapping: gives a version of the collection's key. wrapped: None when there is no row. of:
    names what needs it, for the error. Raises Damaged when the key is gone, was changed, or is
    another subject's.
    """
    key = f"{of} is damaged: the data key of {collection}/{subject}"
    if wrapped is None:
        raise Damaged(f"{key} is gone")
    try:
        version = datakey.wrapping_version(wrapped)
        return datakey.unwrap_data_key(wrapped, wrapping(version), collection, subject)
    except Damaged as error:
        raise Damaged(f"{key} does not open: {error.detail}") from None


def forget_data_key(connection: Connection, collection: str, subject: str) -> None:
    """Delete the key: what it sealed is lost, in this database and in every later backup."""
    key = tables.data_key
    connection.execute(delete(key).where(key.c.collection == collection, key.c.subject == subject))

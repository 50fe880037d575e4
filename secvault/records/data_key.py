"""Data keys as rows, one a subject of a collection, wrapped by the named key of the collection.

All records of a subject in a collection share its key. Whoever seals with it holds its row until
their transaction ends, and it is deleted only by who holds it alone and finds no record that needs
it: so no record is ever left without its key, whoever creates and deletes at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection, delete, select

from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.keyring.message_count import count_messages
from secvault.keyring.named_key import read_key
from secvault.store import tables
from secvault.store.bulk import insert_rows_unless_there

_AT_ONCE = 1000
_COLUMNS = ("collection", "subject", "wrapped", "created_at")


def hold_data_keys(
    connection: Connection,
    keyring: Keyring,
    collection: str,
    subjects: Iterable[str],
    at: int,
    random: Random,
) -> dict[str, Secret]:
    """The keys of these subjects, by subject; made for those that have none. Nobody deletes them
    until the caller's transaction ends.

    New ones are under the latest version of the collection's key. at: micros. Raises NotFound when
    the collection has no key, Damaged when one that is there does not open.
    """
    # In one order for everybody, so that two transactions cannot wait for each other in a circle.
    missing = sorted(set(subjects))
    opened: dict[int, Secret] = {}

    def wrapping(version: int) -> Secret:
        if version not in opened:
            opened[version] = keyring.material(connection, RECORDS, collection, version)
        return opened[version]

    held: dict[str, Secret] = {}
    while missing:
        for subject, wrapped in _held(connection, collection, missing):
            of = f"the subject {collection}/{subject}"
            held[subject] = open_data_key(wrapping, collection, subject, wrapped, of)
        missing = [subject for subject in missing if subject not in held]
        held |= _made(connection, keyring, collection, missing, at, random)
        # What is missing now, somebody else made at this moment: theirs are the keys.
        missing = [subject for subject in missing if subject not in held]
    return held


def _held(
    connection: Connection, collection: str, subjects: list[str]
) -> Iterator[tuple[str, bytes]]:
    key = tables.data_key
    for begin in range(0, len(subjects), _AT_ONCE):
        some = subjects[begin : begin + _AT_ONCE]
        for row in connection.execute(
            select(key.c.subject, key.c.wrapped)
            .where(key.c.collection == collection, key.c.subject.in_(some))
            .order_by(key.c.subject)
            .with_for_update(read=True, key_share=True)
        ):
            yield row.subject, row.wrapped


def _made(
    connection: Connection,
    keyring: Keyring,
    collection: str,
    subjects: list[str],
    at: int,
    random: Random,
) -> dict[str, Secret]:
    """New keys of those of the subjects that still have none."""
    if not subjects:
        return {}
    version, wrapping = keyring.for_encryption(
        connection, read_key(connection, RECORDS, collection)
    )
    count_messages(connection, RECORDS, collection, version, len(subjects))
    made = {}
    rows = []
    for subject in subjects:
        key = made[subject] = datakey.new_data_key(random)
        wrapped = datakey.wrap_data_key(key, wrapping, version, collection, subject, random)
        rows.append((collection, subject, wrapped, at))
    ours = insert_rows_unless_there(connection, tables.data_key, _COLUMNS, rows, "subject")
    return {subject: key for subject, key in made.items() if subject in ours}


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


def hold_alone(connection: Connection, collection: str, subject: str) -> bool:
    """Hold a subject's key so that nobody else does; False when there is none.

    Waits for those who are about to store a record under it.
    """
    key = tables.data_key.c
    here = (key.collection == collection) & (key.subject == subject)
    found = connection.execute(select(key.subject).where(here).with_for_update()).first()
    return found is not None


def drop_unused_data_key(connection: Connection, collection: str, subject: str) -> None:
    """Delete the key when no record of its subject is left: what it sealed is lost for ever."""
    record = tables.record
    if not hold_alone(connection, collection, subject):
        return
    of_subject = select(record.c.id).where(
        record.c.collection == collection, record.c.subject == subject
    )
    # Each has an index of its own: the key of the table, and that of the records of others.
    itself, others = record.c.id == subject, record.c.subject != record.c.id
    for needed in (of_subject.where(itself), of_subject.where(others).limit(1)):
        if connection.execute(needed).first() is not None:
            return
    forget_data_key(connection, collection, subject)


def forget_data_key(connection: Connection, collection: str, subject: str) -> None:
    """Delete the key: what it sealed is lost, in this database and in every later backup."""
    key = tables.data_key
    connection.execute(delete(key).where(key.c.collection == collection, key.c.subject == subject))

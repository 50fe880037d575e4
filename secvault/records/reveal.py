"""Why somebody had a masked value revealed: a reason, kept with the record.

What people write may say more of somebody than the value did. So it is sealed as a field of the
record is, under the same data key, and goes when the record goes or the person is erased; the audit
log, which forgets nothing, keeps who, when and which field, and the id by which the reason is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from secvault.crypto.aead import Random
from secvault.crypto.field import FieldAddress, open_field, seal_field
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.records.data_key import open_data_key
from secvault.records.record import Record
from secvault.store.tables import data_key, record, record_reveal

LONGEST_REASON = 200


def keep_reason(
    connection: Connection, of: Record, reveal: str, reason: str, random: Random
) -> None:
    """Keep why a value of the record was revealed. reveal: the id that the audit log names."""
    connection.execute(
        insert(record_reveal).values(
            id=reveal,
            collection=of.collection,
            record=of.id,
            envelope=seal_field(reason, of.data_key, _place(of.collection, of.id, reveal), random),
        )
    )


def reasons_of(
    connection: Connection, keyring: Keyring, reveals: Iterable[str]
) -> Mapping[str, str | None]:
    """The reasons by their ids; None for one that was changed in the store.

    What went with its record, or with the person, is not among them.
    """
    found: dict[str, str | None] = {}
    wrapping = cache(partial(_material, connection, keyring))
    for row in connection.execute(_kept(reveals)).all():
        what = f"the reason {row.id}"
        try:
            key = open_data_key(
                partial(wrapping, row.collection), row.collection, row.subject, row.wrapped, what
            )
            place = _place(row.collection, row.record, row.id)
            found[row.id] = str(open_field(row.envelope, key, place))
        except Damaged:
            found[row.id] = None
    return found


def reseal_reasons(connection: Connection, before: Record, after: Record, random: Random) -> None:
    """Keep the reasons readable when the record comes under another data key."""
    if before.data_key == after.data_key:
        return
    column = record_reveal.c
    here = (column.collection == after.collection) & (column.record == after.id)
    for row in connection.execute(select(record_reveal).where(here)).all():
        place = _place(row.collection, row.record, row.id)
        reason = open_field(row.envelope, before.data_key, place)
        sealed = seal_field(reason, after.data_key, place, random)
        connection.execute(
            update(record_reveal).where(column.id == row.id).values(envelope=sealed)
        )


def _kept(reveals: Iterable[str]) -> Select[Any]:
    return (
        select(record_reveal, record.c.subject, data_key.c.wrapped)
        .join_from(
            record_reveal,
            record,
            (record.c.collection == record_reveal.c.collection)
            & (record.c.id == record_reveal.c.record),
        )
        # Without its data key nothing of a subject is readable: it was erased.
        .join(
            data_key,
            (data_key.c.collection == record.c.collection)
            & (data_key.c.subject == record.c.subject),
        )
        .where(record_reveal.c.id.in_(sorted(set(reveals))))
    )


def _material(connection: Connection, keyring: Keyring, collection: str, version: int) -> Secret:
    return keyring.material(connection, RECORDS, collection, version)


def _place(collection: str, record_id: str, reveal: str) -> FieldAddress:
    # No field has such a name.
    return FieldAddress(collection, record_id, f"reveal/{reveal}")

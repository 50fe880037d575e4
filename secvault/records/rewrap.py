"""Re-wrapping data keys under the latest version of their collection's key; no field is touched."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.keyring.message_count import count_messages
from secvault.keyring.named_key import NamedKey
from secvault.store import tables

_TABLE = tables.data_key
# Only what is still there as it was read: another transaction may have erased it.
_REPLACE = (
    update(_TABLE)
    .where(
        _TABLE.c.collection == bindparam("collection_is"),
        _TABLE.c.subject == bindparam("subject_is"),
        _TABLE.c.wrapped == bindparam("wrapped_is"),
    )
    .values(wrapped=bindparam("fresh"))
)


@dataclass(frozen=True)
class Batch:
    """What one transaction did. last: the last subject that it looked at; None at the end.

    damaged: subjects whose data key does not open with the version that it names.
    """

    rewrapped: int
    damaged: tuple[str, ...]
    last: str | None


def count_left(connection: Connection, key: NamedKey) -> int:
    """How many data keys of the collection are not under the key's latest version."""
    question = select(func.count()).where(_TABLE.c.collection == key.name, _is_old(key))
    return connection.scalar(question) or 0


def rewrap_batch(
    connection: Connection,
    keyring: Keyring,
    key: NamedKey,
    after: str,
    limit: int,
    versions: MutableMapping[int, Secret],
    random: Random,
) -> Batch:
    """Re-wrap the next data keys after this subject, with the caller's transaction.

    versions: key versions that were opened before, added to here. A data key that is erased or
    replaced at the same moment is left alone. Raises Damaged when a version of the collection's
    key cannot be opened, InvalidInput when the latest has sealed all that it may.
    """
    found = connection.execute(
        select(_TABLE.c.subject, _TABLE.c.wrapped)
        .where(_TABLE.c.collection == key.name, _TABLE.c.subject > after, _is_old(key))
        .order_by(_TABLE.c.subject)
        .limit(limit)
    ).all()
    if not found:
        return Batch(0, (), None)
    latest = key.latest_version

    def version(number: int) -> Secret:
        if number not in versions:
            versions[number] = keyring.material(connection, RECORDS, key.name, number)
        return versions[number]

    count_messages(connection, RECORDS, key.name, latest, len(found))
    wrapping = version(latest)
    fresh = []
    damaged = []
    for subject, wrapped in found:
        try:
            opened = datakey.unwrap_data_key(
                wrapped, version(datakey.wrapping_version(wrapped)), key.name, subject
            )
        except Damaged:
            damaged.append(subject)
            continue
        made = datakey.wrap_data_key(opened, wrapping, latest, key.name, subject, random)
        fresh.append(
            {
                "collection_is": key.name,
                "subject_is": subject,
                "wrapped_is": wrapped,
                "fresh": made,
            }
        )
    rewrapped = connection.execute(_REPLACE, fresh).rowcount if fresh else 0
    return Batch(rewrapped, tuple(damaged), found[-1].subject)


def _is_old(key: NamedKey) -> ColumnElement[bool]:
    header = datakey.wrapped_header(key.latest_version)
    return func.substr(_TABLE.c.wrapped, 1, len(header)) != header

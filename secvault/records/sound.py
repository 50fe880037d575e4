"""Reading records of which some may be damaged: those that are sound, and the ids of the others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from secvault.errors import Damaged
from secvault.keyring.keyring import Keyring
from secvault.records.collection import Collection
from secvault.records.record import Record, read_records


def sound_records(
    connection: Connection, keyring: Keyring, collection: Collection, ids: Sequence[str]
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Those of the records that are there and read, and the ids of those that do not, in order."""
    try:
        return read_records(connection, keyring, collection, ids), ()
    except Damaged:
        pass
    sound: list[Record] = []
    damaged: list[str] = []
    for id_ in ids:
        try:
            sound += read_records(connection, keyring, collection, (id_,))
        except Damaged:
            damaged.append(id_)
    return tuple(sound), tuple(damaged)

"""Why somebody had a masked value revealed: a reason, kept with the record.

What people write may say more of somebody than the value did. So it is sealed beside the record and
goes when the record goes or the person is erased; the audit log, which forgets nothing, keeps who,
when and which field, the ticket, and the id by which the reason is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, insert, select

from secvault.crypto.aead import Random
from secvault.keyring.keyring import Keyring
from secvault.records.beside import opened, reveal_name, seal_beside
from secvault.records.record import Record
from secvault.store.tables import record_reveal

LONGEST_REASON = 200


def keep_reason(
    connection: Connection,
    of: Record,
    reveal: str,
    reason: str,
    revealer: str,
    at: int,
    random: Random,
) -> None:
    """Keep why a value of the record was revealed.

    reveal: the id that the audit log names. revealer: a subject. at: micros.
    """
    connection.execute(
        insert(record_reveal).values(
            id=reveal,
            collection=of.collection,
            record=of.id,
            revealer=revealer,
            at=at,
            envelope=seal_beside(of, reveal_name(reveal), reason, random),
        )
    )


def reveals_since(connection: Connection, revealer: str, since: int, most: int) -> tuple[int, ...]:
    """When the subject revealed something since then, the newest first, `most` at most. Micros."""
    column = record_reveal.c
    return tuple(
        connection.execute(
            select(column.at)
            .where(column.revealer == revealer, column.at > since)
            .order_by(column.at.desc())
            .limit(most)
        ).scalars()
    )


def reasons_of(
    connection: Connection, keyring: Keyring, reveals: Iterable[str]
) -> Mapping[str, str | None]:
    """The reasons by their ids; None for one that was changed in the store.

    What went with its record, or with the person, is not among them.
    """
    which = record_reveal.c.id.in_(sorted(set(reveals)))
    return {
        row.id: None if found is None else str(found[1])
        for row, found in opened(connection, keyring, record_reveal, which)
    }

"""The keys that what is personal in the log is sealed under: one for each subject, till erased.

Whoever acts gets a key with the first event that says something personal of them. Erasing them is
deleting their keys: see `personal`. A later event of theirs gets a new one. The keys lie wrapped in
a table that no copy of the database in a backup has (`backup.keys_apart`).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, insert, select

from secvault.audit.event import Event
from secvault.audit.personal_part import Part, contents, seal_part
from secvault.clock import Clock
from secvault.crypto.aead import Random, bind, open_sealed, seal
from secvault.crypto.datakey import new_data_key
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.store.engine import Store, in_turn
from secvault.store.tables import audit_subject_key

PERSONAL = "audit-personal"
"""Of the internal key that wraps the keys of the subjects."""

REMEMBERED = 4_096
_AT_ONCE = 500
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """An open key of a subject. id: names it in the table and in the parts."""

    id: str
    secret: Secret


class SubjectKeys:
    """Seals what is personal in events, and opens it. May be used from any thread."""

    def __init__(
        self, store: Store, clock: Clock, wrapping: Secret, random: Random = os.urandom
    ) -> None:
        """wrapping: 32 bytes, the vault's own key that wraps the keys of the subjects."""
        self._store = store
        self._clock = clock
        self._wrapping = wrapping
        self._random = random
        self._lock = Lock()
        self._known: OrderedDict[str, SubjectKey] = OrderedDict()

    def seal(
        self, event: Event, event_id: str, connection: Connection | None = None
    ) -> tuple[tuple[Part, bytes], ...]:
        """What is personal in the event, sealed, each part with its commitment.

        connection: the caller's write transaction, if there is one: a key that has to be made is
        made in it. Raises Unavailable.
        """
        said = contents(event)
        if not said:
            return ()
        subject = event.actor.subject
        key = self._key_of(subject, connection)
        return tuple(
            seal_part(
                content,
                event=event_id,
                slot=slot,
                subject=subject,
                key=key.id,
                secret=key.secret,
                random=self._random,
            )
            for slot, content in said.items()
        )

    def forget(self, keys: Iterable[str]) -> None:
        """Do not seal under these any more: they were found to be gone."""
        gone = set(keys)
        if gone:
            with self._lock:
                for subject, key in list(self._known.items()):
                    if key.id in gone:
                        del self._known[subject]

    def opened(self, connection: Connection, keys: Iterable[str]) -> Mapping[str, Secret]:
        """Those of the keys with these ids that are there and open."""
        found: dict[str, Secret] = {}
        wanted = sorted(set(keys))
        column = audit_subject_key.c
        for start in range(0, len(wanted), _AT_ONCE):
            rows = connection.execute(
                select(column.id, column.subject, column.wrapped).where(
                    column.id.in_(wanted[start : start + _AT_ONCE])
                )
            )
            for row in rows:
                secret = self._unwrapped(row.id, row.subject, bytes(row.wrapped))
                if secret is not None:
                    found[row.id] = secret
        return found

    def _key_of(self, subject: str, connection: Connection | None) -> SubjectKey:
        with self._lock:
            known = self._known.get(subject)
            if known is not None:
                self._known.move_to_end(subject)
                return known
        if connection is not None:
            return self._newest(connection, subject) or self._make(connection, subject)
        with self._store.read() as reading:
            found = self._newest(reading, subject)
        if found is None:
            with self._store.write() as writing:
                in_turn(writing, f"audit key of {subject}")
                found = self._newest(writing, subject) or self._make(writing, subject)
        # Only what is committed: a transaction that is undone takes the key with it.
        with self._lock:
            self._known[subject] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _newest(self, connection: Connection, subject: str) -> SubjectKey | None:
        column = audit_subject_key.c
        row = connection.execute(
            select(column.id, column.wrapped)
            .where(column.subject == subject)
            .order_by(column.created_at.desc(), column.id.desc())
            .limit(1)
        ).first()
        if row is None:
            return None
        # One that was changed in the store opens nothing; what comes next gets another.
        secret = self._unwrapped(row.id, subject, bytes(row.wrapped))
        return None if secret is None else SubjectKey(row.id, secret)

    def _make(self, connection: Connection, subject: str) -> SubjectKey:
        made = SubjectKey(self._random(_ID_BYTES).hex(), new_data_key(self._random))
        place = _place(made.id, subject)
        connection.execute(
            insert(audit_subject_key).values(
                id=made.id,
                subject=subject,
                wrapped=seal(made.secret.expose(), self._wrapping, place, self._random),
                created_at=self._clock.micros(),
            )
        )
        return made

    def _unwrapped(self, key: str, subject: str, wrapped: bytes) -> Secret | None:
        try:
            return Secret(open_sealed(wrapped, self._wrapping, _place(key, subject)))
        except Damaged:
            return None


def _place(key: str, subject: str) -> bytes:
    return bind("secvault/audit-subject-key", key, subject)

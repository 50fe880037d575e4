"""Bringing data keys back into a copy of the database, without those of whoever was erased since.

A copy out of a backup has no data keys and no row in `keys_here`; it does not open as a vault. Here
it gets both, in one transaction with the erasures that were made after it was copied: nobody sees
it with the keys and without them. The files of data keys are those that lie apart (`keys_apart`);
the more of them, the more that was deleted since can be read again, but nothing that was erased.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import Connection, and_, delete, exists, func, literal, select

from secvault.audit.personal import LOG_SUBJECTS, erase_again
from secvault.backup import key_file
from secvault.backup.key_file import (
    ErasedRecord,
    ErasedSubject,
    Erasure,
    Head,
    Key,
    LogKey,
    Version,
)
from secvault.crypto import datakey
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, KeysApart
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.keyring.message_count import count_messages
from secvault.keyring.named_key import read_key
from secvault.store import tables
from secvault.store.bulk import insert_rows_unless_there
from secvault.store.engine import insert_unless_there
from secvault.store.record_rows import delete_records
from secvault.store.tables.imports import SUBJECT

_AT_ONCE = 1000
_KEY_COLUMNS = ("collection", "subject", "wrapped", "created_at")
_HERE = {"id": 1}


@dataclass(frozen=True, slots=True)
class Keyless:
    """A record without a key in any of the files. created_at: in micros."""

    collection: str
    id: str
    subject: str
    created_at: int


@dataclass(frozen=True)
class Rejoined:
    """What a copy came to. taken_at: of the newest file, in micros: erasures after it are unknown.

    keys: data keys in it now. erased: records that were taken out because they were erased since.
    left_out: records without a key in any file, because they were deleted since; keyless: which.
    """

    taken_at: int
    keys: int
    erased: int
    keyless: tuple[Keyless, ...] = field(default=(), repr=False)

    @property
    def left_out(self) -> int:
        """How many records have no key in any file."""
        return len(self.keyless)


def require_keys(connection: Connection) -> None:
    """Return when the store has its data keys. Raises KeysApart."""
    if not has_keys(connection):
        raise KeysApart(
            "this database was restored from a backup, and its data keys lie apart: restore the "
            "newest of them and run `secvault backup rejoin FILE...`, which also leaves out who "
            "was erased since"
        )


def has_keys(connection: Connection) -> bool:
    """Whether the data keys are here."""
    return connection.execute(select(tables.keys_here.c.id)).first() is not None


def rejoin(
    connection: Connection,
    keyring: Keyring,
    files: Sequence[Path],
    at: int,
    *,
    without_deleted: bool,
    random: Random = os.urandom,
) -> Rejoined:
    """Bring the data keys of these files back, and erase what was erased until the newest of them.

    keyring: of this store. without_deleted: leave out the records whose key is in none of the
    files; else they are a Conflict, for a newer or older file may have it. at: micros. Raises
    Damaged, InvalidInput for files of another vault, Conflict.
    """
    heads = {file: key_file.head_of(file) for file in files}
    if not heads:
        raise InvalidInput.at("files", "name at least one file of data keys")
    for file, head in heads.items():
        if head.vault != keyring.vault_id:
            raise InvalidInput.at("files", f"{file.name} is of another vault")
    had_keys = has_keys(connection)
    ledger = _ledger(connection, heads)
    for file in _in_order(connection, heads):
        _bring_keys(connection, keyring, file, ledger, random)
    erased = _erase_again(connection, ledger, at)
    keyless = _leave_out(connection, at, without_deleted=without_deleted)
    _drop_unused(connection, imports=had_keys)
    row = {**_HERE, "since": at}
    insert_unless_there(connection, tables.keys_here, row)
    keys = connection.execute(select(func.count()).select_from(tables.data_key)).scalar_one()
    return Rejoined(max(head.taken_at for head in heads.values()), keys, erased, keyless)


@dataclass(frozen=True)
class _Ledger:
    """What was erased. rows: those that only the files have."""

    subjects: dict[tuple[str, str], int] = field(default_factory=dict)
    records: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: list[ErasedSubject | ErasedRecord | Erasure] = field(default_factory=list)

    def has_erased(self, key: Key | LogKey) -> bool:
        collection = key.collection if isinstance(key, Key) else LOG_SUBJECTS
        return key.created_at <= self.subjects.get((collection, key.subject), -1)


def _ledger(connection: Connection, files: Iterable[Path]) -> _Ledger:
    """With what the store knows itself."""
    found = _Ledger()
    subject, gone = tables.erased_subject.c, tables.erased_record.c
    for row in connection.execute(select(subject.collection, subject.subject, subject.created_at)):
        _latest(found.subjects, (row.collection, row.subject), row.created_at)
    for row in connection.execute(select(gone.collection, gone.id, gone.erased_at)):
        _latest(found.records, (row.collection, row.id), row.erased_at)
    for file in files:
        for line in key_file.read(file):
            if isinstance(line, ErasedSubject):
                _latest(found.subjects, (line.collection, line.subject), line.created_at)
            elif isinstance(line, ErasedRecord):
                _latest(found.records, (line.collection, line.id), line.erased_at)
            elif not isinstance(line, Erasure):
                continue
            found.rows.append(line)
    return found


def _latest(known: dict[tuple[str, str], int], what: tuple[str, str], at: int) -> None:
    known[what] = max(at, known.get(what, at))


def _in_order(connection: Connection, heads: Mapping[Path, Head]) -> list[Path]:
    """That of the copy itself first, which has exactly its keys; then from the newest on."""
    run = tables.backup_run.c
    running = set(connection.execute(select(run.id).where(run.state == "running")).scalars().all())
    return sorted(heads, key=lambda file: (heads[file].run not in running, -heads[file].taken_at))


def _bring_keys(
    connection: Connection, keyring: Keyring, file: Path, ledger: _Ledger, random: Random
) -> None:
    bound = _made_until(connection)
    rewrap = _Rewrapping(connection, keyring, random)
    lines = key_file.read(file)
    while some := tuple(islice(lines, _AT_ONCE)):
        rows = []
        _bring_log_keys(connection, some, ledger)
        for line in some:
            if isinstance(line, Version):
                rewrap.known[line.collection, line.version] = line
            if isinstance(line, Key) and line.created_at <= bound and not ledger.has_erased(line):
                wrapped = rewrap.wrapped(line)
                if wrapped is not None:
                    rows.append((line.collection, line.subject, wrapped, line.created_at))
        insert_rows_unless_there(connection, tables.data_key, _KEY_COLUMNS, rows, "subject")


def _bring_log_keys(
    connection: Connection, lines: Sequence[key_file.Line], ledger: _Ledger
) -> None:
    """Those that something in this copy's log is sealed under: no other opens anything here."""
    column = tables.audit_personal.c.key
    brought = {
        line.id: line for line in lines if isinstance(line, LogKey) and not ledger.has_erased(line)
    }
    if not brought:
        return
    needed = connection.execute(select(column).distinct().where(column.in_(sorted(brought))))
    rows = [msgspec.structs.astuple(brought[id_]) for id_ in needed.scalars()]
    insert_rows_unless_there(
        connection, tables.audit_subject_key, LogKey.__struct_fields__, rows, "id"
    )


def _made_until(connection: Connection) -> int:
    """The last moment that this copy knows of: a key from after it is of somebody's later records.

    Not the last change of a record: one that is stored anew, as by a migration, may get a key that
    is younger than any.
    """
    record, run, head = tables.record.c, tables.backup_run.c, tables.audit_head.c
    known = (
        select(func.max(record.updated_at)),
        select(func.max(run.started_at)).where(run.state == "running"),
        select(func.max(head.last_t)),
    )
    return max(connection.execute(question).scalar_one() or 0 for question in known)


class _Rewrapping:
    """Data keys under a version of their collection's key that this older store has."""

    def __init__(self, connection: Connection, keyring: Keyring, random: Random) -> None:
        self.known: dict[tuple[str, int], Version] = {}
        self._connection = connection
        self._keyring = keyring
        self._random = random
        version = tables.named_key_version.c
        self._here = {
            (name, number)
            for name, number in connection.execute(
                select(version.name, version.version).where(version.mount == RECORDS)
            )
        }
        self._collections = {name for name, _ in self._here}
        self._sealing = keyring.internal_in(connection, key_file.PURPOSE)
        self._material = cache(self._opened)
        self._latest = cache(self._wrapping)

    def wrapped(self, key: Key) -> bytes | None:
        """The data key as it can be opened here; None where the collection is not known."""
        number = datakey.wrapping_version(key.wrapped)
        if (key.collection, number) in self._here:
            return key.wrapped
        if key.collection not in self._collections:
            return None
        opened = datakey.unwrap_data_key(
            key.wrapped, self._material(key.collection, number), key.collection, key.subject
        )
        latest, wrapping = self._latest(key.collection)
        count_messages(self._connection, RECORDS, key.collection, latest, 1)
        return datakey.wrap_data_key(
            opened, wrapping, latest, key.collection, key.subject, self._random
        )

    def _opened(self, collection: str, number: int) -> Secret:
        line = self.known.get((collection, number))
        if line is None:
            raise Damaged(f"the file of data keys lacks version {number} of {collection}")
        return key_file.open_version(line, self._sealing)

    def _wrapping(self, collection: str) -> tuple[int, Secret]:
        key = read_key(self._connection, RECORDS, collection)
        return self._keyring.for_encryption(self._connection, key)


def _erase_again(connection: Connection, ledger: _Ledger, at: int) -> int:
    """Take out what was erased since; how many records. What came after its erasure stays."""
    record, key = tables.record.c, tables.data_key
    gone = 0
    for some in _chunks(ledger.records.items()):
        wanted = dict(some)
        for collection in {name for name, _ in wanted}:
            ids = [id_ for name, id_ in wanted if name == collection]
            rows = connection.execute(
                select(record.id, record.created_at).where(
                    record.collection == collection, record.id.in_(ids)
                )
            ).all()
            found = [row.id for row in rows if row.created_at <= wanted[collection, row.id]]
            gone += delete_records(connection, collection, found, at)
    for (collection, subject), until in sorted(ledger.subjects.items()):
        of_subject = (record.collection == collection) & (record.subject == subject)
        # Also what had been deleted, and was not there any more to be erased.
        found = list(
            connection.execute(
                select(record.id).where(of_subject, record.created_at <= until)
            ).scalars()
        )
        gone += delete_records(connection, collection, found, at)
        connection.execute(
            delete(key).where(
                key.c.collection == collection,
                key.c.subject == subject,
                key.c.created_at <= until,
            )
        )
    erase_again(
        connection,
        {
            subject: until
            for (collection, subject), until in ledger.subjects.items()
            if collection == LOG_SUBJECTS
        },
    )
    for row in ledger.rows:
        values = {name: getattr(row, name) for name in row.__struct_fields__}
        insert_unless_there(connection, _TABLES[type(row)], values)
    return gone


def _leave_out(connection: Connection, at: int, *, without_deleted: bool) -> tuple[Keyless, ...]:
    """Take out the records that no key opens."""
    record, key = tables.record.c, tables.data_key.c
    of_it = and_(key.collection == record.collection, key.subject == record.subject)
    found = connection.execute(
        select(record.collection, record.id, record.subject, record.created_at)
        .where(~exists().where(of_it))
        .order_by(record.collection, record.id)
    )
    rows = tuple(Keyless(*row) for row in found)
    if rows and not without_deleted:
        first = f"{rows[0].collection}/{rows[0].id}"
        raise Conflict(
            f"{len(rows)} records, first {first}, have their key in none of the files: they were "
            "deleted after this copy was made. Name the data keys that were saved with the copy, "
            "too, or leave these records out with --without-deleted"
        )
    for collection in {row.collection for row in rows}:
        ids = [row.id for row in rows if row.collection == collection]
        delete_records(connection, collection, ids, at)
    return rows


def _drop_unused(connection: Connection, *, imports: bool) -> None:
    """Data keys that no record here needs, nor, with `imports`, a file that waits to be imported.

    A copy has none of the latter: what was erased since may stand in such a file. It is sent anew.
    """
    record, key, waiting = tables.record.c, tables.data_key, tables.record_import.c
    of_record = and_(record.collection == key.c.collection, record.subject == key.c.subject)
    of_file = and_(literal(SUBJECT) + waiting.id == key.c.subject, waiting.ended_at.is_(None))
    unused = ~exists().where(of_record)
    if imports:
        unused &= ~exists().where(of_file)
    connection.execute(delete(key).where(unused))


def _chunks(
    items: Iterable[tuple[tuple[str, str], int]],
) -> Iterator[tuple[tuple[tuple[str, str], int], ...]]:
    rest = iter(items)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some


_TABLES = {
    ErasedSubject: tables.erased_subject,
    ErasedRecord: tables.erased_record,
    Erasure: tables.erasure,
}

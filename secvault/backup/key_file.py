"""The file of a vault's data keys, which lies apart from the backup of its database.

Lines of JSON, each an array that begins with what it is: the head; the versions of the collections'
keys, sealed for this file; the data keys, wrapped as they are in the database; what was erased, in
full; and the number of lines before the last one, so that a file that was cut off is no file. All
as of the moment of the copy of the database that it belongs to. Bytes are base64, times micros.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec
from sqlalchemy import Connection, select

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS, Keyring
from secvault.store import tables

NAME = "data-keys.jsonl"
FORMAT = "secvault data keys v1"
PURPOSE = "data-key-backups"
"""Of the internal key that versions of collections' keys are sealed with in this file."""

_AT_ONCE = 2000


class Head(msgspec.Struct, frozen=True, array_like=True, tag=FORMAT):
    """Of which vault and run. taken_at: when the copy of the database was begun."""

    vault: str
    run: str
    plan: str
    taken_at: int


class Version(msgspec.Struct, frozen=True, array_like=True, tag="version"):
    """A version of the key that wraps a collection's data keys."""

    collection: str
    version: int
    sealed: bytes


class Key(msgspec.Struct, frozen=True, array_like=True, tag="key"):
    """A data key, as the row of the database."""

    collection: str
    subject: str
    wrapped: bytes
    created_at: int


class LogKey(msgspec.Struct, frozen=True, array_like=True, tag="log key"):
    """The key of a subject of the audit log, as the row of the database."""

    id: str
    subject: str
    wrapped: bytes
    created_at: int


class ErasedSubject(msgspec.Struct, frozen=True, array_like=True, tag="erased subject"):
    """A data key that is no more, as the row of the database."""

    collection: str
    subject: str
    reference: bytes
    erasure: str
    created_at: int
    erased_at: int


class ErasedRecord(msgspec.Struct, frozen=True, array_like=True, tag="erased record"):
    """A record that is no more, as the row of the database."""

    collection: str
    id: str
    erasure: str
    erased_at: int


class Erasure(msgspec.Struct, frozen=True, array_like=True, tag="erasure"):
    """An erasure with its evidence, as the row of the database."""

    id: str
    kind: str
    asked_by: str
    at: int
    records: int
    keys: int
    document: bytes
    note: bytes


class End(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """The last line. lines: how many there are before it."""

    lines: int


Line: TypeAlias = Head | Version | Key | LogKey | ErasedSubject | ErasedRecord | Erasure | End

_DECODER = msgspec.json.Decoder(Line)


def write(
    connection: Connection,
    keyring: Keyring,
    sealing: Secret,
    head: Head,
    file: Path,
    random: aead.Random = os.urandom,
) -> int:
    """Write the file, whole and on disk; how many data keys there are.

    connection: of one consistent state of the database. sealing: the internal key of `PURPOSE`.
    Raises Damaged when a version of a collection's key does not open.
    """
    lines = keys = 0
    with _private(file) as target:
        for line in _lines(connection, keyring, sealing, head, random):
            target.write(msgspec.json.encode(line) + b"\n")
            lines += 1
            keys += isinstance(line, Key)
        target.write(msgspec.json.encode(End(lines)) + b"\n")
        target.flush()
        os.fsync(target.fileno())
    return keys


def read(file: Path) -> Iterator[Line]:
    """The lines, the head first, without the end. Raises Damaged when it is not one whole file."""
    lines, ended = 0, False
    try:
        with file.open("rb") as source:
            for raw in source:
                line = _DECODER.decode(raw)
                if ended or (lines == 0) is not isinstance(line, Head):
                    raise Damaged(f"{file.name} is no file of data keys")
                ended = isinstance(line, End)
                if isinstance(line, End):
                    if line.lines != lines:
                        raise Damaged(f"{file.name} lacks lines")
                    continue
                lines += 1
                yield line
    except OSError as error:
        raise Damaged(f"{file} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Damaged(f"{file.name} is no file of data keys: {error}") from None
    if not ended:
        raise Damaged(f"{file.name} is cut off")


def head_of(file: Path) -> Head:
    """Its first line. Raises Damaged."""
    for line in read(file):
        if isinstance(line, Head):
            return line
        break
    raise Damaged(f"{file.name} is no file of data keys")


def open_version(line: Version, sealing: Secret) -> Secret:
    """The version of a collection's key. Raises Damaged."""
    return Secret(aead.open_sealed(line.sealed, sealing, _place(line.collection, line.version)))


def _lines(
    connection: Connection, keyring: Keyring, sealing: Secret, head: Head, random: aead.Random
) -> Iterator[Line]:
    yield head
    version = tables.named_key_version.c
    for name, number in connection.execute(
        select(version.name, version.version)
        .where(version.mount == RECORDS)
        .order_by(version.name, version.version)
    ).all():
        material = keyring.material(connection, RECORDS, name, number)
        sealed = aead.seal(material.expose(), sealing, _place(name, number), random)
        yield Version(name, number, sealed)
    for table, line in (
        (tables.data_key, Key),
        (tables.audit_subject_key, LogKey),
        (tables.erased_subject, ErasedSubject),
        (tables.erased_record, ErasedRecord),
        (tables.erasure, Erasure),
    ):
        columns = [table.c[name] for name in line.__struct_fields__]
        # In order, so that restic finds again what has not changed.
        rows = connection.execution_options(yield_per=_AT_ONCE).execute(
            select(*columns).order_by(*table.primary_key)
        )
        for row in rows:
            yield line(*row)


def _place(collection: str, version: int) -> bytes:
    return aead.bind("secvault/data-keys/version", collection, str(version))


def _private(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

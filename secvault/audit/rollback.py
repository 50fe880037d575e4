"""Whether the store continues what the log has shown outside of it.

The newest checkpoint outside, in a place where it is published or in a small file beside the
database, says what the log must have. A store that was put back to an older copy, cut, or rewritten
contradicts it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from secvault.audit.append import LOG
from secvault.audit.nodes import range_hash
from secvault.crypto.checkpoint import Checkpoint, verify_by_name
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged, Unavailable
from secvault.store.tables import audit_head

REMEMBERED = "audit-signed-checkpoint"
"""The file in the data folder that has the newest checkpoint that this machine signed."""


@dataclass(frozen=True)
class Shown:
    """A checkpoint that was found outside of the store. where: for people."""

    where: str
    note: bytes


@dataclass(frozen=True)
class Contradiction:
    """Why the store does not continue what was shown. size, origin: of that; None and empty when it
    is no checkpoint of this log.
    """

    where: str
    what: str
    size: int | None
    origin: str = ""


def remembered(data: Path) -> bytes | None:
    """The newest checkpoint that this machine signed. Raises Unavailable."""
    try:
        return (data / REMEMBERED).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{data / REMEMBERED} cannot be read: {error.strerror}") from error


def remember(data: Path, note: bytes) -> None:
    """Keep this checkpoint beside the database; on disk when this returns. Raises Unavailable."""
    file = data / REMEMBERED
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as writing:
            writing.write(note)
            writing.flush()
            os.fsync(writing.fileno())
        beside.replace(file)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error


def contradictions(
    connection: Connection, shown: Iterable[Shown], verifiers: Sequence[NoteVerifier]
) -> tuple[Contradiction, ...]:
    """What of the things shown outside this store does not continue; empty when all is well."""
    found = []
    for each in shown:
        try:
            signed = verify_by_name(each.note, verifiers)
        except Damaged as error:
            found.append(Contradiction(each.where, f"is not of this log: {error.detail}", None))
            continue
        why = contradicts(connection, signed)
        if why:
            found.append(Contradiction(each.where, why, signed.size, signed.origin))
    return tuple(found)


def contradicts(connection: Connection, signed: Checkpoint) -> str:
    """Why the store does not continue this checkpoint, as the end of a sentence; empty if it does.

    Looks at log(size) stored hashes, not at every event: that is what `verify` does.
    """
    size = size_of(connection)
    if signed.size > size:
        return f"has {signed.size} events, the database only {size}"
    if signed.size and range_hash(connection, (0, signed.size)) != signed.root:
        return f"has {signed.size} events, and those of the database are others"
    return ""


def size_of(connection: Connection) -> int:
    """How many events the log has."""
    wanted = select(audit_head.c.size).where(audit_head.c.log == LOG)
    return int(connection.scalar(wanted) or 0)

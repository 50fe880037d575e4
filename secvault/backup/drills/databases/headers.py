"""What the files of dumps say of themselves, before any server sees them: of which database they
are, and whether they are whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from secvault.backup.drills.result import Fault
from secvault.backup.sources.source import leads_nowhere_else
from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged

_EDGE = 4096
_MARIADB = re.compile(rb"^-- Host: .*?    Database: (.*)$", re.MULTILINE)
_POSTGRESQL_ARCHIVE = b"PGDMP"
_ENDS = {
    "mariadb": b"-- Dump completed",
    "postgresql": b"-- PostgreSQL database dump complete",
}


def file_of(kind: str, saved: Path, name: str, one: Mapping[str, JsonValue]) -> Path:
    """The file of a database in the source's restored folder. Raises Damaged."""
    told = name.lstrip("/") if kind == "sqlite" else one.get("file")
    inside = isinstance(told, str) and leads_nowhere_else(f"/{told}")
    if not isinstance(told, str) or not inside or (kind != "sqlite" and "/" in told):
        raise Damaged(f"the manifest does not name the dump of {name}")
    file = saved / told
    if file.is_symlink() or not file.is_file():
        raise Damaged(f"the snapshot does not hold {told}")
    return file


def fault(
    where: str, kind: str, name: str, one: Mapping[str, JsonValue], file: Path
) -> Fault | None:
    """What is wrong with the file of a dump; None where nothing can be seen. Raises OSError.

    one: the facts of the database. file: there, and a file.
    """
    size = file.stat().st_size
    expected = one.get("bytes")
    if isinstance(expected, int) and size < expected:
        return Fault("dump-damaged", where, f"the dump has {size} bytes of {expected}")
    with file.open("rb") as dump:
        first = dump.read(_EDGE)
        dump.seek(max(0, size - _EDGE))
        last = dump.read()
    if kind == "mariadb":
        told = _MARIADB.search(first)
        # A name of several lines is not told as it is.
        if told and name.isprintable() and told[1].decode("utf-8", "replace") != name:
            return Fault("dump-of-another-database", where, "the dump names another database")
    archive = kind == "postgresql" and one.get("format") == "custom"
    if archive:
        if not first.startswith(_POSTGRESQL_ARCHIVE):
            return Fault("dump-damaged", where, "the dump is no archive of pg_dump")
        other = _database_of(first)
        if other is not None and other != name:
            return Fault("dump-of-another-database", where, "the dump names another database")
    elif kind in _ENDS and _ENDS[kind] not in last:
        return Fault("dump-damaged", where, "the dump stops before its end")
    return None


def _database_of(first: bytes) -> str | None:
    """The database that an archive in custom format names in its head; None: not understood.

    The head: magic, three bytes of version, size of integers and of offsets, format, compression,
    seven integers of time, then the name as a text with its length before it.
    """
    try:
        version, integer = (first[5], first[6]), 1 + first[8]
        place = 11
        # From 1.15 on the way of compression is one byte, before an integer.
        place += 1 if version >= (1, 15) else integer
        place += 7 * integer
        length = int.from_bytes(first[place + 1 : place + integer], "little")
        # Each integer has its sign before it.
        if first[place] or not 0 < length <= 256:
            return None
        text = first[place + integer : place + integer + length]
        return text.decode() if len(text) == length else None
    except (IndexError, UnicodeDecodeError):
        return None

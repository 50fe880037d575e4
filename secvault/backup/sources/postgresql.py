"""Databases of a PostgreSQL server as a source: each dumped by pg_dump, whole or not at all.

What pg_dump saves and the rows that are counted are of the same moment: both see one exported
snapshot. Databases of one server are of moments that follow each other; PostgreSQL has no snapshot
over several. Dumps are not compressed: restic does that, and finds what has not changed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from secvault.backup.sources import logins, postgresql_figures
from secvault.backup.sources.faults import SourceUnreachable
from secvault.backup.sources.names import file_name
from secvault.backup.sources.postgresql_server import (
    PostgresqlServer,
    is_of_secvault,
    properties,
    tables,
    version,
)
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import PostgresqlSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, ConfigurationError

GLOBALS = "globals.sql"
DUMP, SQL, SCHEMA = ".dump", ".sql", ".schema"
"""Endings of a database's files: custom format; plain format and, beside it, the schema in custom
format, which tells what is in it and has what belongs to the database as a whole."""

# A table in the list of an archive: its number there, the class of its kind, its own identifier.
_TABLE = re.compile(r"^\d+; 1259 (\d+) TABLE ", re.MULTILINE)
# A migration that is under way holds its locks for a short time only.
_LOCK_WAIT = "--lock-wait-timeout=60s"
_PASSWORDS = """
SELECT rolname, rolpassword FROM pg_catalog.pg_authid
WHERE rolpassword IS NOT NULL AND rolname !~ '^pg_' ORDER BY rolname"""
_READS_PASSWORDS = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')"


def stage(source: PostgresqlSource, turn: Turn) -> Staged:
    """Dump each database, and the server's roles and tablespaces.

    Raises ConfigurationError, SourceUnreachable, SourceDenied, ProgramFailed, StorageFull,
    OutOfTime, Cancelled, OSError.
    """
    server = PostgresqlServer(source, turn)
    names = server.databases()
    if not names:
        raise ConfigurationError(
            f"backup.plans.{turn.plan}.sources.{turn.name}: {source.user or 'the user'} may "
            f"connect to no database at {server.place}"
        )
    facts: dict[str, JsonValue] = {}
    if source.with_globals:
        facts |= _dump_globals(server, names[0])
    dumped: dict[str, JsonValue] = {}
    left_out: list[JsonValue] = []
    for name in names:
        try:
            with server.session(name) as connection:
                facts["server"] = version(connection)
                if is_of_secvault(connection):
                    left_out.append(_without(server, name))
                else:
                    dumped[name] = _dump(server, name, connection)
        except (BackupFailed, SourceUnreachable):
            # Dropped since all were listed, it is none of them any more.
            if source.databases or name in server.databases():
                raise
            for ending in (DUMP, SQL, SCHEMA):
                (turn.folder / file_name(name, ending)).unlink(missing_ok=True)
    if left_out:
        facts["left_out"] = left_out
    return Staged((turn.folder,), facts={**facts, "databases": dumped})


def _without(server: PostgresqlServer, name: str) -> str:
    """A secvault's own database, left out where it is one of all, and refused where it is named."""
    if server.source.databases:
        turn = server.turn
        raise ConfigurationError(
            f"backup.plans.{turn.plan}.sources.{turn.name}.databases: {name} is the database of a "
            "secvault, which its own plan saves with `vault = true`; nothing was saved"
        )
    return name


def listing(server: PostgresqlServer, archive: Path) -> str:
    """What an archive in custom format says that it holds, one line for each object."""
    answer = server.turn.scratch / "list"
    # With --create the list also has what belongs to the database as a whole.
    how = ["--list", "--create", str(archive)]
    try:
        server.run("pg_restore", f"reading {archive.name}", how, stdout=answer)
        return answer.read_text("utf-8", "replace")
    finally:
        answer.unlink(missing_ok=True)


def _dump(server: PostgresqlServer, name: str, connection: Any) -> dict[str, JsonValue]:
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    moment = f"--snapshot={row[0]}"
    folder, source = server.turn.folder, server.source
    excluded = [f"--exclude-table={pattern}" for pattern in source.exclude_tables]
    common = [moment, _LOCK_WAIT, *excluded]
    work = f"dumping {name}"
    if source.format == "custom":
        file = archive = folder / file_name(name, DUMP)
        how = [*common, "--format=custom", "--compress=0"]
        server.run("pg_dump", work, how, database=name, stdout=file)
    else:
        file, archive = folder / file_name(name, SQL), folder / file_name(name, SCHEMA)
        server.run("pg_dump", work, [*common, "--format=plain"], database=name, stdout=file)
        how = [*common, "--format=custom", "--schema-only"]
        server.run("pg_dump", work, how, database=name, stdout=archive)
    saved = frozenset(map(int, _TABLE.findall(listing(server, archive))))
    facts: dict[str, JsonValue] = {
        **properties(connection),
        "format": source.format,
        "file": file.name,
        "bytes": file.stat().st_size,
        "size": _size(connection),
    }
    if source.count_rows and source.with_sums:
        facts |= postgresql_figures.look(connection, saved).facts()
    elif source.count_rows:
        facts["tables"] = tables(connection, saved)
    return facts


def _size(connection: Any) -> int:
    """Bytes that the database takes on the server's disk, by which a drill knows what it needs."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def _dump_globals(server: PostgresqlServer, database: str) -> dict[str, JsonValue]:
    """Roles and tablespaces; "whole", or "without passwords" where the user may not read these.

    Asked of the server and not of the dump: the fingerprints of the passwords, before and after it.
    """
    before = _logins(server, database)
    how = ["--globals-only", *([] if before is not None else ["--no-role-passwords"])]
    file = server.turn.folder / GLOBALS
    server.run("pg_dumpall", "dumping roles and tablespaces", how, database=database, stdout=file)
    if before is None:
        return {"globals": "without passwords"}
    after = _logins(server, database) or {}
    # A password that was changed meanwhile may be the one or the other.
    same = {name: one for name, one in before.items() if after.get(name) == one}
    return {"globals": "whole", logins.LOGINS: dict[str, JsonValue](same)}


def _logins(server: PostgresqlServer, database: str) -> dict[str, str] | None:
    with server.session(database) as connection:
        if connection.execute(_READS_PASSWORDS).fetchone() != (True,):
            return None
        found = connection.execute(_PASSWORDS).fetchall()
    return {
        str(name): logins.fingerprint(str(name), str(stored))
        for name, stored in found
        # Scripts are read line by line.
        if str(name).isprintable()
    }

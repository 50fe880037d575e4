"""Databases of a MariaDB or MySQL server as a source: each dumped by mariadb-dump or mysqldump.

A dump is of one moment for tables with transactions (InnoDB); others are named in the facts. The
server offers no snapshot that two programs share, so rows are counted before and after the dump:
one number where nothing changed meanwhile, else the lowest and the highest.
"""

from __future__ import annotations

from pathlib import Path

from secvault.backup.sources import logins, mariadb_figures
from secvault.backup.sources.figures import between
from secvault.backup.sources.mariadb_client import DUMPS, MariadbClient, opened
from secvault.backup.sources.names import file_name
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import MariadbSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, ConfigurationError

USERS = "users.sql"
SQL = ".sql"

_HOW = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    # So that the same content gives the same file, which is stored once.
    "--skip-dump-date",
)
# Only where there are some: with it, mariadb-dump (10.11) does not find a database whose name has
# quotes or backslashes, and fails.
_WITH_EVENTS = "--events"
# MySQL's own program asks for rights, and for tables of its own server, that a dump can do without.
_HOW_OF_MYSQL = ("--no-tablespaces", "--column-statistics=0", "--set-gtid-purged=OFF")
# So that those that are there already are no error.
_HOW_USERS = ("--system=users", "--insert-ignore")
# Those who come in by the socket alone have none; a role has no host.
_PASSWORDS = """
SELECT JSON_ARRAY(User, Host, CAST(authentication_string AS CHAR)) FROM mysql.user
WHERE authentication_string <> '' AND Host <> '' AND User <> 'mariadb.sys'"""
_LAST = b"-- Dump completed"
_TRANSACTIONAL = frozenset({"InnoDB", "ROCKSDB", "TokuDB", "SEQUENCE"})


def stage(source: MariadbSource, turn: Turn) -> Staged:
    """Dump each database, and the server's users with what they may do.

    Raises ConfigurationError, SourceUnreachable, SourceDenied, ProgramFailed, StorageFull,
    OutOfTime, Cancelled, OSError.
    """
    with opened(source, turn) as client:
        facts: dict[str, JsonValue] = {"server": client.version()}
        names = tuple(dict.fromkeys(source.databases)) or client.databases()
        of_mariadb = client.is_of_mariadb(DUMPS)
        if not names and not source.with_users:
            raise ConfigurationError(
                f"backup.plans.{turn.plan}.sources.{turn.name}: {source.user or 'the user'} sees "
                f"no database at {client.place}"
            )
        if source.with_users:
            facts |= _dump_users(client, of_mariadb=of_mariadb)
        dumped: dict[str, JsonValue] = {}
        for name in names:
            try:
                dumped[name] = _dump(client, name, of_mariadb=of_mariadb)
            except BackupFailed:
                # Dropped since all were listed, it is none of them any more.
                if source.databases or name in client.databases():
                    raise
                (turn.folder / file_name(name, SQL)).unlink(missing_ok=True)
    return Staged((turn.folder,), facts={**facts, "databases": dumped})


def _dump(client: MariadbClient, name: str, *, of_mariadb: bool) -> dict[str, JsonValue]:
    file = client.turn.folder / file_name(name, SQL)
    characters, collation = client.characters(name)
    tables = client.tables(name)
    counting = tuple(tables) if client.source.count_rows else ()
    sums = client.source.with_sums
    before = mariadb_figures.look(client, name, counting, with_sums=sums)
    objects = client.objects(name)
    how = [*_HOW, *([_WITH_EVENTS] if objects["events"] else []), "--", name]
    how = how if of_mariadb else [*_HOW_OF_MYSQL, *how]
    client.run(DUMPS, f"dumping {name}", how, stdout=file)
    _require_end(file, name)
    after = mariadb_figures.look(client, name, counting, with_sums=sums)
    facts: dict[str, JsonValue] = {
        "file": file.name,
        "bytes": file.stat().st_size,
        "size": client.size(name),
        "characters": characters,
        "collation": collation,
        "objects": objects,
    }
    if client.source.count_rows:
        facts |= between(before, after)
    without = [table for table, engine in tables.items() if engine not in _TRANSACTIONAL]
    if without:
        facts["not_of_one_moment"] = list[JsonValue](without)
    return facts


def _dump_users(client: MariadbClient, *, of_mariadb: bool) -> dict[str, JsonValue]:
    """The server itself, and not the dump, is asked for the fingerprints of the passwords."""
    if not of_mariadb:
        raise ConfigurationError(
            f"backup.plans.{client.turn.plan}.sources.{client.turn.name}: MySQL's mysqldump does "
            "not dump users; set with_users = false, or `programs` to the folder of MariaDB's"
        )
    file = client.turn.folder / USERS
    before = _logins(client)
    client.run(DUMPS, "dumping users and grants", _HOW_USERS, stdout=file)
    _require_end(file, "users and grants")
    after = _logins(client)
    # A password that was changed meanwhile may be the one or the other.
    same = {name: one for name, one in before.items() if after.get(name) == one}
    return {"users": "whole", logins.LOGINS: dict[str, JsonValue](same)}


def _logins(client: MariadbClient) -> dict[str, str]:
    found = client.ask(_PASSWORDS, some_may_fail=True)
    named = [(f"{user}@{host}", str(stored)) for user, host, stored in found]
    # Scripts are read line by line.
    return {name: logins.fingerprint(name, one) for name, one in named if name.isprintable()}


def _require_end(file: Path, name: str) -> None:
    """The dump's own last line must be there, whatever the program's exit status says."""
    with file.open("rb") as dump:
        dump.seek(max(0, file.stat().st_size - 200))
        if _LAST not in dump.read():
            raise BackupFailed(f"dumping {name}: the dump stops before its end; it is not saved")

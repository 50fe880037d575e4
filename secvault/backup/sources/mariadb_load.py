"""Putting dumped databases into a MariaDB or MySQL server: the same or another, under any name.

These servers cannot rename a database. So what is there, and may be replaced, goes only after the
dump has been loaded once as a trial, whole, under a name of ours: that takes twice the time. What
a failed load has made is dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from secvault.backup.restic_process import NeverCancelled
from secvault.backup.sources.loading import (
    Loaded,
    Target,
    Wish,
    chosen,
    databases,
    refuse_overwriting,
    text_of,
)
from secvault.backup.sources.mariadb import USERS
from secvault.backup.sources.mariadb_client import MariadbClient, literal, opened, quoted
from secvault.backup.sources.names import stand_in
from secvault.backup.sources.source import SourceEntry, Turn
from secvault.config.backup_sources import MariadbSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged, SecvaultError

_WORD = re.compile(r"[A-Za-z0-9_]{1,64}")
# To be anybody by proxy is what the first administrator has and nobody else can grant.
_FOR_ROOT_ALONE = re.compile(r"ERROR 1698 \(28000\) at line")
_THERE = """
SELECT JSON_ARRAY(COUNT(*)) FROM information_schema.schemata
WHERE CAST(schema_name AS BINARY) = {name}"""


def look(entry: SourceEntry, into: MariadbSource, turn: Turn, wish: Wish) -> tuple[Target, ...]:
    """Which databases are there. Raises as `kinds.look`."""
    with opened(into, turn) as client:
        return _look(client, entry, into, wish)


def load(entry: SourceEntry, folder: Path, into: MariadbSource, turn: Turn, wish: Wish) -> Loaded:
    """Put databases back. Raises as `kinds.load`."""
    saved = databases(entry.facts)
    with opened(into, turn) as client:
        targets = _look(client, entry, into, wish)
        refuse_overwriting(targets, wish)
        if wish.accounts:
            client.execute_all(_file(folder, USERS), "loading users and grants", _FOR_ROOT_ALONE)
        facts: dict[str, JsonValue] = {}
        for target in targets:
            one = saved[target.name]
            file = _file(folder, text_of(one, "file"))
            if not target.empty:
                trial = stand_in("trial", target.into)
                _fill(client, trial, file, one, target.name)
                client.tell(f"DROP DATABASE {quoted(trial)}")
            _fill(client, target.into, file, one, target.name)
            facts[target.name] = {**_facts(client, target.into, one), "as": target.into}
        return Loaded({"server": client.version(), "databases": facts})


def _look(
    client: MariadbClient, entry: SourceEntry, into: MariadbSource, wish: Wish
) -> tuple[Target, ...]:
    targets = []
    for name, new in chosen(entry, wish, into.databases).items():
        there = client.ask(_THERE.format(name=literal(new))) != [[0]]
        empty = not client.tables(new) and not any(client.objects(new).values())
        targets.append(Target(name, new, client.place, there=there, empty=empty))
    return tuple(targets)


def _fill(
    client: MariadbClient, database: str, file: Path, one: dict[str, JsonValue], name: str
) -> None:
    """Make the database anew, and load the dump into it; what it becomes is all of it or none."""
    words = (text_of(one, "characters"), text_of(one, "collation"))
    if not all(map(_WORD.fullmatch, words)):
        raise Damaged("the manifest names no character set of a database")
    client.tell(
        f"DROP DATABASE IF EXISTS {quoted(database)}",
        f"CREATE DATABASE {quoted(database)} CHARACTER SET {words[0]} COLLATE {words[1]}",
    )
    try:
        client.execute(file, f"loading {name}", database=database)
    except BaseException as error:
        # Also where it was cancelled.
        calm = replace(client, turn=replace(client.turn, cancel=NeverCancelled()))
        try:
            calm.tell(f"DROP DATABASE {quoted(database)}")
        except (SecvaultError, OSError) as left:
            error.add_note(f"what was loaded by then stays in {database}: {left}")
        raise


def _facts(client: MariadbClient, database: str, one: dict[str, JsonValue]) -> dict[str, JsonValue]:
    characters, collation = client.characters(database)
    facts: dict[str, JsonValue] = {
        "characters": characters,
        "collation": collation,
        "objects": client.objects(database),
    }
    if "tables" in one:
        facts["tables"] = dict[str, JsonValue](
            client.rows(database, tuple(client.tables(database)))
        )
    return facts


def _file(folder: Path, name: str) -> Path:
    file = folder / name
    if Path(name).name != name or not file.is_file():
        raise Damaged(f"the snapshot does not hold {name}")
    return file

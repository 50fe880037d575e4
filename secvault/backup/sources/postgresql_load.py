"""Putting dumped databases into a PostgreSQL server: the same or another, under any name.

Each is loaded into a new database under a name of ours, and gets its own name when it is whole.
What was there by that name is moved aside for that moment, and dropped last: a load that fails, or
is killed, loses nothing. The user must be allowed to make databases (CREATEDB).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from secvault.backup.restic_process import NeverCancelled
from secvault.backup.sources.faults import ProgramFailed
from secvault.backup.sources.loading import (
    Loaded,
    Target,
    Wish,
    chosen,
    databases,
    refuse_overwriting,
    text_of,
)
from secvault.backup.sources.names import file_name, stand_in
from secvault.backup.sources.postgresql import DUMP, GLOBALS, SCHEMA, listing
from secvault.backup.sources.postgresql_server import (
    PostgresqlServer,
    is_empty,
    tables,
    version,
)
from secvault.backup.sources.source import SourceEntry, Turn
from secvault.config.backup_sources import PostgresqlSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged, SecvaultError

# What belongs to the database as a whole: its settings, grants, comment and label.
_OF_THE_WHOLE = re.compile(
    r"^\d+; \d+ \d+ (DATABASE PROPERTIES|(ACL|COMMENT|SECURITY LABEL) - DATABASE) .*$", re.MULTILINE
)
# What needs a superuser, another server, or what this one may not have.
_LEADS_OUT = re.compile(
    r"^\d+; \d+ \d+ (DATABASE|PUBLICATION|SUBSCRIPTION|EVENT TRIGGER|USER MAPPING|SECURITY LABEL"
    r"|COMMENT - (EXTENSION|PUBLICATION|SUBSCRIPTION|EVENT TRIGGER|DATABASE)|ACL)\b"
)
_FILLED_FROM_OUTSIDE = re.compile(_LEADS_OUT.pattern + r"|^\d+; \d+ \d+ MATERIALIZED VIEW DATA\b")
_FOREIGN = re.compile(r"^\d+; \d+ \d+ FOREIGN TABLE\b", re.MULTILINE)
_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()"""
# Behind nothing but comments; elsewhere it may be of a row.
_GUARD = re.compile(rb"\A(?:--[^\n]*\n|\n)*(\\restrict ([A-Za-z0-9]+)\n)")
_EDGE = 1 << 14
_PROVIDERS = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}


def look(entry: SourceEntry, into: PostgresqlSource, turn: Turn, wish: Wish) -> tuple[Target, ...]:
    """Which databases are there. Raises as `kinds.look`."""
    names = chosen(entry, wish, into.databases)
    server = PostgresqlServer(into, turn)
    with server.session(_beside(names.values()), autocommit=True) as connection:
        there = server.existing(connection, tuple(names.values()))
    empty: dict[str, bool] = {}
    for name in there:
        with server.session(name) as connection:
            empty[name] = is_empty(connection)
    return tuple(
        Target(name, new, server.place, there=new in there, empty=empty.get(new, True))
        for name, new in names.items()
    )


def load(
    entry: SourceEntry, folder: Path, into: PostgresqlSource, turn: Turn, wish: Wish
) -> Loaded:
    """Put databases back. Raises as `kinds.load`."""
    server = PostgresqlServer(into, turn)
    _heal(server, chosen(entry, wish, into.databases))
    targets = look(entry, into, turn, wish)
    refuse_overwriting(targets, wish)
    saved = databases(entry.facts)
    if wish.accounts:
        _load_globals(server, folder, targets)
    facts: dict[str, JsonValue] = {}
    running = ""
    for target in targets:
        one = saved[target.name]
        made = stand_in("load", target.into)
        _make(server, made, one, wish)
        try:
            if wish.prepare is not None:
                wish.prepare(made)
            _fill(server, made, folder, target.name, one, wish)
            with server.session(made) as connection:
                running = version(connection)
                counted = tables(connection, None) if "tables" in one else None
            _swap(server, made, target.into)
        except BaseException as error:
            _drop(server, made, error)
            raise
        if wish.owners and target.name == target.into:
            _restore_properties(server, folder, target.name, one)
        facts[target.name] = {
            **{key: value for key, value in one.items() if key in {"encoding", "collate"}},
            **({"tables": counted} if counted is not None else {}),
            "as": target.into,
        }
    return Loaded({"server": running, "databases": facts})


def _beside(names: Any) -> str:
    """A database to work from that is not one of these."""
    return "template1" if "postgres" in names else "postgres"


def _make(server: PostgresqlServer, made: str, one: dict[str, JsonValue], wish: Wish) -> None:
    """A new, empty database with the encoding, locale and owner of the saved one."""
    from psycopg.sql import SQL, Identifier, Literal  # noqa: PLC0415 - see `session`

    with server.session("postgres", autocommit=True) as connection:
        options = [SQL("ENCODING {}").format(Literal(text_of(one, "encoding")))]
        for key, option in (("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")):
            if isinstance(one.get(key), str):
                options.append(SQL("{} {}").format(SQL(option), Literal(text_of(one, key))))
        provider = _PROVIDERS.get(str(one.get("provider")))
        if provider is not None and connection.info.server_version >= 150000:
            name, option = provider
            options.append(SQL("LOCALE_PROVIDER {}").format(SQL(name)))
            options.append(SQL("{} {}").format(SQL(option), Literal(text_of(one, "locale"))))
        owner = text_of(one, "owner")
        if wish.owners and connection.execute(_ROLE, [owner]).fetchone() == (True,):
            options.append(SQL("OWNER {}").format(Identifier(owner)))
        _drop_in(connection, made)
        # The empty template: what an administrator has put into the other would be in the way.
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(
                Identifier(made), SQL(" ").join(options)
            )
        )


def _fill(
    server: PostgresqlServer,
    made: str,
    folder: Path,
    name: str,
    one: dict[str, JsonValue],
    wish: Wish,
) -> None:
    file = _file(folder, text_of(one, "file"))
    work = f"loading {name}"
    if text_of(one, "format") == "custom":
        how = ["--exit-on-error", *([] if wish.owners else ["--no-owner", "--no-privileges"])]
        if wish.apart:
            how += ["--no-tablespaces", f"--use-list={_apart(server, file)}"]
        server.run("pg_restore", work, [*how, str(file)], database=made)
    else:
        how = [*_PSQL, "--set=ON_ERROR_STOP=1", *_restricted(file)]
        server.run("psql", work, how, database=made)


def _apart(server: PostgresqlServer, archive: Path) -> Path:
    """A list of what of the archive a scratch server takes; see `Wish.apart`."""
    chosen_lines = server.turn.scratch / "apart.list"
    listed = listing(server, archive)
    # Views of other servers' tables would be filled from there.
    out = _FILLED_FROM_OUTSIDE if _FOREIGN.search(listed) else _LEADS_OUT
    kept = [
        line for line in listed.splitlines() if not line.startswith(";") and not out.match(line)
    ]
    chosen_lines.write_text("\n".join(kept) + "\n", "utf-8")
    return chosen_lines


_PSQL = ("--no-psqlrc", "--quiet", "--set=VERBOSITY=terse")


def _swap(server: PostgresqlServer, made: str, name: str) -> None:
    """Give the new database its name; what has that name goes last."""
    aside = stand_in("before", name)
    with server.session(_beside([name]), autocommit=True) as connection:
        if not server.existing(connection, [name]):
            _rename(connection, made, name)
            return
        # Nobody comes in between, and nobody is in.
        _allow_connections(connection, name, allowed=False)
        try:
            connection.execute(_END_OTHERS, [name])
            _rename(connection, name, aside)
            try:
                _rename(connection, made, name)
            except BaseException:
                _rename(connection, aside, name)
                raise
        except BaseException:
            _allow_connections(connection, name, allowed=True)
            raise
        _drop_in(connection, aside)


def _heal(server: PostgresqlServer, names: dict[str, str]) -> None:
    """Put back what a killed load had moved aside."""
    wanted = {name: stand_in("before", name) for name in names.values()}
    with server.session(_beside(wanted), autocommit=True) as connection:
        there = server.existing(connection, [*wanted, *wanted.values()])
        for name, aside in wanted.items():
            if aside not in there:
                continue
            if name in there:
                _drop_in(connection, aside)
            else:
                _rename(connection, aside, name)
                _allow_connections(connection, name, allowed=True)


def _rename(connection: Any, old: str, new: str) -> None:
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - see `session`

    connection.execute(
        SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new))
    )


def _allow_connections(connection: Any, name: str, *, allowed: bool) -> None:
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - see `session`

    connection.execute(
        SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}").format(
            Identifier(name), SQL("true" if allowed else "false")
        )
    )


def _drop(server: PostgresqlServer, made: str, error: BaseException) -> None:
    """Drop what a load has made that failed or was cancelled, in any case."""
    calm = PostgresqlServer(server.source, replace(server.turn, cancel=NeverCancelled()))
    try:
        with calm.session("postgres", autocommit=True) as connection:
            _drop_in(connection, made)
    except SecvaultError as left:
        error.add_note(f"what was loaded by then stays in the database {made}: {left.detail}")


def _drop_in(connection: Any, name: str) -> None:
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - see `session`

    force = SQL("WITH (FORCE)" if connection.info.server_version >= 130000 else "")
    connection.execute(SQL("DROP DATABASE IF EXISTS {} {}").format(Identifier(name), force))


def _load_globals(server: PostgresqlServer, folder: Path, targets: Sequence[Target]) -> None:
    """Make the roles and tablespaces that are not there; those that are get their saved settings,
    passwords included."""
    beside = _beside([target.into for target in targets])
    script = _restricted(_file(folder, GLOBALS))
    _run_script(server, "loading roles and tablespaces", script, beside)


def _run_script(server: PostgresqlServer, work: str, script: Sequence[str], database: str) -> None:
    """Run a script that also makes what is there already; that alone may fail."""
    said = server.run("psql", work, [*_PSQL, *script], database=database)
    failed = tuple(line for line in said if "ERROR" in line and "already exists" not in line)
    if failed:
        raise ProgramFailed(f"{work}: {'; '.join(failed)[:500]}", exit_status=0, said=failed)


def _restore_properties(
    server: PostgresqlServer, folder: Path, name: str, one: dict[str, JsonValue]
) -> None:
    ending = DUMP if text_of(one, "format") == "custom" else SCHEMA
    archive = _file(folder, file_name(name, ending))
    wanted = [found[0] for found in _OF_THE_WHOLE.finditer(listing(server, archive))]
    if not wanted:
        return
    scratch = server.turn.scratch
    chosen_lines, script = scratch / "properties.list", scratch / "properties.sql"
    work = f"loading the settings of {name}"
    try:
        chosen_lines.write_text("\n".join(wanted) + "\n", "utf-8")
        how = ["--create", f"--use-list={chosen_lines}", "--file=-", str(archive)]
        server.run("pg_restore", work, how, stdout=script)
        # It begins with making the database, list or not.
        _run_script(server, work, [f"--file={script}"], name)
    finally:
        chosen_lines.unlink(missing_ok=True)
        script.unlink(missing_ok=True)


def _restricted(script: Path) -> tuple[str, ...]:
    """The options by which psql takes statements of the script, and no command of its own.

    Such a command runs programs here, and whoever can write into a repository can write a script.
    pg_dump's own guard would let go at the word that it begins with, so it is taken out and one
    put in its place that nobody knows beforehand. A psql without guards fails. Raises OSError.
    """
    with script.open("r+b") as file:
        guard = _GUARD.match(file.read(_EDGE))
        if guard is not None:
            end = max(0, file.seek(0, os.SEEK_END) - _EDGE)
            file.seek(end)
            last = file.read().rfind(b"\n\\unrestrict " + guard[2] + b"\n")
            for place in (guard.start(1), *((end + last + 1,) if last >= 0 else ())):
                file.seek(place)
                file.write(b"--")
    return (f"--command=\\restrict {secrets.token_hex(32)}", f"--file={script}")


def _file(folder: Path, name: str) -> Path:
    file = folder / name
    if Path(name).name != name or file.is_symlink() or not file.is_file():
        raise Damaged(f"the snapshot does not hold {name}")
    return file

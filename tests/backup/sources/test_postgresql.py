"""Databases of a real PostgreSQL: dumped whole or not at all, with facts to compare with."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from secvault.backup.repository_faults import StorageFull
from secvault.backup.sources import kinds
from secvault.backup.sources.faults import (
    OutOfTime,
    ProgramFailed,
    SourceDenied,
    SourceUnreachable,
)
from secvault.backup.sources.postgresql_server import PostgresqlServer
from secvault.config.backup_sources import PostgresqlSource
from secvault.errors import Cancelled, ConfigurationError
from tests.audit.streams.receivers import identity
from tests.backup.sources.turns import (
    HOSTILE,
    cut_after,
    files,
    program,
    small_disk,
    turn,
)
from tests.backup.sources.turns import (
    postgresql_source as source,
)

pytestmark = pytest.mark.real


def table_of(facts: Any, database: str) -> Any:
    return facts["databases"][database]["tables"]


def test_each_database_that_is_there_is_dumped_with_the_rows_of_its_tables(
    own_server: SplitResult, tmp_path: Path
) -> None:
    name, schema = HOSTILE[:40], 'Bảng "lương"; DROP'
    with psycopg.connect(own_server.geturl(), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        connection.execute("CREATE DATABASE vault")
        connection.execute("CREATE DATABASE gone_by_then")
    with psycopg.connect(own_server.geturl(), dbname="vault") as connection:
        connection.execute("CREATE TABLE data_key (wrapped bytea)")
        connection.execute("CREATE TABLE keys_here (id int)")
    with psycopg.connect(own_server.geturl(), dbname=name) as connection:
        connection.execute("CREATE TABLE staff AS SELECT generate_series(1, 10) AS id")
        strange = Identifier(schema, "a.b\n--")
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        connection.execute(SQL("CREATE TABLE {} AS SELECT 1 AS one").format(strange))
    mine = turn(tmp_path, own_server.password or "")
    drop = f"psql -qc 'DROP DATABASE gone_by_then WITH (FORCE)' {own_server.geturl()}"
    program(tmp_path / "bin", "pg_dump", f'case "$*" in *gone*) {drop};; esac; exec pg_dump "$@"')
    for each in ("pg_dumpall", "pg_restore"):
        program(tmp_path / "bin", each, f'exec {each} "$@"')
    staged = kinds.stage(source(own_server, with_globals=True, programs=tmp_path / "bin"), mine)
    assert staged.paths == (mine.folder,)
    facts: Any = staged.facts
    assert facts["server"].startswith("PostgreSQL 1")
    assert set(facts["databases"]) == {"postgres", name}
    # Its own plan saves it, its data keys apart.
    assert facts["left_out"] == ["vault"]
    assert table_of(facts, name) == {"public.staff": 10, '"Bảng ""lương""; DROP"."a.b\n--"': 1}
    assert (facts["databases"][name]["encoding"], facts["globals"]) == ("UTF8", "whole")
    assert files(mine.scratch) == []
    expected = {"globals.sql", *(one["file"] for one in facts["databases"].values())}
    assert set(files(mine.folder)) == expected
    with pytest.raises(ConfigurationError, match="vault = true"):
        kinds.stage(source(own_server, "vault"), turn(tmp_path, own_server.password or ""))


def test_a_server_that_is_killed_half_way_leaves_no_dump(
    own_server: SplitResult, tmp_path: Path
) -> None:
    with psycopg.connect(own_server.geturl()) as connection:
        connection.execute("CREATE TABLE staff AS SELECT generate_series(1, 10) AS id")
        ((data,),) = connection.execute("SHOW data_directory").fetchall()
    killing = f"kill -9 $(head -1 {data}/postmaster.pid)"
    program(tmp_path / "bin", "pg_dump", f'({killing}) & exec pg_dump "$@"')
    mine = turn(tmp_path, own_server.password or "")
    with psycopg.connect(own_server.geturl()) as holder:
        holder.execute("LOCK TABLE staff IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceUnreachable):
            kinds.stage(source(own_server, "postgres", programs=tmp_path / "bin"), mine)
        holder.close()
    assert files(mine.folder) == files(mine.scratch) == []


def test_rows_are_counted_as_of_the_moment_of_the_dump(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("busy")
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(server.geturl(), dbname=name, autocommit=True) as connection:
            while not over.is_set():
                connection.execute("INSERT INTO staff (name) VALUES ('mới')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        mine = turn(tmp_path, server.password or "")
        staged = kinds.stage(source(server, name, format="plain"), mine)
    finally:
        over.set()
        writer.join()
    facts: Any = staged.facts
    dump = (mine.folder / facts["databases"][name]["file"]).read_text()
    copied = dump.split("COPY public.staff (id, name, pay) FROM stdin;\n")[1].split("\\.\n")[0]
    assert table_of(facts, name) == {"public.staff": copied.count("\n")}
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        ((now,),) = connection.execute("SELECT count(*) FROM staff").fetchall()
    assert now > copied.count("\n")


@pytest.mark.parametrize("how", ["custom", "plain"])
def test_excluded_tables_are_neither_in_the_dump_nor_in_what_is_said_of_it(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path, how: str
) -> None:
    name = new_database("excluded")
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        connection.execute("CREATE TABLE cache_pages AS SELECT 'left out' AS body")
    mine = turn(tmp_path, server.password or "")
    staged = kinds.stage(source(server, name, format=how, exclude_tables=("cache_*",)), mine)
    assert table_of(staged.facts, name) == {"public.staff": 1000}
    assert all(b"left out" not in file.read_bytes() for file in mine.folder.iterdir())


def test_rows_are_not_counted_where_that_is_not_wanted(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("large")
    staged = kinds.stage(
        source(server, name, count_rows=False), turn(tmp_path, server.password or "")
    )
    facts: Any = staged.facts
    assert "tables" not in facts["databases"][name]


def test_who_may_not_read_passwords_saves_roles_without_them(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("roles")
    role = f"saver_{secrets.token_hex(4)}"
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(
            SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                Identifier(role), Literal("of the saver")
            )
        )
        with psycopg.connect(server.geturl(), dbname=name, autocommit=True) as inside:
            inside.execute(
                SQL("GRANT SELECT ON staff, staff_id_seq TO {}").format(Identifier(role))
            )
        try:
            mine = turn(tmp_path, "of the saver")
            wanted = source(server, name, user=role, with_globals=True)
            facts: Any = kinds.stage(wanted, mine).facts
        finally:
            with psycopg.connect(server.geturl(), dbname=name, autocommit=True) as inside:
                inside.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))
    assert facts["globals"] == "without passwords"
    said = (mine.folder / "globals.sql").read_text()
    assert f"CREATE ROLE {role}" in said
    assert "SCRAM" not in said


def test_a_wrong_password_is_refused_without_being_shown(
    server: SplitResult, tmp_path: Path
) -> None:
    mine = turn(tmp_path, "wr0ng-password-of-ours")
    with pytest.raises(SourceDenied, match="authentication failed") as caught:
        kinds.stage(source(server, "postgres"), mine)
    assert "wr0ng" not in str(caught.value)
    assert files(mine.folder) == []


def test_a_server_that_does_not_answer_may_be_asked_again_later(
    server: SplitResult, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnreachable):
        kinds.stage(source(server, "postgres", port=1), turn(tmp_path, server.password or ""))


def test_a_database_that_is_not_there_is_named(server: SplitResult, tmp_path: Path) -> None:
    with pytest.raises(Exception, match='"no such one" does not exist'):
        kinds.stage(source(server, "no such one"), turn(tmp_path, server.password or ""))


def test_a_connection_that_breaks_half_way_leaves_no_dump(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("broken")
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        connection.execute(
            "CREATE TABLE large AS SELECT repeat(md5(n::text), 100) AS body "
            "FROM generate_series(1, 2000) AS n"
        )
    mine = turn(tmp_path, server.password or "")
    with (
        cut_after(str(server.hostname), server.port or 0, 1_000_000) as port,
        pytest.raises(SourceUnreachable),
    ):
        kinds.stage(source(server, name, port=port), mine)
    assert files(mine.folder) == []


@pytest.mark.parametrize("how", ["custom", "plain"])
def test_a_pg_dump_that_is_killed_leaves_no_dump(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path, how: str
) -> None:
    name = new_database("killed")
    programs = program(tmp_path / "bin", "pg_dump", 'pg_dump "$@" | head -c 2000; kill -9 $$')
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(ProgramFailed, match="pg_dump was ended by signal 9"):
        kinds.stage(source(server, name, programs=programs, format=how), mine)
    assert files(mine.folder) == []


def test_a_pg_dump_that_is_too_old_is_told_with_the_mend(
    server: SplitResult, tmp_path: Path
) -> None:
    words = "pg_dump: error: aborting because of server version mismatch"
    programs = program(tmp_path / "bin", "pg_dump", f"echo '{words}' >&2; exit 1")
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(ConfigurationError, match="as new as the server"):
        kinds.stage(source(server, "postgres", programs=programs), mine)


def test_with_authorities_named_nothing_goes_over_a_connection_that_they_do_not_vouch_for(
    own_server: SplitResult, tmp_path: Path
) -> None:
    identities = {}
    for name in ("ours", "other"):
        folder = tmp_path / name
        folder.mkdir()
        identities[name] = identity(folder)
    password = own_server.password or ""
    ours = source(own_server, "postgres", ca_file=identities["ours"].certificate)
    other = source(own_server, "postgres", ca_file=identities["other"].certificate)
    with pytest.raises(SourceUnreachable, match="does not support SSL"):
        kinds.stage(ours, turn(tmp_path, password))
    with psycopg.connect(own_server.geturl(), autocommit=True) as connection:
        ((data,),) = connection.execute("SHOW data_directory").fetchall()
        owner = Path(data).stat()
        files_of_server = {"server.crt": "certificate", "server.key": "key"}
        for name, part in files_of_server.items():
            file = Path(data, name)
            file.write_bytes(getattr(identities["ours"], part).read_bytes())
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
    for _ in range(100):
        try:
            psycopg.connect(own_server.geturl(), sslmode="require").close()
            break
        except psycopg.OperationalError:
            time.sleep(0.05)
    kinds.stage(ours, turn(tmp_path, password))
    with pytest.raises(SourceUnreachable, match="certificate verify failed"):
        kinds.stage(other, turn(tmp_path, password))


def test_a_full_scratch_disk_leaves_no_dump(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("full")
    mine = turn(tmp_path, server.password or "")
    with small_disk(mine.folder, "16k"):
        with pytest.raises(StorageFull):
            kinds.stage(source(server, name), mine)
        assert files(mine.folder) == []


def test_a_dump_that_waits_for_a_lock_is_cancelled_and_has_its_time(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("locked")
    cancel = threading.Event()
    with psycopg.connect(server.geturl(), dbname=name) as holder:
        holder.execute("LOCK TABLE staff IN ACCESS EXCLUSIVE MODE")
        threading.Timer(1.0, cancel.set).start()
        mine = turn(tmp_path, server.password or "", cancel)
        with pytest.raises(Cancelled):
            kinds.stage(source(server, name), mine)
    assert files(mine.folder) == []


def test_counting_that_takes_too_long_is_ended(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    cancel = threading.Event()
    mine = PostgresqlServer(source(server), turn(tmp_path, server.password or "", cancel))
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(Cancelled), mine.session("postgres") as connection:
        connection.execute("SELECT pg_sleep(60)")
    hasty = PostgresqlServer(
        PostgresqlSource.model_construct(**{**dict(source(server)), "minutes": 0.005}),
        turn(tmp_path, server.password or ""),
    )
    with pytest.raises(OutOfTime), hasty.session("postgres") as connection:
        connection.execute("SELECT pg_sleep(60)")


def test_the_password_stands_in_no_argument_list(
    server: SplitResult, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    name = new_database("secret")
    seen = tmp_path / "seen"
    programs = tmp_path / "bin"
    for each in ("pg_dump", "pg_dumpall", "pg_restore"):
        script = f'tr "\\0" " " </proc/$$/cmdline >>{seen}; exec {each} "$@"'
        program(programs, each, script)
    mine = turn(tmp_path, server.password or "")
    kinds.stage(source(server, name, programs=programs, with_globals=True), mine)
    said = seen.read_text()
    assert said.count("/bin/sh") == 3
    assert str(server.password) not in said
    with suppress(FileNotFoundError):
        assert all(str(server.password) not in file.read_text() for file in mine.scratch.iterdir())

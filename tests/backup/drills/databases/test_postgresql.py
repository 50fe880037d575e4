"""A scratch PostgreSQL takes what was saved, also where the dump means harm, and tells what is in
it."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from secvault.backup.drills.databases import comparing, servers
from secvault.backup.drills.databases.comparing import Compared
from secvault.backup.drills.databases.processes import started
from secvault.backup.drills.databases.servers import ScratchServer, ServerMissing
from secvault.backup.sources import kinds
from secvault.backup.sources.faults import OutOfTime
from secvault.backup.sources.source import SourceEntry
from secvault.errors import BackupFailed, SecvaultError
from tests.backup.drills.databases.grounds import place
from tests.backup.sources.turns import HOSTILE, entry, postgresql_source, turn

pytestmark = pytest.mark.real

RICH = """
CREATE SCHEMA "Kế toán";
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA "Kế toán";
CREATE EXTENSION IF NOT EXISTS pageinspect;
CREATE TYPE mood AS ENUM ('vui', 'buồn');
CREATE DOMAIN money_like AS numeric(20, 4);
CREATE TABLE "Kế toán"."sổ ; cái" (
    id bigint PRIMARY KEY, amount money_like, rate double precision, how mood, at timestamptz,
    raw bytea, doc jsonb, twice numeric GENERATED ALWAYS AS (amount * 2) STORED, part real);
INSERT INTO "Kế toán"."sổ ; cái" (id, amount, rate, how, at, raw, doc, part)
    SELECT n, n * 1.25, sqrt(n), CASE WHEN n % 2 = 0 THEN 'vui'::mood END,
    timestamptz '2026-11-26 12:00+07' + n * interval '1 s', decode('00ff', 'hex'),
    jsonb_build_object('tên', 'Nguyễn Thị Ánh ' || n), n / 3.0
    FROM generate_series(1, 500) AS n;
INSERT INTO "Kế toán"."sổ ; cái" (id, rate, amount)
    VALUES (-1, 'NaN', 1), (-2, 'Infinity', 'NaN');
CREATE TABLE base (a int, z text); CREATE TABLE heir (b int) INHERITS (base);
ALTER TABLE base ADD COLUMN c numeric; INSERT INTO heir VALUES (1, 'x', 2, 3);
CREATE TABLE parted (k int, v numeric) PARTITION BY LIST (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); INSERT INTO parted VALUES (1, 9.99);
CREATE TABLE none ();  INSERT INTO none DEFAULT VALUES;
CREATE TABLE secret (who text, pay numeric); INSERT INTO secret VALUES ('Ánh', 1);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW names AS SELECT doc FROM "Kế toán"."sổ ; cái";
CREATE MATERIALIZED VIEW sums AS SELECT sum(amount) FROM "Kế toán"."sổ ; cái";
CREATE PUBLICATION everything FOR ALL TABLES;
COMMENT ON EXTENSION pg_trgm IS 'giống nhau';
"""


@pytest.fixture(scope="module")
def role(saved_postgresql: SplitResult) -> Iterator[str]:
    """An owner of tables, with a password."""
    name = f"Chủ {secrets.token_hex(4)}"
    with psycopg.connect(saved_postgresql.geturl(), autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(Identifier(name)))
    yield name
    with psycopg.connect(saved_postgresql.geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP OWNED BY {}").format(Identifier(name)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


@pytest.fixture(scope="module")
def rich(saved_postgresql: SplitResult, role: str) -> Iterator[str]:
    """A database with much of what there can be."""
    name = f"{secrets.token_hex(4)} {HOSTILE}"[:48]
    url = saved_postgresql.geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    with psycopg.connect(url, dbname=name) as connection:
        connection.execute(RICH)
        owner = Identifier(role)
        for statement in (
            "CREATE SCHEMA other AUTHORIZATION {0}",
            "ALTER TABLE base OWNER TO {0}",
            "ALTER FUNCTION one() OWNER TO {0}",
            'GRANT SELECT ON "Kế toán"."sổ ; cái" TO {0}',
            "CREATE POLICY own ON secret TO {0} USING (true)",
        ):
            connection.execute(SQL(statement).format(owner))
    yield name
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="module")
def staged(
    saved_postgresql: SplitResult, rich: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[SourceEntry, Path]]:
    """The database as it was saved, in each format."""
    made = {}
    for form in ("custom", "plain"):
        if form == "plain":
            # Only a superuser may make one, and of a script nothing can be left out.
            with psycopg.connect(saved_postgresql.geturl(), dbname=rich) as connection:
                connection.execute("DROP PUBLICATION everything")
        mine = turn(tmp_path_factory.mktemp(form), saved_postgresql.password or "")
        source = postgresql_source(saved_postgresql, rich, format=form, with_globals=True)
        made[form] = (entry("postgresql", kinds.stage(source, mine)), mine.folder)
    return made


@pytest.fixture(scope="module")
def server(
    staged: dict[str, tuple[SourceEntry, Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("scratch") / "a"
    with servers.running(staged["custom"][0], None, place(folder)) as running:
        yield running


@contextmanager
def of(server: Any, saved: SourceEntry) -> Iterator[None]:
    """The same server for another source; starting one for each takes long."""
    before = server.entry
    object.__setattr__(server, "entry", saved)
    try:
        yield
    finally:
        object.__setattr__(server, "entry", before)


def differences(server: ScratchServer, saved: SourceEntry, name: str) -> list[str]:
    found: Any = server.measure(name)
    one = found["databases"][name]
    told = comparing.faults("erp", name, saved.facts["databases"][name], one, 0, Compared())
    return [f"{fault.code} {fault.where} {fault.words}" for fault in told]


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_what_was_saved_is_what_is_loaded_row_by_row(
    form: str, rich: str, staged: dict[str, tuple[SourceEntry, Path]], server: Any
) -> None:
    saved, folder = staged[form]
    one = saved.facts["databases"][rich]
    assert set(one["sums"]['"Kế toán"."sổ ; cái"']) == {"id", "amount", "rate", "twice", "part"}
    assert one["tables"].keys() == one["digests"].keys() >= {'public."none"', "public.parted_1"}
    with of(server, saved):
        server.load(folder, rich)
        assert differences(server, saved, rich) == []
        assert server.ask(rich, "SELECT count(*) FROM names", 60) == "502"
        server.drop(rich)


def test_one_changed_letter_is_seen(
    saved_postgresql: SplitResult, rich: str, staged: Any, server: Any
) -> None:
    saved, folder = staged["plain"]
    file = folder / saved.facts["databases"][rich]["file"]
    before = file.read_bytes()
    try:
        assert before.count(b'Nguy\xe1\xbb\x85n Th\xe1\xbb\x8b \xc3\x81nh 77"') == 1
        file.write_bytes(before.replace(b'\xc3\x81nh 77"', b'\xc3\x82nh 77"'))
        with of(server, saved):
            server.load(folder, rich)
            found = differences(server, saved, rich)
            server.drop(rich)
    finally:
        file.write_bytes(before)
    assert [one.split()[0] for one in found] == ["sum-differs"]


def test_a_question_reads_and_is_alone(rich: str, staged: Any, server: Any) -> None:
    server.load(staged["custom"][1], rich)
    for refused in (
        "DELETE FROM base",
        "SELECT 1; COMMIT; DELETE FROM base",
        "COPY base TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ):
        with pytest.raises(BackupFailed):
            server.ask(rich, refused, 5)
    with pytest.raises((OutOfTime, BackupFailed)):
        server.ask(rich, "SELECT pg_sleep(60)", 1)
    assert server.ask(rich, "SELECT '100%'", 5) == "100%"
    told = subprocess.run(
        ["psql", "-Atc", "SELECT sum(a) FROM base"],
        env={**os.environ, **server.environment(rich)},
        check=True,
        capture_output=True,
    ).stdout
    assert told == b"1\n"
    server.drop(rich)


@pytest.mark.parametrize(
    "harm",
    [
        "COPY (SELECT 1) TO PROGRAM 'touch {0}';",
        "COPY (SELECT 1) TO '{0}';",
        "SELECT lo_export(lo_from_bytea(0, 'x'), '{0}');",
        "ALTER SYSTEM SET archive_command = 'touch {0}';",
        "CREATE FUNCTION h() RETURNS int LANGUAGE c AS 'libc.so.6', 'system';",
        "\\! touch {0}",
        "\\o {0}\nSELECT 1;",
        "SELECT 'touch {0}' \\g |sh\n",
        "ALTER ROLE CURRENT_USER SUPERUSER;",
        "GRANT pg_execute_server_program TO CURRENT_USER;",
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p;",
    ],
)
def test_a_script_that_means_harm_fails_and_does_none(
    harm: str, rich: str, staged: Any, server: Any, tmp_path: Path
) -> None:
    saved, folder = staged["plain"]
    target = tmp_path / "harm"
    tmp_path.chmod(0o777)
    file = folder / saved.facts["databases"][rich]["file"]
    before = file.read_bytes()
    try:
        file.write_bytes(harm.format(target).encode() + b"\n" + before)
        with of(server, saved), pytest.raises(SecvaultError):
            server.load(folder, rich)
    finally:
        file.write_bytes(before)
    assert not target.exists()


def test_the_server_has_no_network_and_is_not_us(server: Any) -> None:
    pid = server.process.process.pid
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    assert "NoNewPrivs:\t1" in status
    if os.geteuid() == 0:
        assert "Uid:\t65534\t65534" in status
        assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    listening = Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()
    assert len(listening) == 1


def test_a_database_of_the_servers_own_name_is_loaded_too(
    saved_postgresql: SplitResult, tmp_path: Path, server: Any, new_database: Callable[[str], str]
) -> None:
    name = new_database("x")
    mine = turn(tmp_path, saved_postgresql.password or "")
    staged: Any = kinds.stage(postgresql_source(saved_postgresql, name), mine)
    one = {**staged.facts["databases"][name]}
    saved = SourceEntry(
        "erp", "postgresql", ("/x",), facts={**staged.facts, "databases": {"postgres": one}}
    )
    with of(server, saved):
        server.load(mine.folder, "postgres")
        assert differences(server, saved, "postgres") == []
        server.drop("postgres")


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_roles_that_were_not_saved_and_tables_of_other_servers_are_no_reason_to_fail(
    form: str,
    saved_postgresql: SplitResult,
    tmp_path: Path,
    server: Any,
    role: str,
    new_database: Callable[[str], str],
) -> None:
    name = new_database("x")
    with psycopg.connect(saved_postgresql.geturl(), dbname=name) as connection:
        connection.execute(
            "CREATE EXTENSION postgres_fdw;"
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1');"
            "CREATE FOREIGN TABLE there (a int) SERVER far;"
            "CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'x', password 'y');"
            "CREATE MATERIALIZED VIEW filled AS SELECT a FROM there WITH NO DATA;"
            "CREATE TABLE secret (a int)"
        )
        connection.execute(SQL("CREATE POLICY own ON secret TO {}").format(Identifier(role)))
        connection.execute(SQL("ALTER TABLE secret OWNER TO {}").format(Identifier(role)))
    mine = turn(tmp_path, saved_postgresql.password or "")
    source = postgresql_source(saved_postgresql, name, format=form)
    saved = entry("postgresql", kinds.stage(source, mine))
    with of(server, saved):
        server.load(mine.folder, name)
        assert differences(server, saved, name) == []
        with pytest.raises(SecvaultError):
            server.ask(name, "SELECT a FROM there", 5)
        server.drop(name)


def test_a_locale_that_is_not_here_is_said_to_be_missing(
    saved_postgresql: SplitResult, tmp_path: Path, server: Any, new_database: Callable[[str], str]
) -> None:
    name = new_database("x")
    mine = turn(tmp_path, saved_postgresql.password or "")
    staged: Any = kinds.stage(postgresql_source(saved_postgresql, name), mine)
    one = {**staged.facts["databases"][name], "collate": "xx_XX.utf8"}
    saved = SourceEntry("erp", "postgresql", ("/x",), facts={"databases": {name: one}})
    with of(server, saved), pytest.raises(ServerMissing, match=r"the locale xx_XX\.utf8"):
        server.load(mine.folder, name)


def test_an_older_server_than_the_saved_one_is_said_to_be_missing(tmp_path: Path) -> None:
    saved = SourceEntry(
        "erp", "postgresql", ("/x",), facts={"server": "PostgreSQL 99.1", "databases": {}}
    )
    with (
        pytest.raises(ServerMissing, match="PostgreSQL 99 or later"),
        servers.running(saved, None, place(tmp_path / "a")),
    ):
        pass


def test_nothing_runs_and_nothing_is_written_down_behind_the_block(tmp_path: Path) -> None:
    with servers.running_postgresql(place(tmp_path / "a"), at_least=15) as one:
        pid = one.process.process.pid
        with psycopg.connect(one.url("postgres")) as connection:
            assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == (
                "off",
            )
    assert started(pid) is None
    assert list((tmp_path / "a").glob("*.json")) == []

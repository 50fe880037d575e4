"""Dumped databases put back into a real PostgreSQL, the same or under another name."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from secvault.backup.sources import kinds
from secvault.backup.sources.faults import ProgramFailed
from secvault.backup.sources.loading import Target, Wish, differences
from secvault.backup.sources.names import stand_in
from secvault.backup.sources.postgresql import GLOBALS
from secvault.backup.sources.postgresql_server import PostgresqlServer
from secvault.backup.sources.source import SourceEntry
from secvault.errors import BackupFailed, Cancelled, Conflict, InvalidInput
from tests.backup.sources.turns import HOSTILE, entry, files, turn
from tests.backup.sources.turns import postgresql_source as source

pytestmark = pytest.mark.real

CONTENT = {
    "rows": "SELECT id, name, pay FROM staff ORDER BY id",
    "odd": "SELECT * FROM odd ORDER BY 1",
    "view": "SELECT * FROM well_paid ORDER BY 1",
    "grants": "SELECT relname, relacl::text FROM pg_class WHERE relname = 'staff'",
    "owner": "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
    "access": "SELECT datacl::text FROM pg_database WHERE datname = current_database()",
    "settings": "SELECT setconfig FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase "
    "WHERE datname = current_database()",
    "comment": "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
    "WHERE datname = current_database()",
    "locale": "SELECT encoding, datcollate, datctype FROM pg_database "
    "WHERE datname = current_database()",
    "sequence": "SELECT last_value FROM staff_id_seq",
}


@pytest.fixture
def filled(server: SplitResult, new_database: Callable[[str], str]) -> str:
    """A database with all sorts of content, and with settings of its own."""
    name = new_database(HOSTILE[:36])
    with psycopg.connect(server.geturl(), dbname=name, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE odd AS SELECT 1 AS id, E'Tiền lương\\n\\t\\\\ \\'q\\' \"d\"' AS text, "
            "'\\x00ff0a'::bytea AS bytes, '{\"a\": [1, null]}'::jsonb AS json, "
            "'NaN'::float8 AS nan, ARRAY['ă', NULL] AS list, '2026-11-26T10:00:00+07'::timestamptz"
        )
        connection.execute("CREATE VIEW well_paid AS SELECT name FROM staff WHERE pay > 1000")
        connection.execute("GRANT SELECT ON staff TO pg_monitor")
        named = Identifier(name)
        connection.execute(SQL("ALTER DATABASE {} SET work_mem = '7MB'").format(named))
        connection.execute(SQL("COMMENT ON DATABASE {} IS 'Kế toán'").format(named))
        connection.execute(SQL("GRANT CONNECT ON DATABASE {} TO pg_monitor").format(named))
    return name


def content(server: SplitResult, name: str) -> dict[str, list[Any]]:
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        return {
            what: [tuple(map(str, row)) for row in connection.execute(question).fetchall()]
            for what, question in CONTENT.items()
        }


def saved(
    server: SplitResult, tmp_path: Path, *names: str, **more: object
) -> tuple[SourceEntry, Path]:
    mine = turn(tmp_path, server.password or "")
    staged = kinds.stage(source(server, *names, **more), mine)
    return entry("postgresql", staged), mine.folder


def databases_of(server: SplitResult, filled: str) -> set[str]:
    """It and what stands in for it meanwhile; other tests have databases on this server, too."""
    ours = {filled, stand_in("load", filled), stand_in("before", filled)}
    with psycopg.connect(server.geturl()) as connection:
        return ours & {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.mark.parametrize("how", ["custom", "plain"])
def test_a_database_that_is_gone_comes_back_as_it_was(
    server: SplitResult, filled: str, tmp_path: Path, how: str
) -> None:
    before = content(server, filled)
    what, folder = saved(server, tmp_path, filled, format=how)
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(filled)))
    mine = turn(tmp_path, server.password or "")
    into = source(server, filled)
    assert kinds.look(what, into, mine) == (
        Target(filled, filled, f"{server.hostname}:{server.port}", there=False, empty=True),
    )
    loaded = kinds.load(what, folder, into, mine)
    assert content(server, filled) == before
    assert differences(what.facts, loaded.facts) == ()
    assert files(mine.scratch) == []


@pytest.mark.parametrize("how", ["custom", "plain"])
def test_it_is_put_beside_the_original_under_another_name(
    server: SplitResult, filled: str, tmp_path: Path, how: str
) -> None:
    what, folder = saved(server, tmp_path, filled, format=how)
    beside = f"beside {secrets.token_hex(4)}"
    try:
        loaded = kinds.load(
            what,
            folder,
            source(server, beside),
            turn(tmp_path, server.password or ""),
            Wish({filled: beside}, owners=how == "custom"),
        )
        facts: Any = loaded.facts
        assert facts["databases"][filled]["as"] == beside
        assert differences(what.facts, facts) == ()
        before, after = content(server, filled), content(server, beside)
        assert {key: before[key] for key in ("rows", "odd", "view", "grants", "sequence")} == {
            key: after[key] for key in ("rows", "odd", "view", "grants", "sequence")
        }
    finally:
        with psycopg.connect(server.geturl(), autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(beside)))


def test_lost_rows_and_tables_are_named(server: SplitResult, filled: str, tmp_path: Path) -> None:
    what, folder = saved(server, tmp_path, filled)
    facts: Any = what.facts
    claimed = facts["databases"][filled]["tables"]
    claimed |= {"public.staff": 1001, "public.gone": 1}
    mine = turn(tmp_path, server.password or "")
    loaded = kinds.load(what, folder, source(server, filled), mine, Wish(replace=True))
    assert differences(facts, loaded.facts) == (
        f"{filled}: public.staff has 1000 rows, saved were 1001",
        f"{filled}: public.gone is missing",
    )


def test_what_is_there_is_replaced_only_if_that_is_said_also_while_it_is_in_use(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, filled)
    what, folder = saved(server, tmp_path, filled)
    into, mine = source(server, filled), turn(tmp_path, server.password or "")
    with psycopg.connect(server.geturl(), dbname=filled) as user:
        user.execute("DELETE FROM staff")
        user.commit()
        with pytest.raises(Conflict, match="already"):
            kinds.load(what, folder, into, mine)
        ((there,),) = user.execute("SELECT count(*) FROM staff").fetchall()
        assert there == 0
        user.commit()
        kinds.load(what, folder, into, mine, Wish(replace=True))
    assert content(server, filled) == before


def test_an_empty_database_that_is_there_may_be_filled(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, filled)
    what, folder = saved(server, tmp_path, filled)
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(filled)))
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(filled)))
    mine = turn(tmp_path, server.password or "")
    (target,) = kinds.look(what, source(server), mine)
    assert (target.there, target.empty) == (True, True)
    kinds.load(what, folder, source(server), mine)
    assert content(server, filled) == before


def test_a_dump_that_does_not_load_loses_nothing_and_leaves_nothing(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, filled)
    what, folder = saved(server, tmp_path, filled)
    (dump,) = folder.iterdir()
    dump.write_bytes(dump.read_bytes()[:-3000])
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(ProgramFailed, match="pg_restore"):
        kinds.load(what, folder, source(server), mine, Wish(replace=True))
    assert content(server, filled) == before
    assert databases_of(server, filled) == {filled}


def test_no_value_of_a_row_stands_in_the_error(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    what, folder = saved(server, tmp_path, filled, format="plain")
    dump = next(file for file in folder.iterdir() if file.suffix == ".sql")
    text = dump.read_text()
    broken = text.replace("\n500\tNguyễn", "\nbí mật of 500\tNguyễn")
    assert broken != text
    dump.write_text(broken)
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(ProgramFailed, match="invalid input syntax") as caught:
        kinds.load(what, folder, source(server), mine, Wish(replace=True))
    assert "bí mật" not in str(caught.value)
    assert "Nguyễn" not in str(caught.value)


@pytest.mark.parametrize("ending", ["database", "globals"])
@pytest.mark.parametrize("guard", ["", "\\restrict abc\n\\unrestrict abc\n"])
def test_a_script_of_a_forged_snapshot_runs_no_program_here(
    server: SplitResult, filled: str, tmp_path: Path, guard: str, ending: str
) -> None:
    what, folder = saved(server, tmp_path, filled, format="plain", with_globals=True)
    ran = tmp_path / "ran"
    names = [file for file in folder.iterdir() if file.suffix == ".sql"]
    script = next(file for file in names if (file.name == GLOBALS) == (ending == "globals"))
    script.write_text(f"-- as if dumped\n\n{guard}\\! touch {ran}\n" + script.read_text())
    mine = turn(tmp_path, server.password or "")
    wish = Wish({filled: f"{filled[:30]} 2"}, accounts=ending == "globals")
    with suppress(ProgramFailed):
        kinds.load(what, folder, source(server), mine, wish)
    assert not ran.exists()


def test_a_load_that_is_cancelled_leaves_nothing(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    what, folder = saved(server, tmp_path, filled, format="plain")
    dump = next(file for file in folder.iterdir() if file.suffix == ".sql")
    dump.write_text(dump.read_text() + "\nSELECT pg_sleep(60);\n")
    cancel = threading.Event()
    threading.Timer(1.5, cancel.set).start()
    mine = turn(tmp_path, server.password or "", cancel)
    with pytest.raises(Cancelled):
        kinds.load(what, folder, source(server), mine, Wish(replace=True))
    assert databases_of(server, filled) == {filled}


def test_what_a_killed_load_had_moved_aside_comes_back(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, filled)
    what, folder = saved(server, tmp_path, filled)
    aside = stand_in("before", filled)
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        old, new = Identifier(filled), Identifier(aside)
        connection.execute(SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(old))
        connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(Conflict):
        kinds.load(what, folder, source(server), mine)
    assert content(server, filled) == before
    assert databases_of(server, filled) == {filled}


def test_roles_come_back_first_where_they_are_wished_for(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    role = f"clerk_{secrets.token_hex(4)}"
    with psycopg.connect(server.geturl(), dbname=filled, autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(Identifier(role)))
        connection.execute(SQL("ALTER TABLE odd OWNER TO {}").format(Identifier(role)))
        what, folder = saved(server, tmp_path, filled, with_globals=True)
        connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(BackupFailed, match=f'role "{role}" does not exist.*leave owners'):
        kinds.load(what, folder, source(server), mine, Wish(replace=True))
    kinds.load(what, folder, source(server), mine, Wish(replace=True, owners=False))
    kinds.load(what, folder, source(server), mine, Wish(replace=True, accounts=True))
    with psycopg.connect(server.geturl(), dbname=filled, autocommit=True) as connection:
        found = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'odd'")
        assert found.fetchall() == [(role,)]
        connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


@pytest.mark.parametrize(
    ("names", "said"),
    [({"no such": "x"}, "has not saved"), ({"postgres": "elsewhere"}, "do not name")],
)
def test_only_what_was_saved_and_what_the_settings_name_is_taken(
    server: SplitResult, tmp_path: Path, names: dict[str, str], said: str
) -> None:
    what, folder = saved(server, tmp_path, "postgres")
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(InvalidInput, match=said):
        kinds.load(what, folder, source(server, "postgres"), mine, Wish(names))
    with pytest.raises(InvalidInput, match="was saved from folders"):
        kinds.load(SourceEntry("erp", "folders", ("/srv",)), folder, source(server), mine)


def test_a_server_is_named_for_people(server: SplitResult, tmp_path: Path) -> None:
    there = PostgresqlServer(source(server), turn(tmp_path))
    assert there.place == f"{server.hostname}:{server.port}"
    local = source(server).model_copy(update={"host": "", "port": 0})
    assert PostgresqlServer(local, turn(tmp_path)).place == "the local socket"

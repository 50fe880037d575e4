"""Databases of a real MariaDB: dumped whole or not at all, and put back as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from secvault.backup.repository_faults import StorageFull
from secvault.backup.sources import kinds
from secvault.backup.sources.faults import ProgramFailed, SourceDenied, SourceUnreachable
from secvault.backup.sources.loading import Wish, differences
from secvault.backup.sources.mariadb_client import opened, quoted
from secvault.config.backup_sources import MariadbSource
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, Conflict
from tests.backup.sources.turns import HOSTILE, cut_after, entry, files, program, small_disk, turn

pytestmark = pytest.mark.real

NAME = "../kế toán `a`; DROP %s $x"
STRANGE = 'Bảng lương`"; --\\'
MADE = f"""
CREATE DATABASE {quoted(NAME)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE {quoted(NAME)};
CREATE TABLE staff (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(200), raw VARBINARY(20))
    ENGINE=InnoDB;
INSERT INTO staff (name, raw)
    SELECT CONCAT('Nguyễn Thị Ánh 😀 ''"\\\\', seq), UNHEX('00ff0a1a27')
    FROM seq_1_to_1000;
CREATE TABLE {quoted(STRANGE)} (one INT) ENGINE=Aria;
INSERT INTO {quoted(STRANGE)} VALUES (1), (2);
CREATE TABLE log (id INT);
CREATE VIEW names AS SELECT name FROM staff;
CREATE TRIGGER noted AFTER DELETE ON staff FOR EACH ROW INSERT INTO log VALUES (OLD.id);
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM log;
"""
QUESTIONS = (
    "SELECT JSON_ARRAY(id, name, HEX(raw)) FROM staff ORDER BY id",
    f"SELECT JSON_ARRAY(one) FROM {quoted(STRANGE)} ORDER BY one",
    "SELECT JSON_ARRAY(name) FROM names ORDER BY name",
    "SELECT JSON_ARRAY(twice(21))",
    """SELECT JSON_ARRAY(trigger_name, action_statement) FROM information_schema.triggers
    WHERE trigger_schema = DATABASE()""",
    """SELECT JSON_ARRAY(event_name, status) FROM information_schema.events
    WHERE event_schema = DATABASE()""",
    "SELECT JSON_ARRAY(@@character_set_database, @@collation_database)",
)


@pytest.fixture
def server(mariadb_server: str) -> SplitResult:
    return urlsplit(mariadb_server)


def source(server: SplitResult, *databases: str, **more: object) -> MariadbSource:
    given = {
        "host": server.hostname,
        "port": server.port,
        "user": server.username,
        "databases": databases,
        "with_users": False,
    }
    return MariadbSource.model_validate({**given, **more})


def asked(server: SplitResult, tmp_path: Path, *statements: str) -> Any:
    mine = turn(tmp_path, server.password or "")
    with opened(source(server), mine) as client:
        return client.ask(*statements)


def content(server: SplitResult, tmp_path: Path, name: str) -> Any:
    return asked(server, tmp_path, f"USE {quoted(name)}", *QUESTIONS)


@pytest.fixture
def filled(server: SplitResult, tmp_path: Path) -> Iterator[str]:
    """A database with all sorts of content, under a name that means something to everybody."""
    asked(server, tmp_path, f"DROP DATABASE IF EXISTS {quoted(NAME)}")
    mine = turn(tmp_path, server.password or "")
    script = mine.scratch / "made.sql"
    script.write_text(MADE)
    with opened(source(server), mine) as client:
        client.execute(script, "making a database")
    script.unlink()
    yield NAME
    asked(server, tmp_path, f"DROP DATABASE IF EXISTS {quoted(NAME)}")


def test_a_database_that_is_gone_comes_back_as_it_was(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, tmp_path, filled)
    mine = turn(tmp_path, server.password or "")
    staged = kinds.stage(source(server, filled), mine)
    facts: Any = staged.facts
    one = facts["databases"][filled]
    assert facts["server"].startswith("MariaDB 1")
    assert one["tables"] == {"staff": 1000, STRANGE: 2, "log": 0}
    assert one["objects"] == {"views": 1, "routines": 1, "triggers": 1, "events": 1}
    assert one["not_of_one_moment"] == [STRANGE]
    assert files(mine.scratch) == []
    asked(server, tmp_path, f"DROP DATABASE {quoted(filled)}")
    what, into = entry("mariadb", staged), source(server, filled)
    wish = Wish({filled: filled})
    (target,) = kinds.look(what, into, mine, wish)
    assert (target.there, target.empty) == (False, True)
    loaded = kinds.load(what, mine.folder, into, mine, wish)
    assert content(server, tmp_path, filled) == before
    assert differences(staged.facts, loaded.facts) == ()
    assert files(mine.scratch) == []


def test_without_names_all_databases_are_saved_but_the_servers_own(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    with opened(source(server), turn(tmp_path, server.password or "")) as client:
        found = client.databases()
    assert filled in found
    assert not {"mysql", "sys", "information_schema", "performance_schema"} & set(found)


def test_a_database_of_any_name_comes_back(server: SplitResult, tmp_path: Path) -> None:
    made = f"CREATE DATABASE {quoted(HOSTILE)}"
    asked(server, tmp_path, made, f"CREATE TABLE {quoted(HOSTILE)}.{quoted(HOSTILE)} (one INT)")
    mine = turn(tmp_path, server.password or "")
    try:
        staged = kinds.stage(source(server, HOSTILE), mine)
        what = entry("mariadb", staged)
        loaded = kinds.load(what, mine.folder, source(server), mine, Wish(replace=True))
        facts: Any = loaded.facts
        assert facts["databases"][HOSTILE]["tables"] == {HOSTILE: 0}
        assert differences(staged.facts, facts) == ()
    finally:
        asked(server, tmp_path, f"DROP DATABASE IF EXISTS {quoted(HOSTILE)}")


def test_it_is_put_beside_the_original_under_another_name(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    mine = turn(tmp_path, server.password or "")
    staged = kinds.stage(source(server, filled), mine)
    beside = "beside `it`"
    try:
        loaded = kinds.load(
            entry("mariadb", staged), mine.folder, source(server), mine, Wish({filled: beside})
        )
        assert content(server, tmp_path, beside) == content(server, tmp_path, filled)
        assert differences(staged.facts, loaded.facts) == ()
    finally:
        asked(server, tmp_path, f"DROP DATABASE IF EXISTS {quoted(beside)}")


def test_what_is_there_is_replaced_only_if_that_is_said(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, tmp_path, filled)
    mine = turn(tmp_path, server.password or "")
    what = entry("mariadb", kinds.stage(source(server, filled), mine))
    asked(server, tmp_path, f"DELETE FROM {quoted(filled)}.staff WHERE id > 10")
    with pytest.raises(Conflict, match="already"):
        kinds.load(what, mine.folder, source(server), mine)
    assert content(server, tmp_path, filled) != before
    kinds.load(what, mine.folder, source(server), mine, Wish(replace=True))
    assert content(server, tmp_path, filled) == before


def test_a_dump_that_does_not_load_loses_nothing_and_shows_no_value(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    before = content(server, tmp_path, filled)
    mine = turn(tmp_path, server.password or "")
    what = entry("mariadb", kinds.stage(source(server, filled), mine))
    (dump,) = mine.folder.iterdir()
    text = dump.read_text()
    for place, wrong in (("\n(500,", "\n(499,"), ("\n(500,", "\n(500 'bí mật',")):
        assert place in text
        dump.write_text(text.replace(place, wrong))
        with pytest.raises(ProgramFailed, match=r"loading .*ERROR 1") as caught:
            kinds.load(what, mine.folder, source(server), mine, Wish(replace=True))
        assert "mật" not in str(caught.value)
        assert "Nguyễn" not in str(caught.value)
        assert "499" not in str(caught.value)
    assert content(server, tmp_path, filled) == before
    assert not [
        n
        for (n,) in asked(
            server, tmp_path, "SELECT JSON_ARRAY(schema_name) FROM information_schema.schemata"
        )
        if n.startswith("secvault_")
    ]


def test_rows_that_come_meanwhile_are_known_by_their_lowest_and_highest_number(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    statement = f"INSERT INTO {quoted(filled)}.log VALUES (1), (2), (3);"
    writing = tmp_path / "write.sql"
    writing.write_text(statement)
    options = turn(tmp_path, server.password or "")
    with opened(source(server), options) as client:
        how = f"mariadb --defaults-file={client.options} <{writing}"
        programs = program(
            tmp_path / "bin",
            "mariadb-dump",
            f'mariadb-dump "$@" || exit 1; [ "$2" = --version ] || {how}',
        )
        program(tmp_path / "bin", "mariadb", 'exec mariadb "$@"')
        mine = turn(tmp_path, server.password or "")
        staged = kinds.stage(source(server, filled, programs=programs), mine)
    facts: Any = staged.facts
    assert facts["databases"][filled]["tables"]["log"] == [0, 3]
    what = entry("mariadb", staged)
    loaded = kinds.load(what, mine.folder, source(server), mine, Wish(replace=True))
    assert differences(staged.facts, loaded.facts) == ()


def test_users_come_back_with_their_passwords_and_grants(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    user = "'kế toán'@'127.0.0.1'"
    password = "m\"ật'kh#ẩu \\ ; x"
    made = f"CREATE USER {user} IDENTIFIED BY 'm\"ật''kh#ẩu \\\\ ; x'"
    asked(server, tmp_path, made, f"GRANT SELECT ON {quoted(filled)}.* TO {user}")
    mine = turn(tmp_path, server.password or "")
    try:
        staged = kinds.stage(source(server, filled, with_users=True), mine)
        assert staged.facts["users"] == "whole"
    finally:
        asked(server, tmp_path, f"DROP USER {user}")
    clerk = source(server, user="kế toán")
    with pytest.raises(SourceDenied), opened(clerk, turn(tmp_path, password)) as client:
        client.version()
    wish = Wish(replace=True, accounts=True)
    kinds.load(entry("mariadb", staged), mine.folder, source(server), mine, wish)
    try:
        with opened(clerk, turn(tmp_path, password)) as client:
            assert client.rows(filled, ("staff",)) == {"staff": 1000}
    finally:
        asked(server, tmp_path, f"DROP USER {user}")


def test_a_wrong_password_is_refused_without_being_shown(
    server: SplitResult, tmp_path: Path
) -> None:
    mine = turn(tmp_path, "wr0ng-password-of-ours")
    with pytest.raises(SourceDenied, match="Access denied") as caught:
        kinds.stage(source(server), mine)
    assert "wr0ng" not in str(caught.value)
    assert files(mine.folder) == files(mine.scratch) == []


def test_a_server_that_does_not_answer_may_be_asked_again_later(
    server: SplitResult, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnreachable):
        kinds.stage(source(server, port=1), turn(tmp_path, server.password or ""))


def test_a_database_that_is_not_there_is_named(server: SplitResult, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="no database no such one"):
        kinds.stage(source(server, "no such one"), turn(tmp_path, server.password or ""))


def test_a_connection_that_breaks_half_way_leaves_no_dump(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    mine = turn(tmp_path, server.password or "")
    with (
        cut_after(str(server.hostname), server.port or 0, 30_000) as port,
        pytest.raises(SourceUnreachable),
    ):
        kinds.stage(source(server, filled, port=port), mine)
    assert files(mine.folder) == []


@pytest.mark.parametrize(
    ("ending", "said"), [("kill -9 $$", "ended by signal 9"), ("exit 0", "stops before its end")]
)
def test_half_a_dump_is_no_dump_whatever_the_program_says(
    server: SplitResult, filled: str, tmp_path: Path, ending: str, said: str
) -> None:
    script = f"""case "$*" in *--version) exec mariadb-dump "$@";; esac
        mariadb-dump "$@" | head -c 2000; {ending}"""
    programs = program(tmp_path / "bin", "mariadb-dump", script)
    program(tmp_path / "bin", "mariadb", 'exec mariadb "$@"')
    mine = turn(tmp_path, server.password or "")
    with pytest.raises(BackupFailed, match=said):
        kinds.stage(source(server, filled, programs=programs), mine)


def test_a_full_scratch_disk_leaves_no_dump(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    mine = turn(tmp_path, server.password or "")
    with small_disk(mine.folder, "16k"):
        with pytest.raises(StorageFull):
            kinds.stage(source(server, filled), mine)
        assert files(mine.folder) == []


def test_a_dump_that_waits_is_cancelled(server: SplitResult, filled: str, tmp_path: Path) -> None:
    programs = program(
        tmp_path / "bin",
        "mariadb-dump",
        'case "$*" in *--version) ;; *) sleep 60;; esac; echo MariaDB',
    )
    program(tmp_path / "bin", "mariadb", 'exec mariadb "$@"')
    cancel = threading.Event()
    threading.Timer(1.0, cancel.set).start()
    mine = turn(tmp_path, server.password or "", cancel)
    with pytest.raises(Cancelled):
        kinds.stage(source(server, filled, programs=programs), mine)
    assert files(mine.folder) == []


def test_neither_argument_lists_nor_environments_hold_the_password(
    server: SplitResult, filled: str, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    for each in ("mariadb-dump", "mariadb"):
        script = f'cat /proc/$$/cmdline /proc/$$/environ >>{seen}; exec {each} "$@"'
        program(tmp_path / "bin", each, script)
    mine = turn(tmp_path, server.password or "")
    kinds.stage(source(server, filled, programs=tmp_path / "bin", with_users=True), mine)
    said = seen.read_bytes()
    assert said.count(b"--defaults-file=") > 5
    assert str(server.password).encode() not in said


def test_a_program_of_mysql_is_told_apart(server: SplitResult, filled: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"""case "$*" in *--version) echo 'mysqldump  Ver 8.0.36 for Linux'; exit;; esac
        echo "$@" >>{seen}; echo '-- Dump completed'"""
    program(tmp_path / "bin", "mysqldump", script)
    program(tmp_path / "bin", "mysql", 'exec mariadb "$@"')
    mine = turn(tmp_path, server.password or "")
    kinds.stage(source(server, filled, programs=tmp_path / "bin"), mine)
    assert "--set-gtid-purged=OFF" in seen.read_text()
    with pytest.raises(ConfigurationError, match="with_users = false"):
        kinds.stage(source(server, filled, programs=tmp_path / "bin", with_users=True), mine)

"""A scratch MariaDB takes what was saved, also where the dump means harm, and tells what is in
it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest

from secvault.backup.drills.databases import comparing, servers
from secvault.backup.drills.databases.comparing import Compared
from secvault.backup.drills.databases.servers import ServerMissing
from secvault.backup.sources import kinds
from secvault.backup.sources.mariadb_client import opened, quoted
from secvault.backup.sources.source import SourceEntry
from secvault.errors import BackupFailed, SecvaultError
from tests.backup.drills.databases.grounds import mariadb_source, place
from tests.backup.sources.turns import entry, turn

pytestmark = pytest.mark.real

NAME = "kế_toán %x"
RICH = f"""
CREATE DATABASE {quoted(NAME)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE {quoted(NAME)};
CREATE TABLE `bảng ``lương``` (
    id BIGINT PRIMARY KEY AUTO_INCREMENT, pay DECIMAL(20, 4), rate DOUBLE, part FLOAT, b BIT(5),
    name VARCHAR(200), old VARCHAR(50) CHARACTER SET latin1, raw LONGBLOB, j JSON, at TIMESTAMP(6),
    day DATE, how ENUM('vui', 'buồn'), place POINT, y YEAR,
    twice DECIMAL(20, 4) AS (pay * 2) STORED, seen INT AS (id + 1) VIRTUAL);
INSERT INTO `bảng ``lương``` (pay, rate, part, b, name, old, raw, j, at, day, how, place, y)
    SELECT seq * 1.25, SQRT(seq), seq / 3, 5, CONCAT('Nguyễn Thị Ánh 😀 ''"\\\\', seq),
    'M\u00fcller',
    UNHEX('00ff0a1a27'), JSON_OBJECT('n', seq), '2026-11-26 12:00:00.123456', '2026-11-26', 'vui',
    POINT(seq, 1), 2026 FROM seq_1_to_500;
CREATE TABLE old_rows (id INT) WITH SYSTEM VERSIONING; INSERT INTO old_rows VALUES (1);
CREATE TABLE log (id INT);
CREATE VIEW names AS SELECT name FROM `bảng ``lương```;
CREATE TRIGGER noted AFTER DELETE ON log FOR EACH ROW INSERT INTO old_rows VALUES (OLD.id);
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n;
"""
EVENT = """
/*!50106 CREATE EVENT `now` ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00'
ON COMPLETION PRESERVE ENABLE DO INSERT INTO log VALUES (1) */ ;
"""


@pytest.fixture(scope="module")
def staged(
    saved_mariadb: SplitResult, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SourceEntry, Path]]:
    folder = tmp_path_factory.mktemp("staged")
    secret = saved_mariadb.password or ""
    script = folder / "rich.sql"
    script.write_text(f"DROP DATABASE IF EXISTS {quoted(NAME)};\n{RICH}", "utf-8")
    with opened(mariadb_source(saved_mariadb), turn(folder, secret)) as client:
        client.execute(script, "making")
        mine = turn(folder, secret)
        source = mariadb_source(saved_mariadb, NAME, with_users=True)
        yield entry("mariadb", kinds.stage(source, mine)), mine.folder
        client.tell(f"DROP DATABASE {quoted(NAME)}")


@pytest.fixture(scope="module")
def server(
    staged: tuple[SourceEntry, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    with servers.running(staged[0], None, place(tmp_path_factory.mktemp("scratch") / "a")) as one:
        yield one


def differences(server: Any, saved: SourceEntry) -> list[str]:
    one = server.measure(NAME)["databases"][NAME]
    told = comparing.faults("erp", NAME, saved.facts["databases"][NAME], one, 0, Compared())
    return [f"{fault.code} {fault.where} {fault.words}" for fault in told]


def test_what_was_saved_is_what_is_loaded_row_by_row(staged: Any, server: Any) -> None:
    saved, folder = staged
    one = saved.facts["databases"][NAME]
    assert set(one["sums"]["bảng `lương`"]) == {"id", "pay", "rate", "twice", "seen"}
    assert one["tables"].keys() == one["digests"].keys()
    server.load(folder, NAME)
    assert differences(server, saved) == []
    assert server.ask(NAME, "SELECT CONCAT('a\\tb\\n', COUNT(*)), 1 FROM log;", 60) == "a\tb\n0"
    server.drop(NAME)


def altered(staged: Any, server: Any, before: bytes, after: bytes) -> list[str]:
    saved, folder = staged
    file = folder / saved.facts["databases"][NAME]["file"]
    whole = file.read_bytes()
    assert before in whole
    try:
        file.write_bytes(whole.replace(before, after, 1))
        server.load(folder, NAME)
    finally:
        file.write_bytes(whole)
    found = differences(server, saved)
    server.drop(NAME)
    return found


def test_one_changed_letter_or_number_is_seen(staged: Any, server: Any) -> None:
    found = altered(staged, server, "Thị Ánh".encode(), "Thị Ẩnh".encode())
    assert [one.split()[0] for one in found] == ["sum-differs"]
    found = altered(staged, server, b"1.2500", b"9.2500")
    assert [one.split()[0] for one in found] == ["sum-differs"]
    assert found[0].endswith("another sum of the column pay")


def test_events_never_run(staged: Any, server: Any) -> None:
    saved, folder = staged
    file = folder / saved.facts["databases"][NAME]["file"]
    whole = file.read_bytes()
    try:
        file.write_bytes(whole.replace(b"-- Dump completed", EVENT.encode() + b"-- Dump completed"))
        server.load(folder, NAME)
    finally:
        file.write_bytes(whole)
    time.sleep(1.5)
    assert server.measure(NAME)["databases"][NAME]["objects"]["events"] == 1
    assert server.ask(NAME, "SELECT COUNT(*) FROM log", 5) == "0"
    assert server.ask(NAME, "SELECT @@event_scheduler", 5) == "OFF"
    server.drop(NAME)


def test_a_question_reads_and_nothing_else(staged: Any, server: Any) -> None:
    server.load(staged[1], NAME)
    for refused in (
        "DELETE FROM log",
        "SELECT 1; COMMIT; DELETE FROM log",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT User FROM mysql.global_priv",
        "\\! touch /tmp/x",
        "SELECT SLEEP(60)",
    ):
        with pytest.raises(BackupFailed):
            assert server.ask(NAME, refused, 1) == "refused"
    told = subprocess.run(
        ["sh", "-c", 'mariadb --no-defaults -u"$DRILL_USER" -Ne "SELECT 1+1" "$DRILL_DATABASE"'],
        env={**os.environ, **server.environment(NAME)},
        check=True,
        capture_output=True,
    ).stdout
    assert told == b"2\n"
    server.drop(NAME)


@pytest.mark.parametrize(
    "harm",
    [
        "SELECT 'x' INTO OUTFILE '{0}';",
        "SET GLOBAL general_log_file = '{0}'; SET GLOBAL general_log = 1;",
        "SET GLOBAL event_scheduler = ON;",
        "INSTALL SONAME 'ha_connect';",
        "CREATE FUNCTION sys_exec RETURNS INT SONAME 'lib_mysqludf_sys.so';",
        "INSERT INTO mysql.global_priv VALUES ('localhost', 'x', '{{}}');",
        "UPDATE mysql.global_priv SET Priv = '{{}}';",
        "GRANT ALL ON *.* TO CURRENT_USER();",
        "CREATE USER x@localhost;",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t;",
        "\\! touch {0}\n",
        "system touch {0}\n",
        "CREATE DATABASE another;",
        "CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1 INTO OUTFILE '{0}'; CALL p();",
    ],
)
def test_a_script_that_means_harm_fails_and_does_none(
    harm: str, staged: Any, server: Any, tmp_path: Path
) -> None:
    saved, folder = staged
    tmp_path.chmod(0o777)
    target = tmp_path / "harm"
    file = folder / saved.facts["databases"][NAME]["file"]
    whole = file.read_bytes()
    try:
        file.write_bytes(f"CREATE TABLE t (a TEXT);\n{harm.format(target)}\n".encode() + whole)
        with pytest.raises(SecvaultError):
            server.load(folder, NAME)
    finally:
        file.write_bytes(whole)
    assert not target.exists()


def test_the_server_has_no_network_and_is_not_us(server: Any) -> None:
    pid = server.process.process.pid
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    assert "NoNewPrivs:\t1" in status
    if os.geteuid() == 0:
        assert "Uid:\t65534\t65534" in status
    assert len(Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()) == 1


def test_of_mysql_no_server_is_started(tmp_path: Path) -> None:
    saved = SourceEntry("erp", "mariadb", ("/x",), facts={"server": "MySQL 8.0.36"})
    with (
        pytest.raises(ServerMissing, match="MySQL"),
        servers.running(saved, None, place(tmp_path / "a")),
    ):
        pass

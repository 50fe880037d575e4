"""The databases level: what is whole passes, what is not is named, what was not tested is said."""

from __future__ import annotations

import secrets
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import msgspec
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from secvault.backup.drills.databases import level, room
from secvault.backup.drills.result import LevelResult
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import (
    BucketSource,
    CommandSource,
    FoldersSource,
    SqliteSource,
)
from secvault.errors import Cancelled
from tests.backup.drills.databases.grounds import (
    SAVED,
    ground,
    mariadb_source,
    saved,
    sqlite_file,
)
from tests.backup.small_vault import SmallVault
from tests.backup.sources.turns import postgresql_source
from tests.conftest import S3Server, asked_of_mariadb


def faults(found: LevelResult) -> set[tuple[str, str]]:
    return {(fault.code, fault.where) for fault in found.faults}


def fact(found: LevelResult, name: str) -> object:
    return {one.name: one.value for one in found.facts}.get(name)


def lies(tree: Path, name: str) -> Path:
    return tree.joinpath(*SAVED.parts[1:], name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "drill" / "tree"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clerk(saved_postgresql: SplitResult) -> Any:
    """A role with a password."""
    name = f"clerk_{secrets.token_hex(5)}"
    with psycopg.connect(saved_postgresql.geturl(), autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(Identifier(name)))
    yield name
    with psycopg.connect(saved_postgresql.geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


@pytest.mark.real
def test_what_is_whole_passes_with_every_kind_of_source(
    vault: SmallVault,
    tree: Path,
    tmp_path: Path,
    saved_postgresql: SplitResult,
    saved_mariadb: SplitResult,
    mariadb_url: str,
    s3_server: S3Server,
    new_database: Callable[[str], str],
) -> None:
    name, shop = new_database("sổ lương"), mariadb_url.rsplit("/", 1)[1]
    asked_of_mariadb(
        mariadb_url, f"USE {shop}; CREATE TABLE orders (id INT PRIMARY KEY, paid DECIMAL(10, 2));"
        "INSERT INTO orders SELECT seq, seq / 4 FROM seq_1_to_40"
    )  # fmt: skip
    notes = sqlite_file(tmp_path / "notes.db")
    bucket = s3_server.new_bucket()
    s3_server.client().put_object(Bucket=bucket, Key="ảnh/1.jpg", Body=b"image")
    sources: dict[str, Any] = {
        "erp": postgresql_source(saved_postgresql, name, with_globals=True),
        "shop": mariadb_source(saved_mariadb, shop, with_users=True),
        "notes": SqliteSource(files=(notes,)),
        "ldap": CommandSource(command=("/bin/echo", "dn")),
        "images": BucketSource.model_validate(
            {
                "location": f"s3:{s3_server.endpoint}/{bucket}",
                "access_key_id": s3_server.access_key,
            }
        ),
        "papers": FoldersSource(paths=(tmp_path,)),
    }
    secret = {
        "erp": saved_postgresql.password,
        "shop": saved_mariadb.password,
        "images": s3_server.secret_key,
    }
    kept = tmp_path / "kept"
    kept.mkdir()
    entries = [
        saved(tree, each, source, secret.get(each) or "", kept if each == "images" else None)
        for each, source in sources.items()
        if each != "papers"
    ]
    entries.append(SourceEntry("papers", "folders", (str(tmp_path),)))
    questions: dict[str, Any] = {
        "staff": {"source": "erp", "sql": "SELECT count(*) FROM staff", "equals": "1000"},
        "pay": {"source": "erp", "sql": "SELECT sum(pay) FROM staff", "at_least": 1},
        "paid": {"source": "shop", "sql": "SELECT SUM(paid) FROM orders", "at_most": 205},
        "lines": {
            "source": "notes",
            "sql": "SELECT count(*) FROM staff",
            "at_least": 300,
            "at_most": 300,
        },
        "by-psql": {
            "source": "erp",
            "database": name,
            "command": ["psql", "-Atc", "SELECT count(*) FROM staff"],
            "equals": "1000",
        },
        "file": {"command": ["test", "-f", str(SAVED / "ldap/output")[1:]]},
        "ldif": {
            "source": "ldap",
            "command": ["cat", str(SAVED / "ldap/output")[1:]],
            "equals": "dn",
        },
    }
    where = ground(vault, tree, tuple(entries), sources, assertions=questions)
    found = level.examine(where)
    assert (faults(found), found.verdict) == (set(), "passed")
    assert fact(found, "databases-loaded") == 3
    assert fact(found, "assertions-asked") == len(questions)
    assert fact(found, "objects-hashed") == 1
    assert (fact(found, "tables-compared"), fact(found, "tables-hashed")) == (4, 4)
    assert int(str(fact(found, "logins-compared"))) >= 1
    assert any("ldap" in words for words in found.not_tested)
    assert set(where.watch.seconds) == {"load", "verify"}
    assert list(where.scratch.glob("databases-*")) == []
    assert room.needed(where.manifest) > 400 << 20


@pytest.mark.real
def test_each_fault_of_a_dump_is_named_and_the_others_are_examined_all_the_same(
    vault: SmallVault,
    tree: Path,
    saved_postgresql: SplitResult,
    clerk: str,
    new_database: Callable[[str], str],
) -> None:
    whole, cut, fewer, table, other, letter = map(new_database, "abcdef")
    names = (whole, cut, fewer, table, other, letter)
    source = postgresql_source(saved_postgresql, *names, with_globals=True)
    saved_entry = saved(tree, "erp", source, saved_postgresql.password or "")
    folder = lies(tree, "erp")
    facts: Any = msgspec.json.decode(msgspec.json.encode(saved_entry.facts))
    each = facts["databases"]
    file = {name: folder / each[name]["file"] for name in names}
    file[cut].write_bytes(file[cut].read_bytes()[:-5000])
    del each[cut]["bytes"]
    each[fewer]["tables"]["public.staff"] = 1001
    each[table]["tables"]["public.pay"] = 3
    file[other].write_bytes(file[whole].read_bytes())
    content = file[letter].read_bytes()
    changed = content.replace("Ánh 77\t".encode(), "Ẩnh 77\t".encode()[:7] + b"\t")
    file[letter].write_bytes(content.replace("Ánh 77\t".encode(), "Ánk 77\t".encode()))
    assert changed != content
    script = folder / "globals.sql"
    lines = script.read_text("utf-8").splitlines(keepends=True)
    script.write_text(
        "".join(
            line.replace("SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096:x") if clerk in line else line
            for line in lines
        ),
        "utf-8",
    )
    entry = msgspec.structs.replace(saved_entry, facts=facts)
    found = level.examine(ground(vault, tree, (entry,), {"erp": source}))
    assert found.verdict == "failed"
    assert faults(found) == {
        ("dump-damaged", f"erp: {cut}"),
        ("rows-lost", f"erp: {fewer}: public.staff"),
        ("table-missing", f"erp: {table}: public.pay"),
        ("dump-of-another-database", f"erp: {other}"),
        ("sum-differs", f"erp: {letter}: public.staff"),
        ("login-wrong", f"erp: {clerk}"),
    }
    assert "Ánh" not in repr(found)


@pytest.mark.real
def test_faults_of_mariadb_are_named(
    vault: SmallVault, tree: Path, saved_mariadb: SplitResult, mariadb_url: str
) -> None:
    name = mariadb_url.rsplit("/", 1)[1]
    asked_of_mariadb(
        mariadb_url,
        f"USE {name}; CREATE TABLE orders (id INT PRIMARY KEY); INSERT INTO orders VALUES (1), (2);"
        "CREATE TABLE gone (id INT)",
    )
    source = mariadb_source(saved_mariadb, name, with_users=True)
    entry = saved(tree, "shop", source, saved_mariadb.password or "")
    folder = lies(tree, "shop")
    dump = folder / f"{name}.sql"
    text = dump.read_text("utf-8").replace("(1),\n(2)", "(1)").replace("`gone`", "`come`")
    dump.write_text(text, "utf-8")
    facts: Any = msgspec.json.decode(msgspec.json.encode(entry.facts))
    del facts["databases"][name]["bytes"]
    users = folder / "users.sql"
    users.write_text(users.read_text("utf-8").replace("PASSWORD '*", "PASSWORD '*0"), "utf-8")
    entry = msgspec.structs.replace(entry, facts=facts)
    found = level.examine(ground(vault, tree, (entry,), {"shop": source}))
    logins = {where for code, where in faults(found) if code == "login-wrong"}
    assert f"shop: secvault@{saved_mariadb.hostname}" in logins
    assert {one for one in faults(found) if one[0] != "login-wrong"} == {
        ("rows-lost", f"shop: {name}: orders"),
        ("table-missing", f"shop: {name}: gone"),
    }


def examined(vault: SmallVault, tree: Path, file: Path, **drill: Any) -> LevelResult:
    """A drill of one SQLite file. drill: of its settings."""
    source = SqliteSource(files=(file,))
    entry = saved(tree, "notes", source)
    # The other came into the plan after the snapshot.
    sources = {"notes": source, "gone": SqliteSource(files=(file,))}
    return level.examine(ground(vault, tree, (entry,), sources, **drill))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"sql": "SELECT count(*) FROM staff", "equals": "301"}, "not the one that is expected"),
        ({"sql": "SELECT count(*) FROM staff", "at_least": 301}, "less than at_least"),
        ({"sql": "SELECT count(*) FROM staff", "at_most": 299}, "more than at_most"),
        ({"sql": "SELECT name FROM staff", "at_most": 299}, "no number"),
        ({"sql": "SELECT name FROM nobody", "equals": "x"}, "refuses"),
        ({"sql": "SELECT name FROM staff WHERE 0", "equals": "x"}, "gives no answer"),
        ({"sql": "DELETE FROM staff", "equals": "x"}, "refuses"),
        ({"sql": "ATTACH '/etc/passwd' AS x", "equals": "x"}, "refuses"),
        ({"sql": "SELECT 1", "database": "/other", "equals": "1"}, "not there"),
        ({"sql": "SELECT 1", "source": "gone", "equals": "1"}, "holds no source gone"),
        ({"command": ["false"]}, "ended with 1"),
        ({"command": ["/not/there"]}, "there is no program"),
        ({"command": ["sh", "-c", "yes | head -c 70000"]}, "longer than"),
        (
            {
                "sql": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
                "SELECT max(n) FROM t",
                "equals": "x",
                "seconds": 1,
            },
            "within 1 seconds",
        ),
    ],
)
def test_an_answer_that_is_not_as_it_must_be_fails_and_is_not_shown(
    question: Any, words: str, vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    question = {"source": "notes", **question}
    found = examined(vault, tree, sqlite_file(tmp_path / "x.db"), assertions={"one": question})
    (fault,) = found.faults
    assert (fault.code, fault.where) == ("assertion-failed", "one")
    assert words in fault.words
    assert "Nguyễn" not in repr(found)


def test_a_damaged_sqlite_file_and_one_of_fewer_rows_are_found(
    vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    files = [sqlite_file(tmp_path / f"{name}.db") for name in ("whole", "damaged", "fewer", "gone")]
    source = SqliteSource(files=tuple(files))
    entry = saved(tree, "notes", source)
    copies = [lies(tree, "notes") / str(file).lstrip("/") for file in files]
    content = bytearray(copies[1].read_bytes())
    content[4096 * 2 : 4096 * 2 + 200] = b"\xff" * 200
    copies[1].write_bytes(content)
    with closing(sqlite3.connect(copies[2])) as connection:
        connection.execute("DELETE FROM staff WHERE id = 7")
        connection.commit()
    copies[3].unlink()
    found = level.examine(ground(vault, tree, (entry,), {"notes": source}))
    assert faults(found) == {
        ("dump-damaged", f"notes: {files[1]}"),
        ("rows-lost", f"notes: {files[2]}: staff"),
        ("dump-damaged", f"notes: {files[3]}"),
    }


def test_without_databases_nothing_is_tested(vault: SmallVault, tree: Path, tmp_path: Path) -> None:
    entry = SourceEntry("papers", "folders", (str(tmp_path),))
    found = level.examine(ground(vault, tree, (entry,), {}))
    assert (found.verdict, found.not_tested) == (
        "not tested",
        ("the snapshot holds no database",),
    )


def test_a_command_in_the_tree_takes_no_module_of_it_for_its_own(
    vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    came = tmp_path / "came"
    (tree / "json.py").write_text(f"open({str(came)!r}, 'w')\n")
    entry = SourceEntry("papers", "folders", (str(tmp_path),))
    asked = {"command": [sys.executable, "-c", "import json; print(json.dumps(1))"], "equals": "1"}
    found = level.examine(ground(vault, tree, (entry,), {}, assertions={"look": asked}))
    assert faults(found) == set()
    assert not came.exists()


def test_links_in_what_was_restored_are_not_followed(
    vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    source = SqliteSource(files=(sqlite_file(tmp_path / "x.db"),))
    entry = saved(tree, "notes", source)
    folder = lies(tree, "notes")
    (folder / "more").symlink_to("/etc")
    where = ground(vault, tree, (entry,), {"notes": source})
    assert {fault.code for fault in level.examine(where).faults} == {"dump-damaged"}
    (folder / "more").unlink()
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))
    assert {fault.code for fault in level.examine(where).faults} == {"dump-damaged"}


def test_a_drill_that_is_stopped_raises(vault: SmallVault, tree: Path, tmp_path: Path) -> None:
    source = SqliteSource(files=(sqlite_file(tmp_path / "x.db"),))
    entry = saved(tree, "notes", source)
    where = ground(vault, tree, (entry,), {"notes": source})
    where.cancel.set()  # type: ignore[attr-defined]
    with pytest.raises(Cancelled):
        level.examine(where)


def test_a_server_that_is_not_there_fails_the_level_and_says_what_to_install(
    vault: SmallVault, tree: Path
) -> None:
    lies(tree, "erp").mkdir(parents=True)
    facts = {"server": "PostgreSQL 99.1", "databases": {"erp": {"file": "erp.dump"}}}
    entry = SourceEntry("erp", "postgresql", (str(SAVED / "erp"),), facts=facts)
    found = level.examine(ground(vault, tree, (entry,), {}))
    (fault,) = found.faults
    assert (fault.code, found.verdict) == ("server-missing", "failed")
    assert "install the package postgresql" in fault.words


def test_a_sample_says_that_objects_of_buckets_were_not_tested(
    vault: SmallVault, tree: Path
) -> None:
    entry = SourceEntry("images", "bucket", ("/var/kept/images",))
    found = level.examine(ground(vault, tree, (entry,), {}, whole=False))
    assert faults(found) == set()
    assert found.not_tested == ("images: its objects are outside of the sample",)
    # Nothing was: it says so and does not pass for that.
    assert found.verdict == "not tested"


def test_a_source_that_the_plan_saves_by_now_and_the_snapshot_does_not_hold_is_told(
    vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    source = SqliteSource(files=(tmp_path / "new.db",))
    empty = SourceEntry("erp", "sqlite", (str(SAVED / "erp"),), facts={"databases": {}})
    lies(tree, "erp").mkdir(parents=True)
    found = level.examine(ground(vault, tree, (empty,), {"erp": source, "notes": source}))
    assert found.verdict == "not tested"
    assert set(found.not_tested) == {
        "erp: it held no database when it was saved",
        "notes: the snapshot does not hold it, though the plan saves it by now",
    }
    asking = {"one": {"source": "erp", "sql": "SELECT 1", "equals": "1"}}
    found = level.examine(ground(vault, tree, (empty,), {"erp": source}, assertions=asking))
    assert [fault.code for fault in found.faults] == ["assertion-failed"]


def test_a_command_that_asks_a_database_is_never_run_without_it(
    vault: SmallVault, tree: Path, tmp_path: Path
) -> None:
    file = sqlite_file(tmp_path / "x.db")
    asking = {"source": "notes", "command": ["/bin/sh", "-c", 'printf %s "$DRILL_DATABASE"']}
    found = examined(vault, tree, file, assertions={"one": {**asking, "equals": ""}})
    # The only one that there is, also where it is not named.
    assert [fault.words for fault in found.faults] == ["the answer is not the one that is expected"]
    ran = tmp_path / "ran"
    asking = {"source": "notes", "database": "lost", "command": ["/bin/touch", str(ran)]}
    tree.rename(tree.with_name("before"))
    tree.mkdir()
    found = examined(vault, tree, file, assertions={"one": asking})
    assert [fault.words for fault in found.faults] == ["lost is not there to be asked"]
    assert not ran.exists()

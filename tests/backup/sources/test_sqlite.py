"""SQLite databases: copied while others write, checked, and put back in one transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.sources import kinds
from secvault.backup.sources.loading import Wish, differences
from secvault.config.backup_sources import SqliteSource
from secvault.errors import (
    BackupFailed,
    Cancelled,
    ConfigurationError,
    Conflict,
    Damaged,
    InvalidInput,
)
from secvault.store import migrate, open_store
from tests.backup.sources.turns import entry, files, turn


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A database with a log beside it (WAL), under a name that is no plain word."""
    folder = tmp_path / "thư mục ?mode=x#1"
    folder.mkdir()
    file = folder / "sổ lương.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA user_version=7")
        connection.execute('CREATE TABLE staff (id INTEGER PRIMARY KEY, name, "pay ""x""" REAL)')
        connection.executemany(
            "INSERT INTO staff VALUES (?, ?, ?)", [(n, f"Trần Văn Đức {n}", n) for n in range(500)]
        )
        connection.execute("CREATE VIEW names AS SELECT name FROM staff")
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(body)")
        connection.execute("INSERT INTO words VALUES ('bảng lương')")
        connection.commit()
    file.chmod(0o640)
    return file


def source(*paths: Path) -> SqliteSource:
    return SqliteSource(files=paths)


def content(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_copy_is_one_file_that_holds_what_the_log_beside_the_database_holds(
    live: Path, tmp_path: Path
) -> None:
    mine = turn(tmp_path)
    with closing(sqlite3.connect(live)) as user:
        user.execute("INSERT INTO staff VALUES (1000, 'mới', 1)")
        user.commit()
        assert Path(f"{live}-wal").stat().st_size > 0
        staged = kinds.stage(source(live), mine)
    copy = mine.folder / str(live).lstrip("/")
    assert files(mine.folder) == [str(copy.relative_to(mine.folder))]
    facts: Any = staged.facts
    one = facts["databases"][str(live)]
    # With the tables in which a virtual one keeps its rows.
    assert one["tables"]["staff"] == 501
    assert one["objects"] == {"view": 1, "virtual table": 1}
    assert (one["user_version"], one["mode"]) == (7, "0640")
    assert content(copy) == content(live)


def test_a_copy_is_of_one_moment_while_others_write(live: Path, tmp_path: Path) -> None:
    change(live, "CREATE TABLE pairs (a INTEGER, b INTEGER, filler TEXT)")
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(live, timeout=30)) as connection:
            number = 0
            while not over.is_set():
                number += 1
                connection.execute("INSERT INTO pairs VALUES (?, 1, ?)", (number, "x" * 4000))
                connection.execute("INSERT INTO pairs VALUES (?, 2, ?)", (number, "x" * 4000))
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            mine = turn(tmp_path)
            kinds.stage(source(live), mine)
            with closing(sqlite3.connect(mine.folder / str(live).lstrip("/"))) as copy:
                halves = copy.execute("SELECT a FROM pairs GROUP BY a HAVING count(*) <> 2")
                assert halves.fetchall() == []
    finally:
        over.set()
        writer.join()


def test_a_database_that_is_gone_comes_back_as_it_was(live: Path, tmp_path: Path) -> None:
    before = content(live)
    mine = turn(tmp_path)
    staged = kinds.stage(source(live), mine)
    what = entry("sqlite", staged)
    live.unlink()
    assert not kinds.look(what, source(live), mine)[0].there
    loaded = kinds.load(what, mine.folder, source(live), mine)
    assert content(live) == before
    assert live.stat().st_mode & 0o777 == 0o640
    assert differences(staged.facts, loaded.facts) == ()
    assert files(live.parent) == [live.name]


def test_it_is_put_beside_the_original_under_another_name(live: Path, tmp_path: Path) -> None:
    mine, other = turn(tmp_path), tmp_path / "other.db"
    what = entry("sqlite", kinds.stage(source(live), mine))
    kinds.load(what, mine.folder, source(other), mine, Wish({str(live): str(other)}))
    assert content(other) == content(live)
    with pytest.raises(InvalidInput, match="do not name"):
        kinds.load(what, mine.folder, source(other), mine)


def test_a_forged_snapshot_names_no_other_database_of_this_machine(
    live: Path, tmp_path: Path
) -> None:
    mine, other = turn(tmp_path), tmp_path / "other.db"
    staged = kinds.stage(source(live), mine)
    facts: Any = staged.facts
    name = "/../" + "../" * len(mine.folder.parts) + str(live).lstrip("/")
    assert (mine.folder / name.lstrip("/")).samefile(live)
    forged = {**facts, "databases": {name: facts["databases"][str(live)]}}
    what = entry("sqlite", replace(staged, facts=forged))
    with pytest.raises(Damaged, match="does not hold"):
        kinds.load(what, mine.folder, source(other), mine, Wish({name: str(other)}))
    assert not other.exists()


def test_what_is_there_is_replaced_only_if_that_is_said_also_for_those_who_have_it_open(
    live: Path, tmp_path: Path
) -> None:
    mine = turn(tmp_path)
    staged = kinds.stage(source(live), mine)
    what = entry("sqlite", staged)
    with closing(sqlite3.connect(live)) as user:
        user.execute("DELETE FROM staff")
        user.commit()
        with pytest.raises(Conflict, match="already"):
            kinds.load(what, mine.folder, source(live), mine)
        loaded = kinds.load(what, mine.folder, source(live), mine, Wish(replace=True))
        assert user.execute("SELECT count(*) FROM staff").fetchone() == (500,)
    assert differences(staged.facts, loaded.facts) == ()


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for at in range(4096, len(data) - 4096, 4096):
        data[at : at + 16] = b"\xff" * 16
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * 4096])


def foreign(file: Path) -> None:
    file.write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize("harm", [damaged, cut, foreign])
def test_a_damaged_database_is_not_saved(
    live: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(live)
    with pytest.raises((Damaged, BackupFailed), match="sổ lương"):
        kinds.stage(source(live), turn(tmp_path))


@pytest.mark.parametrize("harm", [damaged, cut, foreign])
def test_a_damaged_copy_replaces_nothing(
    live: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    before = content(live)
    mine = turn(tmp_path)
    what = entry("sqlite", kinds.stage(source(live), mine))
    copy = mine.folder / str(live).lstrip("/")
    harm(copy)
    with pytest.raises(Damaged):
        kinds.load(what, mine.folder, source(live), mine, Wish(replace=True))
    copy.unlink()
    with pytest.raises(Damaged, match="does not hold"):
        kinds.load(what, mine.folder, source(live), mine, Wish(replace=True))
    assert content(live) == before


def test_a_database_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    gone = tmp_path / "gone.db"
    with pytest.raises(SourceUnreadable, match=r"sources\.erp\.files: .*gone\.db"):
        kinds.stage(source(gone), turn(tmp_path))
    assert not gone.exists()


def test_a_copy_is_cancelled(live: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        kinds.stage(source(live), turn(tmp_path, cancel=cancel))


def test_lost_rows_are_named(live: Path, tmp_path: Path) -> None:
    mine = turn(tmp_path)
    staged = kinds.stage(source(live), mine)
    change(mine.folder / str(live).lstrip("/"), "DELETE FROM staff WHERE id > 100")
    into = source(tmp_path / "other.db")
    wish = Wish({str(live): str(tmp_path / "other.db")})
    loaded = kinds.load(entry("sqlite", staged), mine.folder, into, mine, wish)
    assert differences(staged.facts, loaded.facts) == (
        f"{live}: staff has 101 rows, saved were 500",
    )


def test_the_database_of_a_secvault_is_not_saved_with_its_keys(tmp_path: Path) -> None:
    own = tmp_path / "secvault.db"
    store = open_store(f"sqlite:///{own}")
    migrate.upgrade(store)
    store.close()
    with pytest.raises(ConfigurationError, match="vault = true"):
        kinds.stage(source(own), turn(tmp_path))

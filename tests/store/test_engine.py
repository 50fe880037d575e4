"""The store's two verbs, on both engines, under load, under a kill, and on broken files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, insert, select, text, update

from secvault.errors import (
    ConfigurationError,
    Conflict,
    Damaged,
    InvalidInput,
    StoreVersion,
    Unavailable,
)
from secvault.store import Store, migrate, open_store, tables
from secvault.store.engine import insert_unless_there
from tests.killed import wait_until_settled

ROOT = Path(__file__).parents[2]
MOUNT = {"path": "transit", "kind": "transit", "department": "it", "created_at": 1}
COUNTER = {"name": "policy", "value": 0}

# Adds one to the counter so many times, each in a transaction of its own that reads it first.
COUNT = """
import sys
from sqlalchemy import select, update
from secvault.store import open_store, tables
store = open_store(sys.argv[1])
epoch = tables.epoch
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    with store.write() as connection:
        now = connection.execute(select(epoch.c.value).with_for_update()).scalar_one()
        connection.execute(update(epoch).values(value=now + 1))
store.close()
"""

# Commits pairs of rows for ever and says which; the kill comes in the middle.
PAIRS = """
import sys
from sqlalchemy import insert
from secvault.store import open_store, tables
store = open_store(sys.argv[1])
number = 0
while True:
    with store.write() as connection:
        for half in ("a", "b"):
            connection.execute(insert(tables.audit_outbox).values(
                id=f"{number:08d}{half}", body=bytes(3000)))
            if number == 50 and half == "a":
                print("half", flush=True)
                sys.stdin.read()
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def sqlite_file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def program(text_: str, *arguments: str, **pipes: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text_, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        **pipes,
    )


def mounts(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(tables.mount.c.path)).scalars())


def test_a_write_is_there_afterwards_for_every_reader(any_store: Store, any_url: str) -> None:
    with any_store.write() as connection:
        connection.execute(insert(tables.mount).values(MOUNT))
    assert mounts(any_store) == ["transit"]
    other = open_store(any_url)
    assert mounts(other) == ["transit"]
    other.close()


def test_a_write_that_raises_leaves_nothing(any_store: Store) -> None:
    def fail_half_way() -> None:
        with any_store.write() as connection:
            connection.execute(insert(tables.mount).values(MOUNT))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert mounts(any_store) == []


def test_a_reader_sees_one_state_whatever_is_written_meanwhile(any_store: Store) -> None:
    with any_store.read() as reader:
        before = reader.execute(select(tables.mount.c.path)).all()
        with any_store.write() as writer:
            writer.execute(insert(tables.mount).values(MOUNT))
            assert mounts(any_store) == []
        after = reader.execute(select(tables.mount.c.path)).all()
    assert before == after == []
    assert mounts(any_store) == ["transit"]


def test_a_reader_cannot_write_and_a_writer_can_after_it(any_store: Store) -> None:
    for _ in range(20):
        with (
            pytest.raises(Unavailable, match=r"read-?only"),
            any_store.read() as connection,
        ):
            connection.execute(insert(tables.mount).values(MOUNT))
    # On PostgreSQL they share connections: none stays read-only.
    for number in range(20):
        with any_store.write() as connection:
            connection.execute(insert(tables.mount).values({**MOUNT, "path": str(number)}))
    assert len(mounts(any_store)) == 20


def test_a_row_that_is_there_already_is_a_conflict(any_store: Store) -> None:
    with any_store.write() as connection:
        connection.execute(insert(tables.mount).values(MOUNT))
    with pytest.raises(Conflict), any_store.write() as connection:
        connection.execute(insert(tables.mount).values(MOUNT))


def test_a_row_that_refers_to_nothing_is_a_conflict(any_store: Store) -> None:
    key = tables.named_key
    with pytest.raises(Conflict), any_store.write() as connection:
        connection.execute(
            insert(key).values(
                mount="nowhere",
                name="k",
                kind="aes256-gcm96",
                latest_version=1,
                min_decryption_version=1,
                min_encryption_version=0,
                exportable=False,
                imported=False,
                created_at=1,
            )
        )


def test_there_is_one_vault_in_a_store(any_store: Store) -> None:
    vault = {"created_at": 1, "seal": "file", "wrapped_root": b"x"}
    with any_store.write() as connection:
        connection.execute(insert(tables.vault).values(id="a", **vault))
    for other in ({"id": "b"}, {"id": "c", "one": 2}):
        with pytest.raises(Conflict), any_store.write() as connection:
            connection.execute(insert(tables.vault).values(**other, **vault))


def test_of_those_who_insert_the_same_row_at_once_one_does_and_none_fails(any_store: Store) -> None:
    def insert_it(number: int) -> bool:
        with any_store.write() as connection:
            return insert_unless_there(
                connection, tables.mount, {**MOUNT, "department": str(number)}
            )

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(insert_it, range(16))) == [False] * 15 + [True]


@pytest.mark.parametrize("value", [2**63, "\ud800"])
def test_a_value_that_no_column_holds_is_invalid_input(any_store: Store, value: object) -> None:
    column = tables.mount.c.path if isinstance(value, str) else tables.mount.c.created_at
    for verb in (any_store.read, any_store.write):
        with pytest.raises(InvalidInput, match="does not fit the database"), verb() as connection:
            connection.execute(select(tables.mount).where(column == value))


def test_threads_that_write_wait_for_each_other(any_store: Store) -> None:
    epoch = tables.epoch
    with any_store.write() as connection:
        connection.execute(insert(epoch).values(COUNTER))

    def add_one(_number: int) -> None:
        with any_store.write() as connection:
            now = connection.execute(select(epoch.c.value).with_for_update()).scalar_one()
            connection.execute(update(epoch).values(value=now + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(40)))
    with any_store.read() as connection:
        assert connection.execute(select(epoch.c.value)).scalar_one() == 40


def test_processes_that_write_wait_for_each_other(any_store: Store, any_url: str) -> None:
    with any_store.write() as connection:
        connection.execute(insert(tables.epoch).values(COUNTER))
    counting = [
        program(COUNT, any_url, "25", stdin=PIPE, stdout=PIPE, stderr=PIPE) for _ in range(3)
    ]
    for one in counting:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in counting:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in counting:
        _, complaint = one.communicate(timeout=300)
        assert one.returncode == 0, complaint
    with any_store.read() as connection:
        assert connection.execute(select(tables.epoch.c.value)).scalar_one() == 75


def test_a_writer_killed_in_the_middle_leaves_whole_transactions(
    any_store: Store, any_url: str
) -> None:
    child = program(PAIRS, any_url, stdin=PIPE, stdout=PIPE)
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        if line == "half\n":
            break
        acknowledged = int(line)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    outbox = tables.audit_outbox
    with any_store.read() as connection:
        found = set(connection.execute(select(outbox.c.id)).scalars())
    assert acknowledged == 49
    assert found == {f"{number:08d}{half}" for number in range(50) for half in "ab"}
    if any_store.dialect == "sqlite":
        with any_store.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    with any_store.write() as connection:
        connection.execute(insert(outbox).values(id="next", body=b""))


@pytest.mark.slow
@pytest.mark.parametrize("lasting", ["", "lasting=False"])
def test_a_writer_killed_at_any_moment_loses_nothing_that_it_said(
    any_url: str, lasting: str
) -> None:
    store = open_store(any_url)
    outbox = tables.audit_outbox
    chance = random.Random(7)
    pairs = PAIRS.replace("50", "-1").replace("write()", f"write({lasting})")
    for _ in range(3):
        with store.write() as connection:
            connection.execute(outbox.delete())
        child = program(pairs, any_url, stdin=PIPE, stdout=PIPE)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.2))
        child.kill()
        said = child.stdout.read()
        child.communicate(timeout=60)
        wait_until_settled(store)
        # The last line may be cut, but then it says nothing yet.
        whole = [int(line) for line in (first + said).split("\n")[:-1]]
        with store.read() as connection:
            found = set(connection.execute(select(outbox.c.id)).scalars())
        assert {f"{number:08d}{half}" for number in whole for half in "ab"} <= found
        assert len(found) in (2 * len(whole), 2 * len(whole) + 2)
    store.close()


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_sqlite_writes_ahead_to_disk_and_checks_references(sqlite_store: Store) -> None:
    for engine in (sqlite_store.writer, sqlite_store.reader):
        assert pragma(engine, "journal_mode") == "wal"
        assert pragma(engine, "synchronous") == 2  # FULL
        assert pragma(engine, "foreign_keys") == 1
        assert pragma(engine, "secure_delete") == 1
        assert pragma(engine, "busy_timeout") == 30_000
    assert pragma(sqlite_store.reader, "query_only") == 1
    assert pragma(sqlite_store.writer, "query_only") == 0


@pytest.mark.real
def test_postgresql_answers_a_commit_when_it_is_on_disk(postgresql_url: str) -> None:
    store = open_store(postgresql_url)
    with store.write() as connection:
        # The throwaway server's own default is off.
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "30s"
    with store.read() as connection:
        shown = connection.execute(text("SHOW transaction_isolation")).scalar_one()
        assert shown == "repeatable read"
    store.close()


def _waits_for_the_disk(store: Store, *, lasting: bool) -> bool:
    name = "PRAGMA synchronous" if store.dialect == "sqlite" else "SHOW synchronous_commit"
    with store.write(lasting=lasting) as connection:
        return connection.exec_driver_sql(name).scalar_one() in (2, "on")


def test_only_a_write_that_need_not_last_does_not_wait_for_the_disk(any_store: Store) -> None:
    def failing() -> None:
        with any_store.write(lasting=False) as connection:
            connection.execute(insert(tables.mount).values(MOUNT))
            raise KeyError

    assert not _waits_for_the_disk(any_store, lasting=False)
    assert _waits_for_the_disk(any_store, lasting=True)
    with pytest.raises(KeyError):
        failing()
    assert _waits_for_the_disk(any_store, lasting=True)
    assert mounts(any_store) == []


def test_a_new_sqlite_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/secvault.db")
    migrate.upgrade(store)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes) == {"secvault.db", "secvault.db-wal", "secvault.db-shm"}
    assert set(modes.values()) == {0o600}
    store.close()


def test_the_path_of_a_sqlite_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=ro#%41"
    folder.mkdir()
    store = open_store(f"sqlite:///{folder}/x.db")
    assert migrate.upgrade(store) == (None, migrate.head())
    store.close()
    assert (folder / "x.db").stat().st_size > 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret-words",
        "mysql://u:secret-words@h/db",
        "sqlite://",
        "sqlite:///secret-words.db",
        "sqlite:///:memory:",
        "sqlite:////a\0secret-words",
        "postgresql://u:secret-words@h:port/db",
        "postgresql://u:secret-words@[::1/db",
        "oracle+cx://secret-words",
    ],
)
def test_another_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url: give sqlite") as caught:
        open_store(url)
    assert "secret-words" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_database_in_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/none/secvault.db")
    for verb in (store.read, store.write):
        with pytest.raises(Unavailable, match="unable to open database file"), verb():
            pass


@pytest.mark.parametrize("query", ["", "?connect_timeout=1"])
def test_a_server_that_is_not_there_is_unavailable_and_its_password_not_shown(query: str) -> None:
    store = open_store(f"postgresql://u:secret-words@127.0.0.1:1/db{query}")
    with pytest.raises(Unavailable, match="did not answer") as caught, store.read():
        pass
    assert "secret-words" not in str(caught.value)


@pytest.mark.real
@pytest.mark.parametrize("query", ["no_such_option=1", "sslmode=secret-words"])
def test_an_option_that_the_server_does_not_know_is_told(postgresql_url: str, query: str) -> None:
    store = open_store(f"postgresql://u@127.0.0.1/db?{query}")
    with pytest.raises((ConfigurationError, Unavailable)), store.read():
        pass


@pytest.mark.real
def test_connections_that_the_server_ended_are_replaced(migrated_postgresql_url: str) -> None:
    store = open_store(migrated_postgresql_url)
    end_others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    other = open_store(migrated_postgresql_url)
    with other.write() as connection:
        connection.execute(end_others)
    assert mounts(store) == []

    def lose_it_in_the_middle() -> None:
        with store.write() as connection:
            connection.execute(insert(tables.mount).values(MOUNT))
            with other.write() as ending:
                ending.execute(end_others)
            connection.execute(select(func.count()).select_from(tables.mount))

    with pytest.raises(Unavailable, match="did not answer"):
        lose_it_in_the_middle()
    assert mounts(store) == []
    store.close()
    other.close()


@pytest.mark.real
def test_a_table_without_the_right_to_it_is_unavailable(postgresql_url: str) -> None:
    store = open_store(postgresql_url)

    def look_at_passwords() -> None:
        with store.write() as connection:
            connection.execute(text("SET LOCAL ROLE pg_monitor"))
            connection.execute(text("SELECT rolpassword FROM pg_authid"))

    with pytest.raises(Unavailable, match="permission denied"):
        look_at_passwords()
    store.close()


def test_when_no_connection_comes_free_the_store_is_busy(sqlite_store: Store) -> None:
    pool: Any = sqlite_store.writer.pool
    pool._timeout = 0.01
    with (
        sqlite_store.write(),
        pytest.raises(Unavailable, match="no connection came free"),
        sqlite_store.write(),
    ):
        pass


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "secvault.db"
    file.write_bytes(b"not a database, but long enough to be taken for one. " * 100)
    store = open_store(f"sqlite:///{file}")
    for verb in (store.read, store.write):
        with pytest.raises(Damaged, match="not a database"), verb():
            pass


def test_a_broken_page_is_damage(sqlite_store: Store, sqlite_file: Path) -> None:
    with sqlite_store.write() as connection:
        rows = [{"id": f"{number:06d}", "body": bytes(500)} for number in range(200)]
        connection.execute(insert(tables.audit_outbox), rows)
    sqlite_store.close()
    content = bytearray(sqlite_file.read_bytes())
    for page in range(8192, len(content), 4096):
        content[page : page + 16] = b"\xff" * 16
    sqlite_file.write_bytes(content)
    broken = open_store(f"sqlite:///{sqlite_file}")
    with pytest.raises(Damaged, match="database is damaged"), broken.read() as connection:
        connection.execute(select(tables.audit_outbox)).all()
    broken.close()


WRONG: list[tuple[str, object]] = [
    ("wrapped_root", "text"),
    ("wrapped_root", 5),
    ("created_at", "text"),
    ("created_at", 1.5),
    ("created_at", b"bytes"),
    ("id", b"bytes"),
]


@pytest.mark.parametrize(("column", "value"), WRONG)
def test_a_value_of_another_type_in_sqlite_is_damage(
    sqlite_store: Store, sqlite_file: Path, column: str, value: object
) -> None:
    with sqlite_store.write() as connection:
        connection.execute(
            insert(tables.vault).values(id="v", created_at=1, seal="file", wrapped_root=b"x")
        )
    with closing(sqlite3.connect(sqlite_file)) as other:
        other.execute(f"UPDATE vault SET {column} = ?", (value,))
        other.commit()
    with pytest.raises(Damaged, match="not the type"), sqlite_store.read() as connection:
        connection.execute(select(tables.vault)).all()


def test_a_text_that_is_not_utf8_is_damage_and_not_shown(
    sqlite_store: Store, sqlite_file: Path
) -> None:
    with sqlite_store.write() as connection:
        connection.execute(insert(tables.mount).values({**MOUNT, "department": "readable"}))
    with closing(sqlite3.connect(sqlite_file)) as other:
        other.execute("UPDATE mount SET department = CAST(x'726561ff6461626c65' AS TEXT)")
        other.commit()
    with (
        pytest.raises(Damaged, match="a text is not UTF-8") as caught,
        sqlite_store.read() as connection,
    ):
        connection.execute(select(tables.mount)).all()
    assert "rea" not in str(caught.value).replace("read", "").replace("restore", "")


def test_a_schema_that_is_not_utf8_is_damage(sqlite_store: Store, sqlite_file: Path) -> None:
    sqlite_store.close()
    content = sqlite_file.read_bytes()
    assert b"CREATE TABLE mount (" in content
    sqlite_file.write_bytes(content.replace(b"CREATE TABLE mount (", b"CREATE TABLE mount \xce"))
    for verb in (sqlite_store.read, sqlite_store.write):
        with pytest.raises(Damaged, match="a text is not UTF-8"), verb() as connection:
            connection.execute(select(tables.vault)).all()


@dataclass(frozen=True)
class WholeFile:
    """A database with a few rows."""

    content: bytes = field(repr=False)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> WholeFile:
    file = tmp_path_factory.mktemp("whole") / "secvault.db"
    shutil.copy(migrated_file, file)
    store = open_store(f"sqlite:///{file}")
    with store.write() as connection:
        connection.execute(insert(tables.mount).values(MOUNT))
        connection.execute(
            insert(tables.vault).values(id="v", created_at=1, seal="file", wrapped_root=bytes(61))
        )
    store.close()
    return WholeFile(file.read_bytes())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_anywhere_in_the_file_is_never_an_error_without_a_name(
    tmp_path: Path, whole_file: WholeFile, place: int, bit: int
) -> None:
    file = tmp_path / "flipped.db"
    for left in tmp_path.glob("flipped.db*"):
        left.unlink()
    content = bytearray(whole_file.content)
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content)
    store = open_store(f"sqlite:///{file}")
    # Another error than ours, or one for which the caller would be to blame, fails the test.
    with suppress(Damaged, StoreVersion, Unavailable):
        migrate.require_current(store)
        with store.read() as connection:
            for table in (tables.mount, tables.vault, tables.named_key):
                connection.execute(select(table)).all()
    store.close()

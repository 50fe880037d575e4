"""The copy of the database: of one moment, whole, and put away after a drill looked into it."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import Connection, func, insert, select

from secvault.backup.database import (
    PostgresqlPrograms,
    copy_database,
    drop_leftovers,
    opened_copy,
    scratch_database,
)
from secvault.errors import BackupFailed, ConfigurationError, Damaged
from secvault.store import Store, migrate, open_store, tables

PROGRAMS = PostgresqlPrograms()


def add_nodes(store: Store, *names: str) -> None:
    with store.write() as connection:
        for name in names:
            connection.execute(insert(tables.node).values(id=name, started_at=1, beat_at=1))


def kept_elsewhere(_state: Connection) -> None:
    """For tests in which there are no data keys."""


def add_data_key(store: Store, wrapped: bytes) -> None:
    with store.write() as connection:
        connection.execute(
            insert(tables.data_key).values(
                collection="payroll", subject="nv-1", wrapped=wrapped, created_at=1
            )
        )


def data_keys(connection: Connection) -> list[bytes]:
    return list(connection.execute(select(tables.data_key.c.wrapped)).scalars())


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.node)).scalar_one()


@dataclass
class Spy:
    """Starts programs, and keeps how."""

    seen: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def __call__(self, argv: list[str], **more: Any) -> subprocess.CompletedProcess[bytes]:
        self.seen.append((argv, more["env"]))
        return subprocess.run(argv, **more)  # noqa: PLW1510 - as it is asked to


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.mkdir()
    return made


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/a +folder?%20.db")
    migrate.upgrade(store)
    add_nodes(store, "a")
    yield store
    store.close()


@pytest.fixture
def postgresql_store(postgresql_url: str) -> Iterator[Store]:
    store = open_store(postgresql_url)
    migrate.upgrade(store)
    add_nodes(store, "a")
    yield store
    store.close()


def databases(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def opens(folder: Path, live: Store, name: str = "secvault_drill_x") -> int:
    with opened_copy(folder, live, PROGRAMS, name) as copy:
        return count(copy)


def test_the_copy_holds_whole_transactions_while_others_go_on_writing(
    sqlite_store: Store, folder: Path
) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            add_nodes(sqlite_store, f"left-{number}", f"right-{number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            place = folder / str(number)
            place.mkdir()
            copy_database(sqlite_store, place, PROGRAMS, kept_elsewhere)
            assert opens(place, sqlite_store) % 2 == 1
    finally:
        stop.set()
        writer.join(300)


def test_the_copy_is_one_file_that_only_its_owner_reads(sqlite_store: Store, folder: Path) -> None:
    made = copy_database(sqlite_store, folder, PROGRAMS, kept_elsewhere)

    assert (made.dialect, made.audit_size) == ("sqlite", 0)
    assert [one.name for one in folder.iterdir()] == ["secvault.db"]
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600


def test_no_data_key_is_in_the_copy_and_all_are_kept_elsewhere(
    sqlite_store: Store, folder: Path
) -> None:
    wrapped = secrets.token_bytes(65)
    add_data_key(sqlite_store, wrapped)
    seen: list[bytes] = []
    made = copy_database(
        sqlite_store, folder, PROGRAMS, lambda state: seen.extend(data_keys(state))
    )
    assert seen == [wrapped]
    assert [path.name for path in folder.iterdir()] == ["secvault.db"]
    assert wrapped not in made.file.read_bytes()
    with closing(sqlite3.connect(made.file)) as copy:
        assert copy.execute("SELECT count(*) FROM data_key").fetchone() == (0,)
        assert copy.execute("SELECT count(*) FROM keys_here").fetchone() == (0,)
    with sqlite_store.read() as connection:
        assert data_keys(connection) == [wrapped]


def test_a_copy_with_changed_pages_is_named_damaged(sqlite_store: Store, folder: Path) -> None:
    file = copy_database(sqlite_store, folder, PROGRAMS, kept_elsewhere).file
    content = bytearray(file.read_bytes())
    content[4096 : len(content) // 2] = secrets.token_bytes(len(content) // 2 - 4096)
    file.write_bytes(content)

    with pytest.raises(Damaged):
        opens(folder, sqlite_store)


def test_a_copy_whose_rows_refer_to_nothing_is_named_damaged(
    sqlite_store: Store, folder: Path
) -> None:
    file = copy_database(sqlite_store, folder, PROGRAMS, kept_elsewhere).file
    with closing(sqlite3.connect(file)) as copy, copy:
        copy.execute(
            "INSERT INTO record_field (collection, record, field, envelope)"
            " VALUES ('payroll', 'gone', 'bank', x'00')"
        )

    with pytest.raises(Damaged, match="refer to rows that do not exist, first in record_field"):
        opens(folder, sqlite_store)


def test_a_snapshot_without_a_database_is_named_damaged(sqlite_store: Store, folder: Path) -> None:
    with pytest.raises(Damaged, match="holds no database"):
        opens(folder, sqlite_store)


def test_a_copy_of_the_other_engine_says_what_is_needed(sqlite_store: Store, folder: Path) -> None:
    (folder / "secvault.pgdump").write_bytes(b"PGDMP")

    with pytest.raises(BackupFailed, match=r"store\.url"):
        opens(folder, sqlite_store)


def test_the_name_of_a_drills_database_is_plain_and_its_own(sqlite_store: Store) -> None:
    ids = [
        f"drill:{'a-long-name-' * 9}{end}:2026-11-24T04:00:00Z"
        for end in ("a-nightly", "b-nightly")
    ]
    names = {scratch_database(sqlite_store, one) for one in ids}

    assert len(names) == 2
    assert all(len(name) <= 63 and name.islower() and name.isidentifier() for name in names)


def test_a_program_that_is_not_there_says_what_to_set(tmp_path: Path) -> None:
    store = open_store("postgresql://secvault:hidden@127.0.0.1:1/db")
    programs = PostgresqlPrograms(tmp_path)

    with pytest.raises(ConfigurationError, match=r"backup\.pg_bin") as refused:
        programs.run("pg_dump", store.writer.url, [])
    assert "hidden" not in str(refused.value)


def test_what_a_program_quotes_of_rows_is_not_repeated() -> None:
    said = (
        b'pg_restore: error: COPY failed for table "person": ERROR:  duplicate key value\n'
        b"DETAIL:  Key (name)=(lan.tran) already exists.\n"
        b'CONTEXT:  COPY person, line 1: "lan.tran $argon2id$v=19$hash"\n'
    )

    def launch(argv: list[str], **_more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(argv, 1, b"", said)

    url = open_store("postgresql:///vault").writer.url
    with pytest.raises(BackupFailed, match="pg_restore ended with 1") as caught:
        PostgresqlPrograms(launch=launch).run("pg_restore", url, [])
    assert "duplicate key value" in caught.value.detail
    assert "lan.tran" not in caught.value.detail
    assert "argon2id" not in caught.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clerk:h%20idden@db.test:6432/vault?sslmode=require&sslpassword=hidden2",
        "postgresql:///vault?host=/run/one&user=clerk&password=h%20idden",
    ],
)
def test_no_password_stands_in_an_argument_list(url: str) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def launch(argv: list[str], **more: Any) -> subprocess.CompletedProcess[bytes]:
        seen.append((argv, more["env"]))
        return subprocess.CompletedProcess(argv, 0, b"", b"")

    PostgresqlPrograms(launch=launch).run("pg_dump", open_store(url).writer.url, [])
    ((argv, environment),) = seen

    assert "idden" not in " ".join(argv)
    assert environment["PGPASSWORD"] == "h idden"
    assert "clerk" in " ".join(argv)
    assert ("sslmode=require" in " ".join(argv)) == ("sslmode" in url)


@pytest.mark.real
def test_a_postgresql_copy_comes_back_and_leaves_no_database(
    postgresql_store: Store, postgresql_url: str, folder: Path
) -> None:
    spy = Spy()
    made = copy_database(postgresql_store, folder, PostgresqlPrograms(launch=spy), kept_elsewhere)
    add_nodes(postgresql_store, "later")
    name = scratch_database(postgresql_store, "drill:nightly:2026-11-24T04:00:00Z")
    with opened_copy(folder, postgresql_store, PostgresqlPrograms(launch=spy), name) as copy:
        assert name in databases(postgresql_url)
        assert count(copy) == 1

    assert name not in databases(postgresql_url)
    assert count(postgresql_store) == 2
    assert (made.dialect, made.audit_size) == ("postgresql", 0)
    password = urlsplit(postgresql_url).password
    assert len(spy.seen) == 2
    for argv, environment in spy.seen:
        assert not password or not any(password in word for word in argv)
        assert environment.get("PGPASSWORD") == password
        assert environment.keys() <= {"PATH", "LANG", "LC_ALL", "HOME", "TZ", "PGPASSWORD"}


@pytest.mark.real
def test_a_postgresql_dump_has_no_data_key_and_what_is_kept_is_of_its_moment(
    postgresql_store: Store, folder: Path
) -> None:
    add_data_key(postgresql_store, b"\x01" * 65)
    seen: list[bytes] = []

    def keep(state: Connection) -> None:
        # Made after the dump began, and in neither.
        with postgresql_store.write() as connection:
            connection.execute(
                insert(tables.data_key).values(
                    collection="payroll", subject="nv-2", wrapped=b"\x02" * 65, created_at=2
                )
            )
        seen.extend(data_keys(state))

    copy_database(postgresql_store, folder, PROGRAMS, keep)
    assert seen == [b"\x01" * 65]
    name = scratch_database(postgresql_store, "drill-keys")
    with opened_copy(folder, postgresql_store, PROGRAMS, name) as copy, copy.read() as connection:
        assert data_keys(connection) == []
        assert connection.execute(select(tables.keys_here)).all() == []
        assert connection.execute(select(tables.record.c.id)).all() == []


@pytest.mark.real
def test_a_drills_database_is_dropped_when_the_drill_fails(
    postgresql_store: Store, postgresql_url: str, folder: Path
) -> None:
    copy_database(postgresql_store, folder, PROGRAMS, kept_elsewhere)

    def look() -> None:
        with opened_copy(folder, postgresql_store, PROGRAMS, "secvault_drill_fails") as copy:
            assert count(copy) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        look()
    assert "secvault_drill_fails" not in databases(postgresql_url)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def garbled(content: bytes) -> bytes:
    return content[:200] + os.urandom(len(content) - 200)


@pytest.mark.real
@pytest.mark.parametrize("damage", [cut, garbled])
def test_a_damaged_dump_is_a_finding_and_leaves_no_database(
    postgresql_store: Store,
    postgresql_url: str,
    folder: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    dump = copy_database(postgresql_store, folder, PROGRAMS, kept_elsewhere).file
    dump.write_bytes(damage(dump.read_bytes()))
    name = f"secvault_drill_{damage.__name__}"

    with pytest.raises(Damaged, match="pg_restore ended with"):
        opens(folder, postgresql_store, name)
    assert name not in databases(postgresql_url)


@pytest.mark.real
def test_leftovers_of_killed_drills_go_and_no_others(
    postgresql_store: Store, postgresql_url: str
) -> None:
    dead, alive = (scratch_database(postgresql_store, one) for one in ("dead", "alive"))
    elsewhere = f"secvault_drill_{'0' * 8}_{secrets.token_hex(16)}"
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        for name in (dead, alive, elsewhere):
            server.execute(f"CREATE DATABASE {name}")
        try:
            drop_leftovers(postgresql_store, lambda: frozenset({alive}))
            assert databases(postgresql_url) >= {alive, elsewhere}
            assert dead not in databases(postgresql_url)

            def made_meanwhile() -> frozenset[str]:
                server.execute(f"CREATE DATABASE {dead}")
                return frozenset({alive})

            drop_leftovers(postgresql_store, made_meanwhile)
            assert dead in databases(postgresql_url)
        finally:
            for name in (dead, alive, elsewhere):
                server.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.mark.real
def test_a_role_that_may_not_make_databases_is_told_what_it_lacks(
    postgresql_store: Store, postgresql_url: str, folder: Path
) -> None:
    copy_database(postgresql_store, folder, PROGRAMS, kept_elsewhere)
    role, password = f"role_{secrets.token_hex(6)}", secrets.token_hex(8)
    at = urlsplit(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        try:
            place = f"{role}:{password}@{at.hostname}:{at.port}"
            weak = open_store(at._replace(netloc=place).geturl())
            with pytest.raises(BackupFailed, match="CREATEDB") as refused:
                opens(folder, weak)
            assert password not in str(refused.value)
            weak.close()
        finally:
            server.execute(f"DROP ROLE {role}")

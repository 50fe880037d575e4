"""The databases of the range on which drills are tried: one of each kind, and other people's."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from tests.conftest import asked_of_mariadb

ROWS = 60
OWNER_PASSWORD = "the clerk's own passphrase"


@dataclass(frozen=True)
class Databases:
    """What the plan saves beside files. erp: a PostgreSQL database, owned by a role of its own;
    shop: one of MariaDB; notes: a SQLite file; other: databases of other people on the servers.
    """

    postgresql: str
    mariadb: str
    erp: str
    role: str
    shop: str
    notes: Path
    other_erp: str
    other_shop: str


def dumped_erp(made: Databases, database: str) -> bytes:
    """A dump of a PostgreSQL database as the source makes one."""
    at = urlsplit(made.postgresql)
    return subprocess.run(
        ["pg_dump", f"--host={at.hostname}", f"--port={at.port}", f"--username={at.username}",
         f"--dbname={database}", "--format=custom", "--compress=0"],
        env={**os.environ, "PGPASSWORD": at.password or ""}, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip


def dumped_shop(made: Databases, database: str) -> bytes:
    """A dump of a MariaDB database as the source makes one."""
    at = urlsplit(made.mariadb)
    return subprocess.run(
        ["mariadb-dump", "--no-defaults", f"--host={at.hostname}", f"--port={at.port}",
         f"--user={at.username}", "--single-transaction", "--routines", "--triggers", "--hex-blob",
         "--skip-dump-date", "--", database],
        env={**os.environ, "MYSQL_PWD": at.password or ""}, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip


@contextmanager
def copy_of_erp(made: Databases) -> Iterator[str]:
    """A copy of the PostgreSQL database, to be spoilt and dumped; dropped after.

    Its name is as long as that of the original, which is put in its place in the dump.
    """
    name = f"erp_{secrets.token_hex(5)}"
    server = made.postgresql
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(made.erp))
        )
        try:
            yield name
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def copy_of_shop(made: Databases) -> Iterator[str]:
    """The same of the MariaDB database."""
    name = f"shop_{secrets.token_hex(5)}"
    server = made.mariadb
    asked_of_mariadb(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        for table in ("parts", "orders"):
            of = f"{made.shop}.{table}"
            asked_of_mariadb(server, f"CREATE TABLE {name}.{table} LIKE {of}")
            asked_of_mariadb(server, f"INSERT INTO {name}.{table} SELECT * FROM {of}")
        yield name
    finally:
        asked_of_mariadb(server, f"DROP DATABASE {name}")


@contextmanager
def databases_on(folder: Path, postgresql: str, mariadb: str) -> Iterator[Databases]:
    """Databases on these servers, with people's own beside them; dropped at the end."""
    mark = secrets.token_hex(5)
    notes = folder / "notes" / "notes.db"
    made = Databases(
        postgresql, mariadb, f"erp_{mark}", f"clerk_{mark}", f"shop_{mark}", notes,
        f"other_erp_{mark}", f"other_shop_{mark}",
    )  # fmt: skip
    _make_notes(notes)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(made.role), OWNER_PASSWORD)
        )
        for name in (made.erp, made.other_erp):
            connection.execute(
                SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(made.role))
            )
    _fill_erp(made)
    for name in (made.shop, made.other_shop):
        asked_of_mariadb(mariadb, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    _fill_shop(made)
    try:
        yield made
    finally:
        for name in (made.shop, made.other_shop):
            asked_of_mariadb(mariadb, f"DROP DATABASE {name}")
        with psycopg.connect(postgresql, autocommit=True) as connection:
            for name in (made.erp, made.other_erp):
                connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(made.role)))


def _fill_erp(made: Databases) -> None:
    with psycopg.connect(made.postgresql, dbname=made.erp) as connection:
        connection.execute("CREATE TABLE staff (id int PRIMARY KEY, name text, paid numeric(12,2))")
        connection.execute("CREATE TABLE bill (id int PRIMARY KEY, sum numeric(12,2) NOT NULL)")
        connection.execute(
            "INSERT INTO staff SELECT n, 'Nhân viên ' || n, n * 1000.25"
            f" FROM generate_series(1, {ROWS}) n"
        )
        connection.execute(
            f"INSERT INTO bill SELECT n, n * 17.5 FROM generate_series(1, {2 * ROWS}) n"
        )
        for table in ("staff", "bill"):
            connection.execute(
                SQL("ALTER TABLE {} OWNER TO {}").format(Identifier(table), Identifier(made.role))
            )
    with psycopg.connect(made.postgresql, dbname=made.other_erp) as connection:
        connection.execute("CREATE TABLE visitors (id int PRIMARY KEY)")
        connection.execute("INSERT INTO visitors SELECT generate_series(1, 7)")


def _fill_shop(made: Databases) -> None:
    numbers = ", ".join(f"({n}, 'Phụ tùng {n}', {n}.50)" for n in range(1, ROWS + 1))
    orders = ", ".join(f"({n}, {n * 3})" for n in range(1, ROWS + 1))
    for statement in (
        f"CREATE TABLE {made.shop}.parts (id int PRIMARY KEY, name varchar(99), price dec(10,2))",
        f"CREATE TABLE {made.shop}.orders (id int PRIMARY KEY, number int NOT NULL)",
        f"INSERT INTO {made.shop}.parts VALUES {numbers}",
        f"INSERT INTO {made.shop}.orders VALUES {orders}",
        f"CREATE TABLE {made.other_shop}.guests (id int PRIMARY KEY)",
        f"INSERT INTO {made.other_shop}.guests VALUES (1), (2)",
    ):
        asked_of_mariadb(made.mariadb, statement)


def _make_notes(file: Path) -> None:
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, said TEXT, cost INTEGER)")
        connection.execute("CREATE TABLE tag (id INTEGER PRIMARY KEY, word TEXT)")
        rows = [(n, f"Ghi chú số {n} " * 20, n * 7) for n in range(1, ROWS + 1)]
        connection.executemany("INSERT INTO note VALUES (?, ?, ?)", rows)
        connection.executemany("INSERT INTO tag VALUES (?, ?)", [(n, f"t{n}") for n in range(20)])
        connection.commit()

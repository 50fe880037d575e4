"""Every kind of source: saved by an old and a new restic, into a folder and S3, and put back."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from secvault.backup.run import snapshots
from secvault.service import authentication, backups
from secvault.service.backup_restores import Wanted, restore_parts
from secvault.service.spine import Caller
from tests.conftest import S3Server, asked_of_mariadb
from tests.running_service import House

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.usefixtures("quick_repositories"),
]

PLAN = "nightly"
PLANS = "SECVAULT_BACKUP__PLANS__NIGHTLY"
SOURCES = f"{PLANS}__SOURCES"
NAMES = ("B\u1ea3ng l\u01b0\u01a1ng", "it's; \N{SNOWMAN}", "")


@dataclass(frozen=True)
class Guarded:
    """One thing that a source saves. said: its content; spoil: loses it."""

    settings: dict[str, Any]
    said: Callable[[], object]
    spoil: Callable[[], object]


def postgresql(server: str, database: str, form: str) -> Guarded:
    at = urlsplit(server)

    def ask(statement: str) -> Any:
        with psycopg.connect(server, dbname=database) as connection:
            found = connection.execute(SQL(statement))
            return found.fetchall() if found.description else None

    ask("CREATE TABLE staff (id int PRIMARY KEY, name text NOT NULL, paid numeric(12, 2))")
    ask("CREATE INDEX by_name ON staff (name); CREATE VIEW rich AS SELECT * FROM staff")
    with psycopg.connect(server, dbname=database) as connection:
        rows = [(number, name, number / 4) for number, name in enumerate(NAMES)]
        connection.cursor().executemany("INSERT INTO staff VALUES (%s, %s, %s)", rows)
    settings = {
        "kind": "postgresql",
        "format": form,
        "host": at.hostname,
        "port": at.port,
        "user": at.username,
        "password": at.password,
        "databases": [database],
        "with_globals": False,
    }
    return Guarded(
        settings,
        lambda: (
            ask("SELECT * FROM staff ORDER BY id"),
            ask("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
            ask("SELECT definition FROM pg_views WHERE schemaname = 'public'"),
        ),
        lambda: ask("DROP VIEW rich; DELETE FROM staff; DROP INDEX by_name"),
    )


def mariadb(url: str) -> Guarded:
    at = urlsplit(url)
    name = at.path.lstrip("/")

    def ask(statement: str) -> str:
        return asked_of_mariadb(url, f"USE {name}; {statement}")

    ask("CREATE TABLE parts (id int PRIMARY KEY, name varchar(99), price decimal(10, 2))")
    ask(f"INSERT INTO parts VALUES (1, '{NAMES[0]}', 12.50), (2, 'x', NULL)")
    ask("CREATE PROCEDURE cheap() SELECT * FROM parts WHERE price < 20")
    settings = {
        "kind": "mariadb",
        "host": at.hostname,
        "port": at.port,
        "user": at.username,
        "password": at.password,
        "databases": [name],
        "with_users": False,
    }
    return Guarded(
        settings,
        lambda: (
            ask("SELECT * FROM parts ORDER BY id"),
            ask("SHOW PROCEDURE STATUS WHERE Db = DATABASE()").split()[:2],
        ),
        lambda: ask("DELETE FROM parts; DROP PROCEDURE cheap"),
    )


def sqlite(file: Path) -> Guarded:
    def ask(statement: str) -> list[Any]:
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute(statement).fetchall()
            connection.commit()
            return found

    ask("CREATE TABLE note (id INTEGER PRIMARY KEY, said TEXT)")
    ask(f"INSERT INTO note (said) VALUES ('{NAMES[0]}'), (x'00ff')")
    return Guarded(
        {"kind": "sqlite", "files": [str(file)]},
        lambda: (ask("SELECT * FROM note ORDER BY id"), ask("SELECT sql FROM sqlite_master")),
        lambda: ask("DELETE FROM note"),
    )


def command(file: Path) -> Guarded:
    file.write_bytes(bytes(range(256)) * 99)
    return Guarded(
        {
            "kind": "command",
            "command": ["/bin/cat", str(file)],
            "restore_command": ["/bin/dd", f"of={file}", "status=none"],
        },
        file.read_bytes,
        lambda: file.write_bytes(b""),
    )


def bucket(server: S3Server) -> Guarded:
    client, name = server.client(), server.new_bucket()
    for number, key in enumerate(NAMES[:2]):
        client.put_object(
            Bucket=name,
            Key=key,
            Body=b"x" * number,
            Metadata={"of": str(number)},
            ContentType="a/b",
        )

    def said() -> list[object]:
        found: list[object] = []
        for key in NAMES[:2]:
            one = client.get_object(Bucket=name, Key=key)
            found.append((one["Body"].read(), one["Metadata"], one["ContentType"]))
        return found

    settings = {
        "kind": "bucket",
        "location": f"s3:{server.endpoint}/{name}",
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
    }
    return Guarded(settings, said, lambda: client.delete_object(Bucket=name, Key=NAMES[0]))


def folders(tree: Path) -> Guarded:
    """What else a file system holds, `tests/backup/test_files_restored.py` puts back."""
    (tree / "deep").mkdir(parents=True)
    file, link = tree / "deep" / NAMES[0], tree / "link"
    file.write_bytes(b"one" * 99)
    file.chmod(0o640)
    link.symlink_to("deep")

    def said() -> list[tuple[object, ...]]:
        found = [(path, path.lstat()) for path in sorted(tree.rglob("*"))]
        return [
            (path.name, there.st_mode, there.st_mtime_ns, path.is_file() and path.read_bytes())
            for path, there in found
        ]

    def spoil() -> None:
        file.write_bytes(b"two")
        file.chmod(0o600)
        link.unlink()

    return Guarded({"kind": "folders", "paths": [str(tree)]}, said, spoil)


@pytest.fixture(params=["a folder", "a bucket"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of the repository `local`."""
    table = "SECVAULT_BACKUP__REPOSITORIES__LOCAL"
    if request.param == "a folder":
        return {f"{table}__LOCATION": str(tmp_path / "repository")}
    server: S3Server = request.getfixturevalue("s3_server")
    return {
        f"{table}__LOCATION": f"s3:{server.endpoint}/{server.new_bucket()}",
        f"{table}__ACCESS_KEY_ID": server.access_key,
        f"{table}__SECRET_ACCESS_KEY": server.secret_key,
    }


@pytest.fixture(params=["the machine's", "a newer one"])
def restic(request: pytest.FixtureRequest) -> str:
    if request.param == "the machine's":
        return "restic"
    return str(request.getfixturevalue("newer_restic"))


def variables(table: str, settings: dict[str, Any]) -> dict[str, str]:
    """The same as the environment says it."""
    return {
        f"{table}__{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
        if value is not None
    }


@pytest.fixture
def new_databases(postgresql_server: str) -> Iterator[tuple[str, str]]:
    """Two empty databases, dropped after the test."""
    names = tuple(f"every_{secrets.token_hex(6)}" for _ in range(2))
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield names[0], names[1]
        for name in names:
            connection.execute(
                SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
            )


def test_what_every_kind_of_source_saves_comes_back_as_it_was(
    house: House,
    restic: str,
    repository: dict[str, str],
    postgresql_server: str,
    new_databases: tuple[str, str],
    mariadb_url: str,
    s3_server: S3Server,
    tmp_path: Path,
) -> None:
    custom, plain = new_databases
    guarded = {
        "erp": postgresql(postgresql_server, custom, "custom"),
        "ledger": postgresql(postgresql_server, plain, "plain"),
        "shop": mariadb(mariadb_url),
        "notes": sqlite(tmp_path / "notes.db"),
        "sayings": command(tmp_path / "sayings"),
        "uploads": bucket(s3_server),
        "files": folders(tmp_path / "files"),
    }
    more = {f"{PLANS}__VAULT": "false", "SECVAULT_BACKUP__RESTIC": restic, **repository}
    for name, one in guarded.items():
        more |= variables(f"{SOURCES}__{name.upper()}", one.settings)
    with replace(house, more=more).open() as service:
        operator = Caller(authentication.local_operator(service))
        before = {name: one.said() for name, one in guarded.items()}
        backups.run_backup(service, operator, PLAN, lambda _: None, Event())
        for one in guarded.values():
            one.spoil()
        spoilt = {name: one.said() for name, one in guarded.items() if name != "uploads"}
        assert not [name for name, said in spoilt.items() if said == before[name]]
        (snapshot,) = snapshots(service.backups, PLAN)
        back = Wanted(PLAN, snapshot=snapshot.id, original=True, existing="overwrite")
        done = restore_parts(
            service, operator, replace(back, sources=(*guarded,)), lambda *_: None, Event()
        )

        assert {name: one.said() for name, one in guarded.items()} == before
        assert [one.differences for one in done.loads] == [() for _ in done.loads]

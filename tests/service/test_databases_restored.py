"""Databases and buckets restored through the service, from and into real servers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import psycopg
import pytest

from secvault.backup.restic_process import NeverCancelled
from secvault.backup.run import snapshots
from secvault.config.backup_sources import (
    BucketSource,
    MariadbSource,
    PostgresqlSource,
    SqliteSource,
)
from secvault.errors import ApprovalRequired, Conflict, InvalidInput
from secvault.service import Service, authentication, backups
from secvault.service.backup_restore_goals import same_place
from secvault.service.backup_restores import Wanted, preview_restore, request_restore, restore_parts
from secvault.service.spine import Caller
from tests.conftest import S3Server
from tests.running_service import House
from tests.service.approval_house import staffed

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

PLAN = "nightly"
SOURCES = "SECVAULT_BACKUP__PLANS__NIGHTLY__SOURCES"
INTO = "SECVAULT_BACKUP__RESTORE_INTO"


def login(url: str, table: str, database: str) -> dict[str, str]:
    """The settings of a source or a target that name one database of the server."""
    server = urlsplit(url)
    given = {
        "KIND": "postgresql",
        "HOST": server.hostname,
        "PORT": server.port,
        "USER": server.username,
        "PASSWORD": server.password or "",
        "DATABASES": json.dumps([database]),
        "WITH_GLOBALS": "false",
    }
    return {f"{table}__{key}": str(value) for key, value in given.items() if value != ""}


@pytest.fixture
def database(postgresql_url: str) -> str:
    """The name of a database with a table of fifty rows."""
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE staff (id int PRIMARY KEY)")
        connection.execute("INSERT INTO staff SELECT generate_series(1, 50)")
    return urlsplit(postgresql_url).path.lstrip("/")


@pytest.fixture
def loading(house: House, postgresql_server: str, database: str, tmp_path: Path) -> House:
    """A vault that saves that database, and may load it anew beside itself, and notes elsewhere."""
    notes = tmp_path / "notes.db"
    with closing(sqlite3.connect(notes)) as made:
        made.execute("CREATE TABLE note (text)")
        made.execute("INSERT INTO note VALUES ('one')")
        made.commit()
    more = {
        "SECVAULT_BACKUP__PLANS__NIGHTLY__VAULT": "false",
        **login(postgresql_server, f"{SOURCES}__ERP", database),
        **login(postgresql_server, f"{INTO}__BESIDE", f"{database}_copy"),
        f"{SOURCES}__NOTES__KIND": "sqlite",
        f"{SOURCES}__NOTES__FILES": json.dumps([str(notes)]),
        f"{INTO}__COPY__KIND": "sqlite",
        f"{INTO}__COPY__FILES": json.dumps([str(tmp_path / "copy.db")]),
        f"{INTO}__OWN__KIND": "sqlite",
        f"{INTO}__OWN__FILES": json.dumps([str(house.settings.data_folder / "secvault.db")]),
    }
    return replace(house, more=more)


@pytest.fixture
def service(loading: House) -> Iterator[Service]:
    """The open service of it, with one snapshot."""
    with loading.open() as opened:
        operator = Caller(authentication.local_operator(opened))
        backups.run_backup(opened, operator, PLAN, lambda _: None, Event())
        yield opened


def rows(server: str, database: str) -> int:
    with psycopg.connect(server, dbname=database) as connection:
        found = connection.execute("SELECT count(*) FROM staff").fetchone()
    assert found is not None
    return int(found[0])


def test_a_database_is_loaded_beside_the_original_and_over_it_only_when_told(
    service: Service, postgresql_server: str, database: str
) -> None:
    operator = Caller(authentication.local_operator(service))
    beside = Wanted(PLAN, sources=("erp",), into="beside", names=((database, f"{database}_copy"),))
    seen = preview_restore(service, operator, beside, NeverCancelled())
    assert [(one.into, one.there) for one in seen.preview.loads[0].meets] == [
        (f"{database}_copy", False)
    ]
    # The same server is where the plan saves from.
    assert seen.production
    done = restore_parts(service, operator, beside, lambda *_: None, Event())
    try:
        assert rows(postgresql_server, f"{database}_copy") == 50
    finally:
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{database}_copy"')  # type: ignore[arg-type]
    assert [one.differences for one in done.loads] == [()]

    with psycopg.connect(postgresql_server, dbname=database) as connection:
        connection.execute("DELETE FROM staff")
    (snapshot,) = snapshots(service.backups, PLAN)
    back = Wanted(PLAN, snapshot=snapshot.id, sources=("erp",), original=True)
    with pytest.raises(Conflict, match="already"):
        restore_parts(service, operator, back, lambda *_: None, Event())
    assert rows(postgresql_server, database) == 0
    done = restore_parts(
        service, operator, replace(back, existing="overwrite"), lambda *_: None, Event()
    )
    assert [one.differences for one in done.loads] == [()]
    assert rows(postgresql_server, database) == 50


def test_where_a_plan_saves_from_needs_another_person_and_a_copy_elsewhere_does_not(
    service: Service, loading: House, database: str, tmp_path: Path
) -> None:
    staff = staffed(service, loading)
    staff.hire("binh")
    beside = Wanted(PLAN, sources=("erp",), into="beside", names=((database, f"{database}_copy"),))
    with pytest.raises(ApprovalRequired):
        request_restore(service, staff.an, beside)
    notes, copy = str(tmp_path / "notes.db"), str(tmp_path / "copy.db")
    elsewhere = Wanted(PLAN, sources=("notes",), into="copy", names=((notes, copy),))
    restore_parts(service, staff.an, elsewhere, lambda *_: None, Event())
    with closing(sqlite3.connect(copy)) as found:
        assert found.execute("SELECT text FROM note").fetchall() == [("one",)]
    own = str(service.settings.data_folder / "secvault.db")
    onto = Wanted(PLAN, sources=("notes",), into="own", names=((notes, own),), existing="overwrite")
    with pytest.raises(InvalidInput, match="secvault's own"):
        request_restore(service, staff.an, onto)
    with pytest.raises(InvalidInput, match="is of the kind sqlite, not postgresql"):
        request_restore(service, staff.an, replace(elsewhere, sources=("erp",), names=()))
    with pytest.raises(InvalidInput, match="there are: beside, copy, own"):
        request_restore(service, staff.an, replace(elsewhere, into="nowhere"))


def test_a_bucket_is_put_back_and_into_another_and_its_objects_are_counted(
    house: House, s3_server: S3Server
) -> None:
    client, name = s3_server.client(), s3_server.new_bucket()
    other = s3_server.new_bucket()
    for number in range(3):
        client.put_object(Bucket=name, Key=f"Bảng lương/{number}", Body=b"x" * number)

    def at(table: str, bucket: str) -> dict[str, str]:
        return {
            f"{table}__KIND": "bucket",
            f"{table}__LOCATION": f"s3:{s3_server.endpoint}/{bucket}",
            f"{table}__ACCESS_KEY_ID": s3_server.access_key,
            f"{table}__SECRET_ACCESS_KEY": s3_server.secret_key,
        }

    more = {
        "SECVAULT_BACKUP__PLANS__NIGHTLY__VAULT": "false",
        **at(f"{SOURCES}__UPLOADS", name),
        **at(f"{INTO}__OTHER", other),
    }
    with replace(house, more=more).open() as service:
        operator = Caller(authentication.local_operator(service))
        backups.run_backup(service, operator, PLAN, lambda _: None, Event())
        (snapshot,) = snapshots(service.backups, PLAN)
        client.delete_object(Bucket=name, Key="Bảng lương/2")
        for wanted, bucket in (
            (Wanted(PLAN, sources=("uploads",), into="other"), other),
            (
                Wanted(
                    PLAN,
                    snapshot=snapshot.id,
                    sources=("uploads",),
                    original=True,
                    existing="overwrite",
                ),
                name,
            ),
        ):
            done = restore_parts(service, operator, wanted, lambda *_: None, Event())
            assert [one.differences for one in done.loads] == [()]
            listed = client.list_objects_v2(Bucket=bucket)["Contents"]
            assert [(one["Key"], one["Size"]) for one in listed] == [
                (f"Bảng lương/{number}", number) for number in range(3)
            ]


POSTGRESQL, MARIADB = PostgresqlSource(host="db"), MariadbSource(host="db")
NOTES = SqliteSource(files=(Path("/srv/notes.db"),))
BUCKET = BucketSource(location="s3:https://s3.example.com/uploads")


@pytest.mark.parametrize(
    ("target", "same"),
    [
        (POSTGRESQL, True),
        (PostgresqlSource(host="db", port=5432), True),
        (PostgresqlSource(host="DB."), True),
        (PostgresqlSource(host="db", port=5433), False),
        (PostgresqlSource(host="other"), False),
        (MARIADB, True),
        (MariadbSource(host="db", port=3307), False),
        (SqliteSource(files=(Path("/srv/../srv/notes.db"),)), True),
        (SqliteSource(files=(Path("/srv/other.db"),)), False),
        (BucketSource(location="s3:https://s3.example.com/uploads/"), True),
        (BucketSource(location="s3:https://s3.example.com/uploads/part"), True),
        (BucketSource(location="s3:https://s3.example.com/uploads-copy"), False),
    ],
)
def test_the_same_place_is_known_by_its_names(target: object, same: bool) -> None:
    sources = (POSTGRESQL, MARIADB, NOTES, BUCKET)
    assert any(same_place(target, source) for source in sources) is same  # type: ignore[arg-type]


def test_this_machine_is_one_place_by_all_of_its_names() -> None:
    here = [PostgresqlSource(host=host) for host in ("", "localhost", "127.0.0.1", "::1")]
    assert all(same_place(one, other) for one in here for other in here)

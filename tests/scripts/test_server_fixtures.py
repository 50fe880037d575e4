"""What the fixtures of the real servers promise to every other test."""

from __future__ import annotations

import os
import subprocess
from typing import Any
from urllib.parse import urlsplit

import hvac
import psycopg
import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.real


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_a_postgresql_database_of_its_own(postgresql_url: str, turn: int) -> None:
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE alone (n INTEGER)")
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding), current_database() "
            "FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == ("UTF8", urlsplit(postgresql_url).path[1:])


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_a_mariadb_database_of_its_own(mariadb_url: str, turn: int) -> None:
    at = urlsplit(mariadb_url)
    where = [f"--host={at.hostname}", f"--port={at.port}", f"--user={at.username}", at.path[1:]]
    done = subprocess.run(
        ["mariadb", "--no-defaults", "-N", "-e", "CREATE TABLE alone (n INT); SHOW TABLES", *where],
        env={**os.environ, "MYSQL_PWD": at.password or ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "alone\n"


def test_a_bucket_is_empty_and_its_objects_can_be_deleted(s3_server: Any) -> None:
    bucket, client = s3_server.new_bucket(), s3_server.client()
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    client.delete_object(Bucket=bucket, Key="a")
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_locked_bucket_keeps_every_version_until_its_day(s3_server: Any) -> None:
    bucket, client = s3_server.new_bucket(object_lock_days=1), s3_server.client()
    version = client.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    retention = client.get_object_retention(Bucket=bucket, Key="a", VersionId=version)["Retention"]
    assert retention["Mode"] == "COMPLIANCE"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(
            Bucket=bucket, Key="a", VersionId=version, BypassGovernanceRetention=True
        )


def test_openbao_is_unsealed_and_root_may_use_transit(openbao: Any) -> None:
    client = hvac.Client(openbao.addr, openbao.token)
    assert not client.sys.is_sealed()
    client.secrets.transit.create_key("fixture-check")
    assert "fixture-check" in client.secrets.transit.list_keys()["data"]["keys"]


def test_no_secret_shows_when_a_fixture_is_printed(s3_server: Any, openbao: Any) -> None:
    assert s3_server.secret_key not in repr(s3_server)
    assert openbao.token not in repr(openbao)

"""What every test may ask for: real servers, and the number of examples that hypothesis tries.

`scripts/test` has the servers up already and names them in SVTEST_* variables. Without these, a
server is started when the first test asks for it, and ends with the test run.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from botocore.config import Config
from hypothesis import settings

from secvault.store import Store, migrate, open_store
from tests.spare_databases import SpareDatabases

pytest_plugins = ["tests.telling", "tests.quick_repository"]

SERVICES = Path(__file__).parents[1] / "scripts" / "services"

settings.register_profile(
    "secvault", deadline=None, max_examples=int(os.environ.get("SVTEST_EXAMPLES", "50"))
)
settings.load_profile("secvault")
# Until all tests are known nothing is garbage, and looking for any takes as long as knowing them.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from now on, among what is made from now on."""
    gc.freeze()
    gc.enable()


@dataclass(frozen=True)
class GoCompiler:
    """The program `go`. sources: a GOPATH that holds golang.org/x/mod."""

    program: str
    sources: str

    def build(self, source: Path, target: Path) -> None:
        """Compile one file to a program."""
        cache = {"GOCACHE": str(target.parent / "cache")}
        subprocess.run(
            [self.program, "build", "-o", str(target), str(source)],
            env={**os.environ, **cache, "GO111MODULE": "off", "GOPATH": self.sources},
            check=True,
            capture_output=True,
        )


@dataclass(frozen=True)
class S3Server:
    """A real S3 server (Ceph RADOS Gateway) and an account on it. Addressed by path.

    guest: another user, `secvault-guest`, who may do what the policy of a bucket allows.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    guest_access_key: str = ""
    guest_secret_key: str = field(default="", repr=False)

    def client(self) -> Any:
        """A boto3 client of this account."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                signature_version="s3v4",
                # Whatever the environment says of proxies: it is on this machine.
                proxies={},
            ),
        )

    def new_bucket(self, object_lock_days: int | None = None) -> str:
        """A new empty bucket's name; with days: versioned, every object locked (COMPLIANCE)."""
        name = f"bucket-{secrets.token_hex(6)}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock_days is not None)
        if object_lock_days is not None:
            retention = {"Mode": "COMPLIANCE", "Days": object_lock_days}
            client.put_object_lock_configuration(
                Bucket=name,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": retention},
                },
            )
        return name


@dataclass(frozen=True)
class OpenBao:
    """An unsealed OpenBao server with `transit/` mounted. token: root's. audit: its audit file.

    All tests of a run share it: name keys and policies so that they do not meet.
    """

    addr: str
    token: str = field(repr=False)
    audit: str


@dataclass(frozen=True)
class Hsm:
    """A token of an HSM in software. All tests of a run share it: name keys so that they differ."""

    module: Path
    token: str
    pin: str = field(repr=False)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a superuser on a real PostgreSQL; for a database of your own: postgresql_url."""
    with _served("postgresql", "SVTEST_POSTGRESQL") as variables:
        yield variables["SVTEST_POSTGRESQL"]


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database, dropped after the test."""
    with _database(postgresql_server) as url:
        yield url


@pytest.fixture
def empty_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of another fresh PostgreSQL database, for what comes back elsewhere."""
    with _database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_databases(postgresql_server: str) -> Iterator[SpareDatabases]:
    """Migrated PostgreSQL databases, used again and again, as `migrated_file` is copied."""
    databases = SpareDatabases(postgresql_server)
    yield databases
    databases.close()


@pytest.fixture
def migrated_postgresql_url(migrated_databases: SpareDatabases) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database with no more rows than a fresh one."""
    with migrated_databases.lent() as url:
        yield url


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template1")
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """The URL of an administrator on a real MariaDB; for a database of your own: mariadb_url."""
    with _served("mariadb", "SVTEST_MARIADB") as variables:
        yield variables["SVTEST_MARIADB"]


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """The URL `mariadb://user:password@host:port/name` of a fresh database, dropped after."""
    name = f"test_{secrets.token_hex(6)}"
    asked_of_mariadb(mariadb_server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield urlsplit(mariadb_server)._replace(path=f"/{name}").geturl()
    asked_of_mariadb(mariadb_server, f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server; make buckets with its `new_bucket`."""
    names = (
        "SVTEST_S3_ENDPOINT",
        "SVTEST_S3_ACCESS_KEY",
        "SVTEST_S3_SECRET_KEY",
        "SVTEST_S3_GUEST_ACCESS_KEY",
        "SVTEST_S3_GUEST_SECRET_KEY",
    )
    with _served("s3", *names) as variables:
        yield S3Server(*(variables[name] for name in names))


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBao]:
    """A real OpenBao server."""
    names = ("SVTEST_OPENBAO_ADDR", "SVTEST_OPENBAO_TOKEN", "SVTEST_OPENBAO_AUDIT")
    with _served("openbao", *names) as variables:
        yield OpenBao(*(variables[name] for name in names))


@pytest.fixture(scope="session")
def hsm() -> Iterator[Hsm]:
    """A token of SoftHSM."""
    names = (
        "SVTEST_PKCS11_MODULE",
        "SVTEST_PKCS11_TOKEN",
        "SVTEST_PKCS11_PIN",
        "SOFTHSM2_CONF",
    )
    with _served("softhsm", *names) as variables:
        # Its library reads the variable itself, when it is loaded.
        os.environ["SOFTHSM2_CONF"] = variables["SOFTHSM2_CONF"]
        yield Hsm(Path(variables[names[0]]), variables[names[1]], variables[names[2]])


@pytest.fixture(scope="session")
def go() -> Iterator[GoCompiler]:
    """Go with its library for transparency logs."""
    names = ("SVTEST_GO", "SVTEST_GO_SOURCES")
    with _served("go", *names) as variables:
        yield GoCompiler(*(variables[name] for name in names))


@pytest.fixture(scope="session")
def soffice() -> Iterator[str]:
    """The program of LibreOffice, with Calc."""
    with _served("libreoffice", "SVTEST_SOFFICE") as variables:
        yield variables["SVTEST_SOFFICE"]


@pytest.fixture(scope="session")
def rsyslogd() -> Iterator[str]:
    """The program of rsyslog, with its driver for TLS."""
    with _served("rsyslog", "SVTEST_RSYSLOGD") as variables:
        yield variables["SVTEST_RSYSLOGD"]


@pytest.fixture(scope="session")
def newer_restic() -> Iterator[str]:
    """The program of a restic of 0.18 or later; the one in the PATH may be Debian 12's 0.14."""
    with _served("restic", "SVTEST_NEWER_RESTIC") as variables:
        yield variables["SVTEST_NEWER_RESTIC"]


@contextmanager
def _served(service: str, *names: str) -> Iterator[Mapping[str, str]]:
    """The variables that say where a service is; it is started if the environment has them not.

    It ends when our end of a pipe closes, that is, also when this process is killed.
    """
    if all(name in os.environ for name in names):
        yield os.environ
        return
    hold = "import json, os, sys; print(json.dumps({**os.environ}), flush=True); sys.stdin.read()"
    command = [str(SERVICES), "run", "--only", service, "--", sys.executable, "-c", hold]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        line = child.stdout.readline()
        if not line:
            pytest.fail(f"{service} did not start: {child.stderr.read()}", pytrace=False)
        yield json.loads(line)


def asked_of_mariadb(server: str, statement: str) -> str:
    """What the server at this URL answers, a line for each row, columns with tabs between them."""
    at = urlsplit(server)
    where = ["--no-defaults", f"--host={at.hostname}", f"--port={at.port}", f"--user={at.username}"]
    done = subprocess.run(
        ["mariadb", *where, "--batch", "--skip-column-names", f"--execute={statement}"],
        env={**os.environ, "MYSQL_PWD": at.password or ""},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def any_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each engine; a SQLite file in a folder of its own."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    folder = tmp_path / "data"
    folder.mkdir()
    return f"sqlite:///{folder}/secvault.db"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "empty.db"
    store = open_store(f"sqlite:///{file}")
    migrate.upgrade(store)
    store.close()
    return file


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite database."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated_file, folder / "secvault.db")
    return f"sqlite:///{folder}/secvault.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def any_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database, once of each engine."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("migrated_postgresql_url"))


@pytest.fixture
def any_store(any_url: str) -> Iterator[Store]:
    """A store of this program's schema, once on each engine."""
    store = open_store(any_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """A store of this program's schema in a SQLite file."""
    store = open_store(sqlite_url)
    yield store
    store.close()

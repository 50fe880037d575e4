"""No secret of a backup in argument lists, environments of others, logs, records or errors.

Looked for while it runs, in every process of this machine that the kernel shows.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from secvault.backup.repository import KEYS
from secvault.config import load
from secvault.store import open_store
from tests.acceptance.installation import PROGRAM, Installation, family, new_installation

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("quick_repositories"),
]

PLAN = "weekly"
HANGING_SECONDS = 600
# Who may have what in its environment, and nobody else has.
HOLDERS = {
    "s3 secret": {"restic", "setpriv"},
    "database password": {"pg_dump"},
    "repository password": set(),
    "data keys' password": set(),
}


@dataclass
class Watched:
    """What was seen: secrets by their names, and the programs that had them.

    argued: in an argument list; held: in an environment. programs: all that were looked into.
    """

    argued: set[tuple[str, str]] = field(default_factory=set)
    held: set[tuple[str, str]] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)


def look(secrets: Mapping[str, bytes], ours: set[int], seen: Watched) -> None:
    """Look once at every process; at the environments of ours alone, the tests' own have these."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes() if int(process.name) in ours else b""
            program = (process / "comm").read_text().strip()
            if environment:
                seen.programs.add(program)
            seen.argued |= {(name, program) for name, it in secrets.items() if it in command}
            seen.held |= {(name, program) for name, it in secrets.items() if it in environment}


@contextmanager
def watching(pid: int, secrets: Mapping[str, bytes]) -> Iterator[Watched]:
    """Look as often as can be while the block runs; at the process, and at what it starts."""
    over, seen = threading.Event(), Watched()

    def watch() -> None:
        while not over.wait(0.002):
            look(secrets, set(family(pid)), seen)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture
def installation(s3_server: Any, postgresql_url: str, tmp_path: Path) -> Iterator[Installation]:
    """A vault over PostgreSQL as a user with a password, and a plan that saves into a bucket.

    Every secret stands in the file of settings, as most people have it.
    """
    role, password = f"{urlsplit(postgresql_url).path[1:]}_vault", "a-password-of-the-database"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{password}'")
    at = urlsplit(postgresql_url)
    url = at._replace(netloc=f"{role}:{password}@{at.hostname}:{at.port}").geturl()
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(24):
        (documents / f"{number}.bin").write_bytes(os.urandom(1 << 20))
    more = (
        f'[store]\nurl = "{url}"\n'
        f'[backup.plans.{PLAN}]\nrepository = "bucket"\nfolders = ["{documents}"]\n'
        f'[backup.repositories.bucket]\nlocation = "s3:{s3_server.endpoint}/'
        f'{s3_server.new_bucket()}/vault"\n'
        f'access_key_id = "{s3_server.access_key}"\n'
        f'secret_access_key = "{s3_server.secret_key}"\n'
    )
    try:
        yield new_installation(tmp_path, more)
    finally:
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def secrets_of(installation: Installation) -> dict[str, bytes]:
    """The secrets that a run uses, by name."""
    settings = load(Path(installation.environment["SECVAULT_CONFIG"]), {})
    bucket = settings.backup.repositories["bucket"]
    with installation.opened() as service:
        engine = service.backups
        return {
            "s3 secret": bucket.secret_access_key.get_secret_value().encode(),
            "database password": str(service.store.writer.url.password).encode(),
            "repository password": engine.repository("bucket").password.expose(),
            "data keys' password": engine.repository(f"bucket{KEYS}").password.expose(),
        }


def everything_stored(installation: Installation) -> bytes:
    """All rows of all tables, as text."""
    store = open_store(load(Path(installation.environment["SECVAULT_CONFIG"]), {}).store_url)
    try:
        with store.read() as connection:
            names = connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ).scalars()
            return b"\n".join(
                str(row).encode()
                for name in names.all()
                for row in connection.execute(text(f'SELECT to_jsonb(t) FROM "{name}" t'))
            )
    finally:
        store.close()


def test_no_secret_of_a_run_can_be_seen_while_it_works_or_afterwards(
    installation: Installation,
) -> None:
    # The repositories are made by this first one, in this process.
    installation.ok("backup", "run", PLAN)
    secrets = secrets_of(installation)
    assert all(len(secret) > 12 for secret in secrets.values())

    with subprocess.Popen(
        [*PROGRAM, "backup", "run", PLAN], env=installation.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process, watching(process.pid, secrets) as seen:  # fmt: skip
        said, _ = process.communicate(timeout=HANGING_SECONDS)
    assert process.returncode == 0, said
    # It has looked at those that have something to hide, and while they had it.
    assert {"restic", "pg_dump"} <= seen.programs
    assert ("s3 secret", "restic") in seen.held
    assert ("database password", "pg_dump") in seen.held
    assert seen.argued == set()
    assert {(name, who) for name, who in seen.held if who not in HOLDERS[name]} == set()

    refused = installation.run(
        "backup", "run", PLAN, SECVAULT_BACKUP__REPOSITORIES__BUCKET__SECRET_ACCESS_KEY="wrong-one!"
    )
    assert refused.returncode == 1
    assert "refuses the credentials" in refused.stderr
    listed = installation.ok("backup", "list", "--json")
    words = b"\n".join(
        [said, refused.stdout.encode(), refused.stderr.encode(), listed.encode(),
         everything_stored(installation)]
    )  # fmt: skip
    assert {name for name, secret in secrets.items() if secret in words} == set()
    assert b"wrong-one!" not in words
    logs = [one for one in installation.data.rglob("*") if one.is_file()]
    assert {
        (one.name, name)
        for one in logs
        for name, secret in secrets.items()
        if secret in one.read_bytes()
    } == set()

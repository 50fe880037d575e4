"""A real PostgreSQL with databases that are worth saving."""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.conftest import SERVICES


@pytest.fixture
def server(postgresql_server: str) -> SplitResult:
    return urlsplit(postgresql_server)


@pytest.fixture
def own_server() -> Iterator[SplitResult]:
    """A PostgreSQL of this test alone: all of its databases can be saved, and it can be killed."""
    with tempfile.TemporaryDirectory() as temporary:
        # Its own account, if we are root, must reach it.
        Path(temporary).chmod(0o711)
        folder = f"{temporary}/server"
        start = [str(SERVICES), "start", "--dir", folder, "--only", "postgresql", "--json"]
        told = subprocess.run(start, check=True, capture_output=True).stdout
        try:
            yield urlsplit(json.loads(told)["SVTEST_POSTGRESQL"])
        finally:
            subprocess.run([str(SERVICES), "stop", "--dir", folder], check=True)


@pytest.fixture
def new_database(postgresql_server: str) -> Iterator[Callable[[str], str]]:
    """Makes a database with a table of staff; its name ends with what is given."""
    made: list[str] = []

    def make(ending: str) -> str:
        name = f"{secrets.token_hex(4)} {ending}"
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        made.append(name)
        with psycopg.connect(postgresql_server, dbname=name) as connection:
            connection.execute("CREATE TABLE staff (id serial PRIMARY KEY, name text, pay numeric)")
            connection.execute(
                "INSERT INTO staff (name, pay) SELECT 'Nguyễn Thị Ánh ' || n, n * 1.5 "
                "FROM generate_series(1, 1000) AS n"
            )
        return name

    yield make
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        for name in made:
            connection.execute(
                SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
            )

"""A real PostgreSQL with databases that are worth saving."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier


@pytest.fixture
def server(postgresql_server: str) -> SplitResult:
    return urlsplit(postgresql_server)


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

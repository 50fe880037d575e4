"""Passwords of accounts: told apart by a fingerprint, read out of scripts that are never run."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.sources.logins import fingerprint, of_mariadb, of_postgresql

POSTGRESQL = r"""
\restrict abc
SET client_encoding = 'UTF8';
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN CONNECTION LIMIT 5 PASSWORD 'SCRAM-SHA-256$4096:a$b:c';
CREATE ROLE "Chủ ""kho"";";
ALTER ROLE "Chủ ""kho"";" WITH SUPERUSER LOGIN PASSWORD 'it''s' VALID UNTIL '2027-01-01';
CREATE ROLE nobody;
ALTER ROLE nobody WITH NOLOGIN;
GRANT app TO nobody;
"""
MARIADB = """
CREATE USER IF NOT EXISTS `mariadb.sys`@`localhost` ACCOUNT LOCK PASSWORD EXPIRE;
CREATE USER `root`@`localhost` IDENTIFIED VIA mysql_native_password USING 'x' OR unix_socket;
CREATE USER `a``p``p`@`%` IDENTIFIED BY PASSWORD '*AB';
GRANT ALL PRIVILEGES ON *.* TO `a``p``p`@`%` IDENTIFIED BY PASSWORD '*CD' WITH GRANT OPTION;
"""


def test_roles_of_postgresql_and_their_passwords_are_read(tmp_path: Path) -> None:
    script = tmp_path / "globals.sql"
    script.write_text(POSTGRESQL, "utf-8")
    roles, passwords = of_postgresql(script)
    odd = 'Chủ "kho";'
    assert roles == {"app", odd, "nobody"}
    assert passwords == {
        "app": fingerprint("app", "SCRAM-SHA-256$4096:a$b:c"),
        odd: fingerprint(odd, "it's"),
    }


def test_users_of_mariadb_are_read_with_all_that_says_how_they_are_known(tmp_path: Path) -> None:
    script = tmp_path / "users.sql"
    script.write_text(MARIADB, "utf-8")
    users = of_mariadb(script)
    assert set(users) == {"mariadb.sys@localhost", "root@localhost", "a`p`p@%"}
    assert users["mariadb.sys@localhost"] == ()
    assert fingerprint("root@localhost", "x") in users["root@localhost"][0]
    # A grant gives another password than the account was made with.
    created, granted = users["a`p`p@%"]
    assert (fingerprint("a`p`p@%", "*AB") in created, fingerprint("a`p`p@%", "*AB") in granted) == (
        True,
        False,
    )


def test_the_same_password_of_another_account_has_another_fingerprint() -> None:
    assert fingerprint("a", "x") != fingerprint("b", "x")
    assert "x" * 8 not in fingerprint("a", "x" * 8)


@given(st.binary(max_size=2000))
def test_any_script_is_read_without_an_error(content: bytes) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        of_postgresql(Path(file.name))
        of_mariadb(Path(file.name))

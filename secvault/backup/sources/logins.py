"""Accounts of a database server: which passwords they had when they were saved, told by a
fingerprint, and which a script of accounts gives them. The script is read, and never run for that.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

LOGINS = "logins"
"""Where the fingerprints stand in a source's facts, by the name of the account."""
_MOST_LINES = 1_000_000
_LONGEST_LINE = 1 << 16

# As pg_dumpall writes it. A name in quotes may hold any character, a line break included.
_NAME = r'("(?:[^"]|"")+"|[^\s";\']+)'
_ROLE = re.compile(rf"^CREATE ROLE {_NAME};$")
_PASSWORD = re.compile(
    rf"^ALTER ROLE {_NAME} WITH [A-Z ]*?(?:CONNECTION LIMIT -?\d+ )?PASSWORD '((?:[^']|'')*)'"
)
# As mariadb-dump writes it; grants repeat how somebody is known.
_PART = r"`((?:[^`]|``)*)`"
_USER = re.compile(
    rf"^(CREATE USER (?:IF NOT EXISTS )?|GRANT .* TO ){_PART}@{_PART}(?: (IDENTIFIED .*))?.*;$"
)
_TEXT = re.compile(r"'((?:[^'\\]|\\.|'')*)'")


def fingerprint(name: str, stored: str) -> str:
    """What tells a stored password (a verifier, as the server keeps it) from another of its."""
    return hashlib.sha256(f"{name}\0{stored}".encode()).hexdigest()[:32]


def of_postgresql(script: Path) -> tuple[frozenset[str], dict[str, str]]:
    """The roles that pg_dumpall's script makes, and the fingerprints of their passwords.

    Raises OSError.
    """
    roles: set[str] = set()
    passwords: dict[str, str] = {}
    for line in _lines(script):
        if found := _ROLE.match(line):
            roles.add(_unquoted(found[1]))
        elif found := _PASSWORD.match(line):
            name = _unquoted(found[1])
            passwords[name] = fingerprint(name, found[2].replace("''", "'"))
    return frozenset(roles), passwords


def of_mariadb(script: Path) -> dict[str, tuple[frozenset[str], ...]]:
    """The users that mariadb-dump's script makes, `user@host`; for each place that says how one is
    known, the fingerprints of what it names. Raises OSError."""
    users: dict[str, tuple[frozenset[str], ...]] = {}
    for line in _lines(script):
        if found := _USER.match(line):
            name = f"{found[2].replace('``', '`')}@{found[3].replace('``', '`')}"
            told = [fingerprint(name, _plain(text)) for text in _TEXT.findall(found[4] or "")]
            users[name] = (*users.get(name, ()), *([frozenset(told)] if told else []))
    return users


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.replace("''", "'"))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _lines(script: Path) -> list[str]:
    with script.open(encoding="utf-8", errors="replace", newline="\n") as source:
        return [
            line.rstrip("\n")
            for _, line in zip(range(_MOST_LINES), source, strict=False)
            if len(line) <= _LONGEST_LINE
        ]

"""Whether the accounts in a dump have the passwords that their server had; see `logins`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secvault.backup.sources import logins
from secvault.backup.sources.mariadb import USERS
from secvault.backup.sources.postgresql import GLOBALS
from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged


def same(kind: str, saved: Path, told: Mapping[str, JsonValue]) -> dict[str, bool | None]:
    """For each account whether its password is the one that was told; None: it is not there.

    told: fingerprints as the source recorded them. Raises Damaged where the script is not there.
    """
    script = saved / (GLOBALS if kind == "postgresql" else USERS)
    if script.is_symlink() or not script.is_file():
        raise Damaged(f"the snapshot does not hold {script.name}")
    if kind == "postgresql":
        there = logins.of_postgresql(script)[1]
        return {name: there[name] == one if name in there else None for name, one in told.items()}
    users = logins.of_mariadb(script)
    return {
        name: bool(users[name]) and all(one in place for place in users[name])
        if name in users
        else None
        for name, one in told.items()
    }

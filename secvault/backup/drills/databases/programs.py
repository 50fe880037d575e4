"""The programs of database servers on this machine, which stand on no PATH in most packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.sources import child
from secvault.errors import ConfigurationError

_POSTGRESQL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_MARIADB = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin")
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?")
_SECONDS = 20


class ServerMissing(ConfigurationError):
    """A server that a drill needs cannot be had on this machine; its detail says what to do."""

    code = "server-missing"
    title = "No server to load into"


@dataclass(frozen=True)
class Installed:
    """A server that can be started. folder: of its programs. major: of its version."""

    folder: Path
    major: int


def postgresql(environment: Mapping[str, str], wanted: int, folder: Path | None) -> Installed:
    """The oldest PostgreSQL here that is as new as the saved one (`wanted`: its major version).

    folder: of the settings, looked into first. Raises ServerMissing.
    """
    there = {
        found.major: found
        for found in _postgresql_here(environment, [*([str(folder)] if folder else [])])
    }
    enough = [major for major in there if major >= wanted]
    if enough:
        return there[min(enough)]
    here = f"here is {max(there)}" if there else "there is none on this machine"
    raise ServerMissing(
        f"a drill needs the server programs of PostgreSQL {wanted or 'any'} or later (initdb, "
        f"postgres), and {here}; install the package postgresql"
    )


def mariadb(environment: Mapping[str, str], folder: Path | None) -> tuple[Path, Path]:
    """The programs mariadbd and mariadb-install-db. Raises ServerMissing."""
    path = os.pathsep.join(
        [*([str(folder)] if folder else []), environment.get("PATH", os.defpath), *_MARIADB]
    )
    server = shutil.which("mariadbd", path=path)
    install = shutil.which("mariadb-install-db", path=path)
    if server is None or install is None:
        raise ServerMissing(
            "a drill needs the server programs of MariaDB (mariadbd, mariadb-install-db), and they "
            "are not on this machine; install the package mariadb-server-core, or mariadb-server"
        )
    return Path(server), Path(install)


def _postgresql_here(environment: Mapping[str, str], first: list[str]) -> Iterable[Installed]:
    patterns = [*reversed(environment.get("PATH", os.defpath).split(os.pathsep)), *_POSTGRESQL]
    # Later ones win where a version is there twice.
    for pattern in [*_POSTGRESQL, *patterns, *first]:
        if not pattern.startswith("/"):
            continue
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            programs = [folder / name for name in ("postgres", "initdb", "psql", "pg_restore")]
            if all(os.access(program, os.X_OK) for program in programs):
                version = _version(programs[0], environment)
                if version:
                    yield Installed(folder, version)


def _version(program: Path, environment: Mapping[str, str]) -> int:
    try:
        told = subprocess.run(
            [str(program), "--version"],
            env=child.environment_of(environment),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _NUMBER.search(told.decode(errors="replace"))
    return int(found[1]) if found else 0


def major_of(server: object) -> int:
    """The major version of a server as facts name it, `PostgreSQL 15.18`; 0: not known."""
    found = _NUMBER.search(str(server))
    return int(found[1]) if found else 0

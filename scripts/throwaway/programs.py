"""Programs of servers and tests: where they are, which package brings them, and getting them."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPENBAO_VENV = ROOT / ".venv-openbao"

# Debian's names. Without the packages that would also put a server of the system's own to work,
# where there is a choice.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "postgresql": {"initdb": "postgresql", "postgres": "postgresql"},
    "mariadb": {
        "mariadbd": "mariadb-server-core",
        "mariadb-install-db": "mariadb-server-core",
        "mariadb": "mariadb-client",
        "mariadb-dump": "mariadb-client",
    },
    "s3": {
        "radosgw": "radosgw",
        "radosgw-admin": "radosgw",
        "ceph-mon": "ceph-mon",
        "ceph-osd": "ceph-osd",
        "ceph": "ceph-common",
        "ceph-authtool": "ceph-common",
        "monmaptool": "ceph-common",
    },
    "openbao": {},
    "softhsm": {"softhsm2-util": "softhsm2"},
    "go": {
        "go": "golang-go",
        # A library, found by where Debian puts it.
        "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog": "golang-golang-x-mod-dev",
    },
    "libreoffice": {"soffice": "libreoffice-calc"},
    "rsyslog": {
        "rsyslogd": "rsyslog",
        # Its driver for TLS.
        f"/usr/lib/{platform.machine()}-linux-gnu/rsyslog/lmnsd_ossl.so": "rsyslog-openssl",
    },
    # A newer one is fetched beside it when it is asked for.
    "restic": {"restic": "restic"},
    "chromium": {"chromium": "chromium"},
    "wrk": {"wrk": "wrk"},
}


class Missing(Exception):
    """A program is not here and could not be installed; the text says what to run."""


def find(program: str) -> str:
    """Where a program is. Raises Missing."""
    found = _where(program)
    if found is None:
        raise Missing(f"{program} is not installed")
    return str(found)


def install_missing(services: Collection[str]) -> None:
    """Make sure that these services' programs are here.

    As root, where there is apt-get, what is missing is installed. Raises Missing.
    """
    packages = sorted(
        {
            package
            for service in services
            for program, package in PACKAGES[service].items()
            if _where(program) is None
        }
    )
    if packages:
        _install(packages)
    if "openbao" in services:
        _call([str(ROOT / "scripts" / "venv"), "openbao"], "OpenBao could not be installed")


def _where(program: str) -> Path | None:
    if program.startswith("/"):
        return Path(program) if Path(program).exists() else None
    # Debian keeps PostgreSQL's server programs off the path, one folder for each version.
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda file: int(file.parts[4]) if file.parts[4].isdigit() else 0,
    )
    if versions:
        return versions[-1]
    folders = [str(OPENBAO_VENV / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    found = shutil.which(program, path=os.pathsep.join(folders))
    return Path(found) if found else None


def _install(packages: list[str]) -> None:
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Missing(f"install what Debian calls: {' '.join(packages)}")
    if os.geteuid() != 0:
        raise Missing(f"run: sudo {command}")
    argv = [*command.split(), "-q", "-o", "DPkg::Lock::Timeout=600"]
    complaint = f"could not install; run by hand: apt-get update && {command}"
    with _alone():
        try:
            _call(argv, complaint)
        except Missing:
            # The list of packages is empty, or so old that it names files no longer offered.
            _call(["apt-get", "update", "-q"], complaint)
            _call(argv, complaint)


@contextmanager
def _alone() -> Iterator[None]:
    """While no other process of ours installs: apt does not wait for the lock of its lists."""
    held = os.open("/var/lib/apt", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _call(argv: list[str], complaint: str) -> None:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        raise Missing(f"{complaint}:\n{done.stdout[-2000:]}")

"""PostgreSQL: one cluster, a superuser with a random password, nothing flushed to disk."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

from throwaway.programs import find
from throwaway.site import Site

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A path in a deep folder could be longer than a socket's name may be.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_POSTGRESQL: the URL of a superuser, of the database `postgres`."""
    account = site.account("postgres")
    data = site.folder_of(account, "data")
    password = secrets.token_hex(16)
    pwfile = site.file_of(account, "password", password)
    how = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    who = ["--username=postgres", f"--pwfile={pwfile}"]
    site.run([find("initdb"), f"--pgdata={data}", *who, *how], account=account)
    pwfile.unlink()
    (port,) = site.ports(1)
    # In its file, not its command line: whoever needs a server that flushes can change that.
    with (data / "postgresql.conf").open("a", encoding="ascii") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    server = site.spawn(
        [find("postgres"), "-D", str(data), "-p", str(port)],
        account=account,
        # Immediate shutdown: the data is thrown away, its shared memory is not left behind.
        ending=signal.SIGQUIT,
    )
    site.wait(lambda: _says_ready(data / "postmaster.pid"), (server, "postgres"))
    return {"SVTEST_POSTGRESQL": f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"}


def _says_ready(file: Path) -> bool:
    """Whether the server says so itself, on line 8 of this file; pg_ctl waits for the same."""
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return len(lines) >= 8 and lines[7].strip() == "ready"

"""MariaDB: one server, an administrator with a random password, nothing ever flushed to disk."""

from __future__ import annotations

import secrets

from throwaway.programs import find
from throwaway.site import NotStarted, Site


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_MARIADB: `mariadb://user:password@host:port`, all rights, no database."""
    account = site.account("mysql")
    data = site.folder_of(account, "data")
    password = secrets.token_hex(16)
    where = ["--no-defaults", f"--datadir={data}"]
    how = ["--skip-test-db", "--auth-root-authentication-method=socket"]
    site.run([find("mariadb-install-db"), *where, *how], account=account)
    who = "secvault@'127.0.0.1'"
    init = site.file_of(
        account,
        "init.sql",
        f"CREATE USER {who} IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION;\n",
    )
    (port,) = site.ports(1)
    settings = [
        f"--init-file={init}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        # Relative to the data folder: a long path would not fit into a socket's name.
        "--socket=socket",
        f"--pid-file={data / 'pid'}",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    server = site.spawn([find("mariadbd"), *where, *settings], account=account)
    ask = ["--no-defaults", "--host=127.0.0.1", f"--port={port}", "--user=secvault"]

    def answers() -> bool:
        # With our own password: another server that took the port in the meantime would refuse it.
        try:
            site.run([find("mariadb"), *ask, "--execute=SELECT 1"], env={"MYSQL_PWD": password})
        except NotStarted:
            return False
        return True

    site.wait(answers, (server, "mariadbd"))
    init.unlink()
    return {"SVTEST_MARIADB": f"mariadb://secvault:{password}@127.0.0.1:{port}"}
